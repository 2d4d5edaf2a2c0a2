"""Snapshots, runs, jobs and backfills on DynamoDB; ``items`` shows the table."""
