"""Carry a signal to all followers of its strategy, as jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Protocol, TypeVar

from purser.errors import ExchangeUnavailable
from purser.exchanges.model import Ticker, TradeType
from purser.executions.model import FOLLOWERS_A_JOB, ExecutionJob, shuffled
from purser.executions.ports import Follows, JobStore, Signals
from purser.ports import Sender
from purser.signals.deciding import is_plausible
from purser.signals.model import Action, FanOut, Reason, Signal, Status
from purser.work.model import FIRST_MESSAGE_MS

JOBS_AT_ONCE = 100
"""The jobs of one transaction."""

T = TypeVar("T")


class Market(Protocol):
    """The venue's public prices."""

    def ticker(self, symbol: str, trade_type: TradeType) -> Ticker:
        """Return a market's last 24 hours. Raises ``ExchangeError``."""


class Refusals(Protocol):
    """The use case of refusing a signal."""

    def refuse(self, signal: Signal, reason: Reason) -> object:
        """Refuse an accepted signal before anything was done for it."""


class FanOuts:
    """The use case. ``now`` gives Unix milliseconds."""

    def __init__(
        self,
        signals: Signals,
        follows: Follows,
        jobs: JobStore,
        queue: Sender,
        market: Market,
        refusals: Refusals,
        now: Callable[[], int],
    ) -> None:
        self._signals = signals
        self._follows = follows
        self._jobs = jobs
        self._queue = queue
        self._market = market
        self._refusals = refusals
        self._now = now

    def plan(self, fan_out: FanOut) -> None:
        """Plan jobs for all followers.

        An attempt that was cut leaves jobs that the next one plans again. This is harmless, because an execution exists
        once for a signal and a follow. A signal whose prices cannot be right at the venue's is refused instead.

        Raises:
            ExchangeError: the venue's price is not known.
        """
        signal = self._signals.get(fan_out.strategy_id, fan_out.signal_id)
        if signal is None or signal.status is not Status.ACCEPTED:
            return
        price = self._price(signal) if signal.action is Action.ENTER else None
        # An earlier attempt may have planned jobs.
        if price is not None and fan_out.attempts <= 1 and not is_plausible(signal, price):
            self._refusals.refuse(signal, Reason.SUSPECT_PRICE)
            return
        followers, now = shuffled(self._follows.followers(signal.strategy_id), signal.id), self._now()
        jobs = [
            ExecutionJob(
                signal_id=signal.id,
                id=f"{fan_out.version:04d}-{number:06d}",
                strategy_id=signal.strategy_id,
                followers=tuple(portion),
                price=price,
                created_at=now,
                due_at=now + FIRST_MESSAGE_MS,
                correlation_id=fan_out.correlation_id,
            )
            for number, portion in enumerate(_portions(followers, FOLLOWERS_A_JOB))
        ]
        for several in _portions(jobs, JOBS_AT_ONCE):
            self._jobs.add(several)
            self._queue.send(job.message for job in several)

    def _price(self, signal: Signal) -> Decimal:
        """Return the price from which all followers count."""
        price = self._market.ticker(signal.symbol, TradeType.FUTURES).last
        if price is None:
            raise ExchangeUnavailable
        return price


def _portions(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
