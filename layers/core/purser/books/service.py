"""Close the books of a trade that has ended, once its fills are complete.

Nothing is guessed: as long as the venue does not show all fills, or cannot be asked, the books stay open and are tried
again. A result is stored once, under the signal and the follow of its trade, so a repeated attempt changes nothing.

Most books cost 5 of weight, for the fills of a trade of at most a week, and each further week costs 5 more. The order
that closed the trade costs 1 if it was none of the exits, an entry that was still open 1, and the price of another
asset in which fees were charged 1. Fundings have no weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from purser.books.model import HOUR_MS, Course, EndReason, TradeResult, known_reason, other_assets, reason_of, result_of
from purser.books.ports import BookDesk, Intents, ResultStore
from purser.errors import ExchangeError, ExchangeRateLimited, ExchangeSymbolInvalid, NotFound
from purser.exchanges.budget import Purpose
from purser.exchanges.model import ApiCredential, TradeType
from purser.exchanges.orders import Funding, Order
from purser.orders.ended import EndedTrade
from purser.orders.intents import Intent
from purser.ports import Access
from purser.work.model import Postponed

LEASE_MS = 130_000
"""The lease of an attempt: longer than its function may run."""

RESEND_AFTER_MS = 1_080_000
"""The time from sending a message until its trade is due again: 1.5 times the queue's visibility time-out."""

SHORTEST_PAUSE_MS = 60_000
LONGEST_PAUSE_MS = 6 * HOUR_MS
PAUSE_SHARE = 4
"""Books that cannot be closed yet are tried again after a fourth of the time since the trade's end."""

DATED_LATE_MS = 5_000
"""The time before an entry's own in which its first fill may be.

The answer to a new order has no other time than that of its last change.
"""

FUNDING_SETTLES_MS = 5 * 60_000
"""The time after which the venue surely lists a funding."""


class NotYet(Exception):
    """The venue does not show everything yet. ``due_at`` is when it does (Unix ms), if that is known."""

    def __init__(self, due_at: int = 0) -> None:
        super().__init__(due_at)
        self.due_at = due_at


class Books:
    """The use case. ``now`` gives Unix milliseconds."""

    def __init__(
        self, intents: Intents, results: ResultStore, accounts: Access, desk: BookDesk, now: Callable[[], int]
    ) -> None:
        self._intents = intents
        self._results = results
        self._accounts = accounts
        self._desk = desk.spending(Purpose.BACKGROUND)
        self._now = now

    def close(self, ended: EndedTrade) -> Postponed | None:
        """Store the result of a trade. Return when to try again, or None if there is nothing left to do.

        The fills of a trading account that was disconnected meanwhile cannot be read any more, so its trade gets no
        result.
        """
        intent = self._intents.get(ended.trading_account_id, ended.intent_id)
        if intent is None or self._is_closed(intent):
            return None
        try:
            result = self._result(intent)
        except NotFound:
            return None
        except NotYet as wait:
            return Postponed(max(wait.due_at, self._next_try(ended)), succeeded=True)
        except ExchangeRateLimited as refusal:
            return Postponed(self._now() + int(refusal.retry_after * 1000), succeeded=False)
        except ExchangeError:
            return Postponed(self._next_try(ended), succeeded=False)
        if result is not None:
            self._results.add(result)
        return None

    def _next_try(self, ended: EndedTrade) -> int:
        pause = (self._now() - ended.ended_at) // PAUSE_SHARE
        return self._now() + min(max(pause, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS)

    def _is_closed(self, intent: Intent) -> bool:
        if intent.strategy is None or intent.strategy.follow_id is None or intent.signal_id is None:
            return True
        return self._results.has(intent.strategy.follow_id, intent.signal_id)

    def _result(self, intent: Intent) -> TradeResult | None:
        """Return the result of a trade, or None if its entry was cancelled before anything was executed."""
        if not intent.state.is_final or intent.placed_entry is None:
            # It has its order lock back, since what should have closed it has failed.
            raise NotYet
        account, credential = self._accounts.get(intent.user_id, intent.trading_account_id)
        with self._accounts.recording_key_status(account):
            entry = self._ended(intent.placed_entry, credential)
            if not entry.filled:
                return None
            since = entry.timestamp - DATED_LATE_MS
            course = Course(entry, self._desk.trades_between(credential, intent.symbol, since, self._now()))
            if not course.is_over:
                raise NotYet
            fundings = self._fundings(intent.symbol, course)
            reason = self._reason(intent, course, credential)
            prices = {asset: self._price(asset, intent.symbol) for asset in other_assets(intent, course)}
        return result_of(intent, course, reason, fundings, prices)

    def _ended(self, entry: Order, credential: ApiCredential) -> Order:
        """Return an entry that cannot be executed any further, as it is at the venue."""
        if not entry.is_open:
            return entry
        found = self._desk.order(credential, entry.symbol, entry.became or entry.id)
        if found is None or found.is_open:
            raise NotYet
        return found

    def _fundings(self, symbol: str, course: Course) -> Sequence[Funding]:
        hours = course.hours
        if hours is None:
            return ()
        first, last = hours
        if self._now() < last + FUNDING_SETTLES_MS:
            raise NotYet(last + FUNDING_SETTLES_MS)
        # The venue may date a funding some milliseconds after the hour.
        return self._desk.fundings(symbol, first, last + FUNDING_SETTLES_MS)

    def _reason(self, intent: Intent, course: Course, credential: ApiCredential) -> EndReason:
        known = known_reason(intent, course.last_order_id)
        if known is not None:
            return known
        closing = self._desk.order(credential, intent.symbol, course.last_order_id)
        if closing is None:
            raise NotYet
        return reason_of(intent, closing)

    def _price(self, asset: str, symbol: str) -> Decimal | None:
        """Return what an asset is worth in the quote asset of a contract, or None if the venue has no market for it."""
        quote = symbol.partition("/")[2]
        try:
            price = self._desk.ticker(f"{asset}/{quote}", TradeType.FUTURES).last
        except ExchangeSymbolInvalid:
            return None
        if price is None:
            raise NotYet
        return price
