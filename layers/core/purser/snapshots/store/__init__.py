"""Snapshots, runs, jobs and backfills on DynamoDB; ``items`` shows the tables."""

from purser.snapshots.store.backfills import DynamoBackfills, DynamoTurns
from purser.snapshots.store.runs import DynamoRuns
from purser.snapshots.store.snapshots import DynamoHistory, DynamoSnapshots

__all__ = ["DynamoBackfills", "DynamoHistory", "DynamoRuns", "DynamoSnapshots", "DynamoTurns"]
