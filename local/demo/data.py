"""Create the demo data, through the APIs where possible: a plan, two paper keys with their history, and strategies.

This runs in the application's environment, against the running system. It creates only what is missing, so it can be
stopped at any moment and run again. It prints its progress, line by line.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import requests

from local.client import Running
from local.cloud.account import environment
from local.demo import strategies
from local.doubles.binance.client import PaperControl

PLAN = "PROFESSIONAL"
DAYS = 90
REMEMBERED_DAYS = 30
DAILY_SWING = 0.018
CENT, SATOSHI = Decimal("0.01"), Decimal("0.00000001")
SAY_SECONDS = 4.0
PATIENCE_SECONDS = 60
"""The time to wait for the days that the exchange remembers. Purser fetches the rest afterwards."""


@dataclass(frozen=True)
class DemoKey:
    """A paper key of ``demo``: its balances, and their value in USD at a new exchange's prices."""

    name: str
    trade_type: str
    balance: Mapping[str, str]
    worth: Decimal

    @property
    def market(self) -> str:
        """Its market, as the paper exchange calls it."""
        return self.trade_type.lower()


KEYS = (
    DemoKey("Paper spot", "SPOT", {"USDT": "612.40", "BTC": "0.0075"}, Decimal("1099.90")),
    DemoKey("Paper futures", "FUTURES", {"USDT": "5000"}, Decimal(5000)),
)


class Api:
    """The customer API for one user."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer's JSON.

        Raises:
            requests.HTTPError: the answer is an error.
        """
        answer = self._http.request(method, f"{self._url}/v1{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json(parse_float=Decimal)


def main() -> None:
    """Create what is missing."""
    parser = argparse.ArgumentParser(prog="python -m local.demo.data")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--days", type=int, required=True)
    given = parser.parse_args()
    running = Running(given.state)
    os.environ.update(environment(running.stack["awsUrl"], running.stack["dynamodbUrl"]))
    tables = {name: resource["Ref"] for name, resource in running.stack["resources"].items() if "Ref" in resource}
    demo, admin = (Api(running.stack["url"], running.token(name)) for name in ("demo", "admin"))
    say(f"granting {PLAN} and connecting the keys")
    grant_plan(admin, running.stack["users"]["demo"]["sub"])
    paper = PaperControl(running.stack["paperUrl"])
    connected = [(each, connect(demo, paper, each)) for each in KEYS]
    say("writing the keys' history")
    for each, key in connected:
        write_history(tables, key["id"], older_history(each, datetime.fromisoformat(key["createdAt"]).date()))
    strategies.publish(
        tables["StrategiesTable"], tables["AuditTable"], given.days, Progress("results of the strategies")
    )
    for _, key in connected:
        await_history(demo, key["id"])


def say(text: str) -> None:
    """Print the progress."""
    print(text, flush=True)


class Progress:
    """Reports the progress of a long step every few seconds."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._said_at = float("-inf")

    def __call__(self, done: int, total: int) -> None:
        """Report that so many of all are done, unless a report was just made."""
        if time.monotonic() - self._said_at >= SAY_SECONDS:
            self._said_at = time.monotonic()
            say(f"{done} of {total} {self._what}")


def grant_plan(admin: Api, user_id: str) -> None:
    """Grant the demo plan to a user who has not bought one."""
    held = admin.call("GET", f"/admin/account/user/overview/{user_id}")["subscription"]
    if held and (held["paymentType"] == "STRIPE" or held["SubscriptionType"]["name"] == PLAN):
        return
    plans = admin.call("GET", "/pub/subscription/list")["items"]
    plan = next(each["id"] for each in plans if each["name"] == PLAN)
    admin.call("PUT", f"/admin/account/user/{user_id}/subscription", {"subscriptionId": plan})


def connect(demo: Api, paper: PaperControl, wanted: DemoKey) -> dict[str, Any]:
    """Return the user's oldest key of a trade type; a new one at the paper exchange when there is none."""
    keys = demo.call("GET", "/priv/account/exchange/key/list")["items"]
    found = next((key for key in keys if key["tradeType"] == wanted.trade_type), None)
    if found:
        return dict(found)
    past = remembered_history(wanted, datetime.now(UTC).date())
    created = paper.call("POST", "/paper/keys", {"balances": {wanted.market: wanted.balance}, "history": past})
    body = {
        "exchangeId": "BINANCE",
        "strategyType": "MANUAL",
        "tradeType": wanted.trade_type,
        "name": wanted.name,
        "apiKey": created["apiKey"],
        "apiSecretKey": created["secret"],
    }
    return dict(demo.call("POST", "/priv/account/exchange/key", body))


def growth(key: DemoKey) -> Iterator[Decimal]:
    """Yield what a key held on each day before it was made, walking back, in multiples of now; always the same."""
    chance, factor = random.Random(key.name), Decimal(1)  # noqa: S311 - no secret
    for _ in range(DAYS):
        factor /= Decimal(str(1 + chance.gauss(0.001, DAILY_SWING)))
        yield factor


def remembered_history(key: DemoKey, today: date) -> dict[str, Any]:
    """Return what the paper exchange remembers of a key, which Purser fetches by itself when it is connected."""
    return {
        (today - timedelta(days=ago)).isoformat(): {
            key.market: {
                asset: f"{(Decimal(amount) * factor).quantize(SATOSHI):f}" for asset, amount in key.balance.items()
            }
        }
        for ago, factor in enumerate(islice(growth(key), REMEMBERED_DAYS), start=1)
    }


def older_history(key: DemoKey, created: date) -> Iterator[tuple[date, Decimal]]:
    """Yield what a key was worth on the days before those."""
    for ago, factor in enumerate(growth(key), start=1):
        if ago > REMEMBERED_DAYS:
            yield created - timedelta(days=ago), (key.worth * factor).quantize(CENT)


def await_history(demo: Api, key_id: str) -> None:
    """Wait for the days that the exchange remembers, which Purser fetches in its own time."""
    tell, until = Progress("days of history fetched"), time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        days = demo.call("GET", f"/priv/account/exchange/key/{key_id}/balance/history?limit={DAYS}")["items"]
        if len(days) == DAYS:
            return
        tell(len(days), DAYS)
        time.sleep(1)


def write_history(tables: Mapping[str, str], trading_account_id: str, days: Iterator[tuple[date, Decimal]]) -> None:
    """Store the snapshots of past days, which no route could; a day that has one keeps it."""
    from purser.aws.tables import Table
    from purser.snapshots.model import Snapshot, Source
    from purser.snapshots.store.snapshots import DynamoSnapshotStore

    store = DynamoSnapshotStore(Table(tables["SnapshotsTable"]), Table(tables["KeysTable"]))
    for day, worth in days:
        taken_at = int(datetime.combine(day, clock(0, 5), UTC).timestamp() * 1000)
        store.keep(Snapshot(trading_account_id, day.isoformat(), worth, Source.LIVE, taken_at))


if __name__ == "__main__":
    main()
