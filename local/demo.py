"""Demo data, made from outside where anybody could: a plan, a paper key and its balances for ``demo``, and strategies.

Runs with the environment of the application, against the running system. What is there already stays as it is.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import requests

from local import demo_strategies
from local.account import environment
from local.client import Running
from local.paper.client import PaperControl

PLAN = "BASIC"
BALANCE = {"USDT": "612.40", "BTC": "0.0075"}
"""Together far below the plan's 2,500 USD, so that a second key fits in."""

DAYS = 90
REMEMBERED_DAYS = 30
DAILY_SWING = 0.018
CENT, SATOSHI = Decimal("0.01"), Decimal("0.00000001")
SEED = "a quarter of a year"


class Api:
    """The customer API for one user."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON.

        Raises:
            requests.HTTPError: the answer is an error.
        """
        answer = self._http.request(method, f"{self._url}/v1{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json(parse_float=Decimal)


def main() -> None:
    """Makes what is missing."""
    parser = argparse.ArgumentParser(prog="python -m local.demo")
    parser.add_argument("--state", type=Path, required=True)
    running = Running(parser.parse_args().state)
    demo, admin = (Api(running.stack["url"], running.token(name)) for name in ("demo", "admin"))
    grant_plan(admin, running.stack["users"]["demo"]["sub"])
    key = demo_key(demo, PaperControl(running.stack["paperUrl"]))
    history = list(older_history(key, worth_of(demo)))
    os.environ.update(environment(running.stack["awsUrl"], running.stack["dynamodbUrl"]))
    tables = {name: resource["Ref"] for name, resource in running.stack["resources"].items() if "Ref" in resource}
    write_history(tables, key["id"], history)
    demo_strategies.publish(tables["StrategiesTable"])


def grant_plan(admin: Api, user_id: str) -> None:
    """Grants the demo plan to a user who has none."""
    if admin.call("GET", f"/admin/account/user/overview/{user_id}")["subscription"]:
        return
    plans = admin.call("GET", "/pub/subscription/list")["items"]
    plan = next(each["id"] for each in plans if each["name"] == PLAN)
    admin.call("PUT", f"/admin/account/user/{user_id}/subscription", {"subscriptionId": plan})


def demo_key(demo: Api, paper: PaperControl) -> dict[str, Any]:
    """The user's oldest key; a new one at the paper exchange when there is none."""
    keys = demo.call("GET", "/priv/account/exchange/key/list")["items"]
    if keys:
        oldest: dict[str, Any] = keys[0]
        return oldest
    made = paper.key(spot=BALANCE, history=remembered_history(datetime.now(UTC).date()))
    body = {
        "exchangeId": "BINANCE",
        "strategyType": "MANUAL",
        "tradeType": "SPOT",
        "name": "Paper spot",
        "apiKey": made["apiKey"],
        "apiSecretKey": made["secret"],
    }
    created: dict[str, Any] = demo.call("POST", "/priv/account/exchange/key", body)
    return created


def worth_of(demo: Api) -> Decimal:
    """What the user's keys are worth now, in USD."""
    return Decimal(demo.call("GET", "/priv/account/exchange/balance")["USD"])


def growth() -> Iterator[Decimal]:
    """What the account held on each day before the key was made, walking back, in multiples of now; always the same."""
    chance, factor = random.Random(SEED), Decimal(1)  # noqa: S311 - no secret
    for _ in range(DAYS):
        factor /= Decimal(str(1 + chance.gauss(0.001, DAILY_SWING)))
        yield factor


def remembered_history(today: date) -> dict[str, Any]:
    """What the paper exchange remembers of the key, which Purser fetches by itself when the key is connected."""
    return {
        (today - timedelta(days=ago)).isoformat(): {
            "spot": {asset: f"{(Decimal(amount) * factor).quantize(SATOSHI):f}" for asset, amount in BALANCE.items()}
        }
        for ago, factor in enumerate(islice(growth(), REMEMBERED_DAYS), start=1)
    }


def older_history(key: dict[str, Any], worth: Decimal) -> Iterator[tuple[date, Decimal]]:
    """What the account was worth on the days before those."""
    made = datetime.fromisoformat(key["createdAt"]).date()
    for ago, factor in enumerate(growth(), start=1):
        if ago > REMEMBERED_DAYS:
            yield made - timedelta(days=ago), (worth * factor).quantize(CENT)


def write_history(tables: dict[str, str], trading_account_id: str, days: list[tuple[date, Decimal]]) -> None:
    """Stores the snapshots of past days, which no route could; a day that has one keeps it."""
    from purser.aws.tables import Table
    from purser.snapshots.model import Snapshot, Source
    from purser.snapshots.store import DynamoSnapshotStore

    store = DynamoSnapshotStore(Table(tables["SnapshotsTable"]), Table(tables["KeysTable"]))
    for day, worth in days:
        taken_at = int(datetime.combine(day, time(0, 5), UTC).timestamp() * 1000)
        store.keep(Snapshot(trading_account_id, day.isoformat(), worth, Source.LIVE, taken_at))


if __name__ == "__main__":
    main()
