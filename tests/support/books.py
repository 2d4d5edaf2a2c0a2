"""The books of one follower's trades at a paper exchange in this process."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from purser.books.model import TradeResult
from purser.books.service import Books
from purser.orders.ended import EndedTrade
from purser.work.model import Postponed
from tests.support.executions import SYMBOL, FollowedAccount
from tests.support.intents import FakeIntents
from tests.support.work import Interruptible


class FakeResults(Interruptible):
    """The result store in memory. ``stored`` counts what was not there before."""

    def __init__(self) -> None:
        super().__init__()
        self.results: dict[tuple[str, str], TradeResult] = {}
        self.stored = 0

    def has(self, follow_id: str, signal_id: str) -> bool:
        with self.step("has"):
            return (follow_id, signal_id) in self.results

    def add(self, result: TradeResult) -> None:
        with self.step("add"):
            if (result.follow_id, result.signal_id) not in self.results:
                self.results[result.follow_id, result.signal_id] = result
                self.stored += 1

    def between(self, follow_id: str, first_signal_id: str, last_signal_id: str) -> Mapping[str, TradeResult]:
        return {
            signal: result
            for (follow, signal), result in self.results.items()
            if follow == follow_id and first_signal_id <= signal <= last_signal_id
        }


class Booked:
    """A follower, and the books of the trades that have ended."""

    def __init__(self, account: FollowedAccount) -> None:
        self.account = account
        self.results = FakeResults()
        world = account.world
        assert isinstance(world.store, FakeIntents)
        self.store = world.store.ended_trades
        self.books = Books(world.store, self.results, world.access, world.desk, account.clock)

    @property
    def ended(self) -> list[EndedTrade]:
        """The trades that have ended and wait for their books."""
        return list(self.store.records.values())

    def close(self) -> Postponed | None:
        """Make an attempt at the books of the only trade."""
        (ended,) = self.ended
        return self.books.close(ended)

    @property
    def result(self) -> TradeResult:
        """The only result."""
        (result,) = self.results.results.values()
        return result

    @property
    def equity(self) -> Decimal:
        """What the venue says the account is worth."""
        return self.account.world.desk.margin(self.account.credential, SYMBOL).equity
