"""What can be done with strategies: publish them and their results, list them, and read their history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Protocol, TypeVar

from purser.errors import FieldError, InvalidInput, NotFound
from purser.retrying import until_fresh
from purser.strategies.model import (
    NOTHING,
    Change,
    Direction,
    Figures,
    Interval,
    Range,
    Result,
    RiskProfile,
    Rollup,
    Row,
    Shelf,
    StaleMonth,
    Strategy,
    combined,
)

T = TypeVar("T")


class StrategyStore(Protocol):
    """Where strategies and risk profiles are kept. Every method may raise ``purser.errors.Unavailable``."""

    def strategies(self) -> Sequence[Strategy]:
        """All strategies."""

    def strategy(self, strategy_id: str) -> Strategy | None:
        """A strategy, or None."""

    def add_strategy(self, strategy: Strategy) -> bool:
        """Keeps a new strategy; False when its id is taken."""

    def change_strategy(self, strategy_id: str, change: Change, now: int) -> Strategy | None:
        """Changes the given fields in one write; None when there is no such strategy."""

    def risk_profiles(self) -> Sequence[RiskProfile]:
        """All risk profiles."""

    def risk_profile(self, risk_profile_id: str) -> RiskProfile | None:
        """A risk profile, or None."""

    def add_risk_profile(self, risk_profile: RiskProfile) -> bool:
        """Keeps a new risk profile; False when its id is taken."""

    def change_risk_profile(self, risk_profile_id: str, change: Change, now: int) -> RiskProfile | None:
        """Changes the given fields in one write; None when there is no such risk profile."""


class ResultStore(Protocol):
    """Where results are kept. Every method may raise ``purser.errors.Unavailable``."""

    def shelf(self, strategy_id: str, result: Result) -> Shelf:
        """What is known where a result belongs, in one consistent read."""

    def results_of_day(self, strategy_id: str, day: str) -> Mapping[str, Figures]:
        """What each result of a day comes to alone, by its place."""

    def days_of_month(self, strategy_id: str, month: str) -> Mapping[str, Figures]:
        """What each day of a month comes to, by its name."""

    def keep(self, strategy_id: str, result: Result, day: Rollup, month: Rollup, version: int) -> None:
        """Keeps a result with what its day and month come to now, all or nothing.

        Raises:
            StaleMonth: the month is no longer at ``version``, or the result was kept before.
        """

    def history(self, strategy_id: str, interval: Interval, first: str, last: str) -> Mapping[str, Figures]:
        """What the days or months from ``first`` to ``last`` come to, by their names; empty ones are absent."""


@dataclass(frozen=True, slots=True)
class NewStrategy:
    """What an administrator gives to publish a strategy under the id ``id``."""

    id: str
    name: str
    description: str | None
    venue: str
    symbol: str
    active: bool = True


class Strategies:
    """The use cases of strategies and risk profiles. ``now`` gives Unix milliseconds."""

    def __init__(self, store: StrategyStore, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    def all(self) -> list[Strategy]:
        """Every strategy, active or not, oldest first."""
        return sorted(self._store.strategies(), key=lambda strategy: (strategy.created_at, strategy.id))

    def publish(self, new: NewStrategy) -> Strategy:
        """Publishes a strategy. Asked again with the same id, it answers the strategy that is there."""
        now = self._now()
        strategy = Strategy(new.id, new.active, new.name, new.description, new.venue, new.symbol, now, now)
        return strategy if self._store.add_strategy(strategy) else _found(self._store.strategy(new.id))

    def change(self, strategy_id: str, change: Change) -> Strategy:
        """Changes ``name``, ``description`` or ``active``: what is given and no more.

        Raises:
            NotFound: no such strategy.
        """
        return _found(self._store.change_strategy(strategy_id, change, self._now()))

    def risk_profiles(self) -> list[RiskProfile]:
        """Every risk profile, oldest first."""
        return sorted(self._store.risk_profiles(), key=lambda profile: (profile.created_at, profile.id))

    def publish_risk_profile(self, risk_profile_id: str, name: str, percentage: Decimal) -> RiskProfile:
        """Publishes a risk profile. Asked again with the same id, it answers the one that is there."""
        now = self._now()
        profile = RiskProfile(risk_profile_id, name, percentage, now, now)
        if self._store.add_risk_profile(profile):
            return profile
        return _found(self._store.risk_profile(risk_profile_id))

    def change_risk_profile(self, risk_profile_id: str, change: Change) -> RiskProfile:
        """Changes ``name`` or ``percentage``: what is given and no more.

        Raises:
            NotFound: no such risk profile.
        """
        return _found(self._store.change_risk_profile(risk_profile_id, change, self._now()))


@dataclass(frozen=True, slots=True)
class NewResult:
    """A closed trade as it is published under the id ``id``; times are Unix milliseconds."""

    id: str
    direction: Direction
    entry_price: Decimal
    exit_price: Decimal
    opened_at: int
    closed_at: int


class Results:
    """The use cases of results. ``now`` gives Unix milliseconds."""

    def __init__(self, strategies: StrategyStore, store: ResultStore, now: Callable[[], int]) -> None:
        self._strategies = strategies
        self._store = store
        self._now = now

    def publish(self, strategy_id: str, new: NewResult) -> Result:
        """Counts a closed trade on the day on which it closed, exactly once.

        Published again with the same id, it answers the result that is there. Results may come in any order.

        Raises:
            NotFound: no such strategy.
            InvalidInput: it closed before it opened or is still to close; its id is another result's; the
                month's return would be beyond what can be held.
            Contended: too many results of one month at once.
        """
        _found(self._strategies.strategy(strategy_id))
        now = self._now()
        _check_times(new, now)
        result = Result(new.id, new.direction, new.entry_price, new.exit_price, new.opened_at, new.closed_at, now)
        return until_fresh(lambda: self._publish_once(strategy_id, result), stale=StaleMonth)

    def _publish_once(self, strategy_id: str, result: Result) -> Result:
        shelf = self._store.shelf(strategy_id, result)
        if shelf.known:
            return _same(shelf.known, result)
        day = self._day_with(strategy_id, result, shelf.day)
        month = self._month_with(strategy_id, result, day, shelf.month)
        if not month.figures.is_storable:
            message = "takes the month's return beyond what can be held"
            raise InvalidInput([FieldError(("exitPrice",), message, "body", result.exit_price)])
        self._store.keep(strategy_id, result, day, month, shelf.version)
        return result

    def _day_with(self, strategy_id: str, result: Result, day: Rollup) -> Rollup:
        if day.last_place < result.place:
            return Rollup(day.figures.then(result.figures), result.place)
        # It closed before others that are counted: what matters to a draw-down is the order.
        by_place = {**self._store.results_of_day(strategy_id, result.day), result.place: result.figures}
        return Rollup(combined(by_place[place] for place in sorted(by_place)), day.last_place)

    def _month_with(self, strategy_id: str, result: Result, day: Rollup, month: Rollup) -> Rollup:
        if month.last_place < result.place:
            return Rollup(month.figures.then(result.figures), result.place)
        by_day = {**self._store.days_of_month(strategy_id, result.month), result.day: day.figures}
        return Rollup(combined(by_day[name] for name in sorted(by_day)), month.last_place)

    def history(self, strategy_id: str, interval: Interval, limit: int) -> list[Row]:
        """The last ``limit`` days or months (UTC), the running one first; ranges without trades are among them.

        Raises:
            NotFound: no such strategy.
        """
        _found(self._strategies.strategy(strategy_id))
        ranges = list(islice(_backwards(Range.at(interval, self._now())), limit))
        known = self._store.history(strategy_id, interval, ranges[-1].key, ranges[0].key)
        return [Row(each.start, each.end, known.get(each.key, NOTHING)) for each in ranges]

    def performance(self, strategy_id: str, interval: Interval, limit: int) -> Figures:
        """What the last ``limit`` days or months (UTC) come to together, the running one included.

        Raises:
            NotFound: no such strategy.
        """
        return combined(row.figures for row in reversed(self.history(strategy_id, interval, limit)))


def _backwards(latest: Range) -> Iterator[Range]:
    while True:
        yield latest
        latest = latest.before()


def _found(thing: T | None) -> T:
    if thing is None:
        raise NotFound
    return thing


def _check_times(new: NewResult, now: int) -> None:
    field_errors = []
    if new.closed_at < new.opened_at:
        field_errors.append(FieldError(("closedAt",), "must not be before openedAt", "body"))
    if new.closed_at > now:
        field_errors.append(FieldError(("closedAt",), "must not be in the future", "body"))
    if field_errors:
        raise InvalidInput(field_errors)


def _same(known: Result, result: Result) -> Result:
    result_fields = (result.direction, result.entry_price, result.exit_price, result.opened_at, result.closed_at)
    if (known.direction, known.entry_price, known.exit_price, known.opened_at, known.closed_at) != result_fields:
        raise InvalidInput([FieldError(("id",), "is another result's", "body", result.id)])
    return known
