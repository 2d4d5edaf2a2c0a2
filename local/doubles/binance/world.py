"""The exchange as its endpoints and its control API see it."""

from __future__ import annotations

from collections import deque
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any, Protocol

from local.doubles.binance.faults import Fault
from local.doubles.binance.funding import FundingDesk
from local.doubles.binance.futures import FuturesDesk
from local.doubles.binance.limits import Limits
from local.doubles.binance.messages import Answer, Request
from local.doubles.binance.model import Account, Snapshot
from local.doubles.binance.paths import Paths
from local.doubles.binance.prices import PriceBoard
from local.doubles.binance.spot import SpotDesk
from local.doubles.kit.faults import FaultBox
from local.doubles.kit.store import Store


class World(Protocol):
    """Accounts, prices and desks, and the settings of tests."""

    accounts: dict[str, Account]
    snapshots: dict[str, Snapshot]
    assets: list[str]
    prices: PriceBoard
    spot: SpotDesk
    futures: FuturesDesk
    funding: FundingDesk
    paths: Paths
    store: Store
    faults: FaultBox[Fault]
    limits: Limits
    requests: deque[dict[str, Any]]
    latency_ms: int

    @property
    def lock(self) -> AbstractContextManager[bool]:
        """The lock that readers and writers of the state hold."""

    def turn(self) -> AbstractContextManager[int]:
        """Lock the state for one turn, and yield its time in milliseconds. Changes are stored at its end."""

    def handle(self, request: Request) -> Answer:
        """Answer a request of the exchange's own API."""

    def open_account(self, account: Account) -> str:
        """Add an account and return its key's secret."""

    def keep_snapshot(self, account: Account, day: int, snapshot: Snapshot) -> None:
        """Store what an account held at the end of a day."""

    def move_price(self, pair: str, price: Decimal, now: int) -> None:
        """Set the price of a pair, and let all its consequences happen."""
