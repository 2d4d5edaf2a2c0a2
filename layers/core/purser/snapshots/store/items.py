"""Items of the Snapshots table.

    PK                      SK                      what
    KEY#<account id>        <YYYY-MM-DD>            a snapshot; it never expires
    RUNS                    <run id>                a run and its counts; ids sort by time
    RUN#<run id>            JOB#<job id>            a job: its pending trading accounts

All but snapshots expire (``expiresAt``). Backfills are in the Keys table, so that the write that connects a trading
account can store one.
"""

from __future__ import annotations

from decimal import Decimal

from purser.aws.tables import Guard, Item
from purser.clock import now_ms
from purser.keys_table import account_sk
from purser.snapshots.model import Snapshot, Source

LIFETIME_S = 35 * 24 * 3600

UNLESS_LIVE: Guard = {
    "condition": "attribute_not_exists(PK) OR #source = :backfilled",
    "names": {"#source": "source"},
}
"""The condition on which a live snapshot is stored; its values are ``BACKFILLED``."""

BACKFILLED = {":backfilled": Source.BACKFILLED.value}


def expiry() -> int:
    """Return when an item that is written now expires, in Unix seconds."""
    return now_ms() // 1000 + LIFETIME_S


def snapshot_item(snapshot: Snapshot) -> Item:
    return {
        "PK": account_sk(snapshot.trading_account_id),
        "SK": snapshot.date,
        "totalUSD": snapshot.total_usd,
        "source": snapshot.source.value,
        "takenAt": snapshot.taken_at,
        "runId": snapshot.run_id,
    }


def snapshot_of(item: Item) -> Snapshot:
    return Snapshot(
        trading_account_id=item["PK"].removeprefix(account_sk("")),
        date=item["SK"],
        total_usd=Decimal(item["totalUSD"]),
        source=Source(item["source"]),
        taken_at=int(item["takenAt"]),
        run_id=item.get("runId"),
    )
