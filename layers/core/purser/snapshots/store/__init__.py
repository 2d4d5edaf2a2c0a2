"""Snapshots, runs, jobs and backfills on DynamoDB; ``items`` shows the tables."""

from purser.snapshots.store.backfills import DynamoBackfillStore, DynamoRateGate
from purser.snapshots.store.runs import DynamoRunStore
from purser.snapshots.store.snapshots import DynamoBalanceHistoryStore, DynamoSnapshotStore

__all__ = [
    "DynamoBackfillStore",
    "DynamoBalanceHistoryStore",
    "DynamoRateGate",
    "DynamoRunStore",
    "DynamoSnapshotStore",
]
