"""Planning a run over many active trading accounts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import artefacts
from bench.artefacts import Artefact
from bench.processes import probe, run
from bench.report import Table, mb, times
from bench.world import World
from purser.keys_table import active_shard
from tests.support.aws import put_items

FEW, MANY = 100, 10_000
EVENT: dict[str, Any] = {"detail": {}}


def measure(world: World, scratch: Path) -> list[Table]:
    """Measure requests, time and memory of planning. The world must have no active accounts yet."""
    rows = []
    known = 0
    for keys in (FEW, MANY):
        put_items(world.physical["KeysTable"], _accounts(keys - known))
        known = keys
        _, planned = run(_planner(world, scratch), world.environment, [EVENT])
        assert planned.answer["planned"] == keys, planned.answer
        given = {"event": EVENT, "queue": world.new_queue()}
        rows.append(_row(keys, probe("planning.py", _planner(world, scratch), world.environment, given), planned.rss))
    columns = (
        "active keys",
        "DynamoDB requests",
        "SQS requests",
        "keys per request",
        "time",
        "÷ bare requests",
        "CPU",
        "peak memory",
    )
    return [Table("Planning", columns, rows)]


def _planner(world: World, scratch: Path) -> Artefact:
    """Return the planner with a new queue, because the queue's double slows down with every message that it holds."""
    names = {**world.physical, "SnapshotQueue": world.new_queue()}
    return artefacts.functions(scratch, names)["BalanceSnapshotPlanner"]


def _row(keys: int, report: dict[str, Any], rss: int) -> list[str]:
    by_service = {
        service: sum(count for name, count in report["counts"].items() if name.startswith(service))
        for service in ("dynamodb", "sqs")
    }
    requests = sum(by_service.values())
    return [
        f"{keys:,}",
        f"{by_service['dynamodb']}",
        f"{by_service['sqs']}",
        f"{keys / requests:.0f}",
        f"{report['wall']:.1f} s",
        times(report["wall"] / report["bare"]),
        f"{report['cpu']:.1f} s",
        mb(rss),
    ]


def _accounts(count: int) -> Iterator[dict[str, str]]:
    """Store the attributes of trading accounts that are in the active index."""
    for _ in range(count):
        user_id, account_id = str(uuid.uuid4()), str(uuid.uuid4())
        yield {
            "PK": f"USER#{user_id}",
            "SK": f"KEY#{account_id}",
            "userId": user_id,
            "tradingAccountId": account_id,
            "activeShard": active_shard(account_id),
        }
