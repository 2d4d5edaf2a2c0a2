"""The use cases of strategies and their results: publish, list, read the history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from typing import Protocol, TypeVar

from purser.actor import Actor
from purser.audit.model import Action, AuditEntry, audit_entry
from purser.errors import FieldError, InvalidInput, found
from purser.retrying import until_fresh
from purser.strategies.model import (
    NO_DEFAULTS,
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
    SignalDefaults,
    StaleMonth,
    Strategy,
    combined,
)

P = TypeVar("P", Strategy, RiskProfile)


class StrategyStore(Protocol):
    """The store of strategies and risk profiles, by ``kind``. Every method may raise ``purser.errors.Unavailable``.

    A change is written together with its audit entry.
    """

    def all(self, kind: type[P]) -> Sequence[P]:
        """Return all of a kind."""

    def get(self, kind: type[P], id: str) -> P | None:
        """Return the one with an id, or None."""

    def add(self, published: Strategy | RiskProfile, entry: AuditEntry) -> bool:
        """Store a new strategy or risk profile; return False when its id is taken."""

    def change(self, kind: type[P], id: str, change: Change, now: int, entry: AuditEntry) -> P | None:
        """Change the given fields in one write; return None when there is none with that id."""


class ResultStore(Protocol):
    """The store of results. Every method may raise ``purser.errors.Unavailable``."""

    def shelf(self, strategy_id: str, result: Result) -> Shelf:
        """Return the stored data around a result, in one consistent read."""

    def results_of_day(self, strategy_id: str, day: str) -> Mapping[str, Figures]:
        """Return the figures of each result of a day, by its place."""

    def days_of_month(self, strategy_id: str, month: str) -> Mapping[str, Figures]:
        """Return the figures of each day of a month, by its name."""

    def keep(
        self, strategy_id: str, result: Result, day: Rollup, month: Rollup, version: int, entry: AuditEntry
    ) -> None:
        """Store a result with the new figures of its day and month and its audit entry, all or nothing.

        Raises:
            StaleMonth: the month is no longer at ``version``, or the result was stored before.
        """

    def history(self, strategy_id: str, interval: Interval, first: str, last: str) -> Mapping[str, Figures]:
        """Return the figures of the days or months from ``first`` to ``last`` that have any, by name."""


@dataclass(frozen=True, slots=True)
class NewStrategy:
    """The strategy that an administrator publishes."""

    id: str
    name: str
    description: str | None
    venue: str
    symbol: str
    active: bool = True
    signal_defaults: SignalDefaults = NO_DEFAULTS


class Strategies:
    """The use cases of strategies and risk profiles. ``now`` gives Unix milliseconds."""

    def __init__(self, store: StrategyStore, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    def all(self) -> list[Strategy]:
        """Return every strategy, active or not, oldest first."""
        return sorted(self._store.all(Strategy), key=lambda strategy: (strategy.created_at, strategy.id))

    def publish(self, actor: Actor, new: NewStrategy) -> Strategy:
        """Publish a strategy, or return it if it was published before under the same id."""
        now = self._now()
        strategy = Strategy(
            id=new.id,
            active=new.active,
            name=new.name,
            description=new.description,
            venue=new.venue,
            symbol=new.symbol,
            created_at=now,
            updated_at=now,
            signal_defaults=new.signal_defaults,
        )
        entry = audit_entry(actor, Action.STRATEGY_PUBLISH, f"strategy/{new.id}", now)
        return strategy if self._store.add(strategy, entry) else found(self._store.get(Strategy, new.id))

    def change(self, actor: Actor, strategy_id: str, change: Change) -> Strategy:
        """Change ``name``, ``description``, ``active`` or ``signal_defaults``, as given.

        Raises:
            NotFound: no such strategy.
        """
        now = self._now()
        entry = audit_entry(actor, Action.STRATEGY_CHANGE, f"strategy/{strategy_id}", now)
        return found(self._store.change(Strategy, strategy_id, change, now, entry))

    def risk_profiles(self) -> list[RiskProfile]:
        """Return every risk profile, oldest first."""
        return sorted(self._store.all(RiskProfile), key=lambda profile: (profile.created_at, profile.id))

    def publish_risk_profile(self, actor: Actor, risk_profile_id: str, name: str, percentage: Decimal) -> RiskProfile:
        """Publish a risk profile, or return it if it was published before under the same id."""
        now = self._now()
        profile = RiskProfile(risk_profile_id, name, percentage, now, now)
        entry = audit_entry(actor, Action.RISK_PROFILE_PUBLISH, f"riskProfile/{risk_profile_id}", now)
        return profile if self._store.add(profile, entry) else found(self._store.get(RiskProfile, risk_profile_id))

    def change_risk_profile(self, actor: Actor, risk_profile_id: str, change: Change) -> RiskProfile:
        """Change ``name`` or ``percentage``, as given.

        Raises:
            NotFound: no such risk profile.
        """
        now = self._now()
        entry = audit_entry(actor, Action.RISK_PROFILE_CHANGE, f"riskProfile/{risk_profile_id}", now)
        return found(self._store.change(RiskProfile, risk_profile_id, change, now, entry))


@dataclass(frozen=True, slots=True)
class NewResult:
    """The closed trade that an administrator publishes. Times are Unix milliseconds."""

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

    def publish(self, actor: Actor, strategy_id: str, new: NewResult) -> Result:
        """Count a closed trade on the day of its close, exactly once. Results may come in any order.

        A result that was published before under the same id is returned.

        Raises:
            NotFound: no such strategy.
            InvalidInput: the close is before the opening or in the future, the id is another result's, or the month's
                return would be too large to store.
            Contended: too many results of one month at once.
        """
        found(self._strategies.get(Strategy, strategy_id))
        now = self._now()
        _check_times(new, now)
        result = Result(new.id, new.direction, new.entry_price, new.exit_price, new.opened_at, new.closed_at, now)
        entry = audit_entry(actor, Action.RESULT_PUBLISH, f"strategy/{strategy_id}/result/{new.id}", now)
        return until_fresh(lambda: self._publish_once(strategy_id, result, entry), stale=StaleMonth)

    def _publish_once(self, strategy_id: str, result: Result, entry: AuditEntry) -> Result:
        shelf = self._store.shelf(strategy_id, result)
        if shelf.known:
            return _same(shelf.known, result)
        day = self._day_with(strategy_id, result, shelf.day)
        month = self._month_with(strategy_id, result, day, shelf.month)
        if not month.figures.is_storable:
            message = "makes the month's return too large to store"
            raise InvalidInput([FieldError(("exitPrice",), message, "body", result.exit_price)])
        self._store.keep(strategy_id, result, day, month, shelf.version, entry)
        return result

    def _day_with(self, strategy_id: str, result: Result, day: Rollup) -> Rollup:
        if day.last_place < result.place:
            return Rollup(day.figures.then(result.figures), result.place)
        # It closed before others that are counted, and the draw-down depends on the order.
        by_place = {**self._store.results_of_day(strategy_id, result.day), result.place: result.figures}
        return Rollup(combined(by_place[place] for place in sorted(by_place)), day.last_place)

    def _month_with(self, strategy_id: str, result: Result, day: Rollup, month: Rollup) -> Rollup:
        if month.last_place < result.place:
            return Rollup(month.figures.then(result.figures), result.place)
        by_day = {**self._store.days_of_month(strategy_id, result.month), result.day: day.figures}
        return Rollup(combined(by_day[name] for name in sorted(by_day)), month.last_place)

    def history(self, strategy_id: str, interval: Interval, limit: int) -> list[Row]:
        """Return the last ``limit`` days or months (UTC), the current one first, with and without trades.

        Raises:
            NotFound: no such strategy.
        """
        found(self._strategies.get(Strategy, strategy_id))
        ranges = list(islice(_backwards(Range.at(interval, self._now())), limit))
        known = self._store.history(strategy_id, interval, ranges[-1].key, ranges[0].key)
        return [Row(each.start, each.end, known.get(each.key, NOTHING)) for each in ranges]

    def performance(self, strategy_id: str, interval: Interval, limit: int) -> Figures:
        """Return the figures of the last ``limit`` days or months (UTC) together, the current one included.

        Raises:
            NotFound: no such strategy.
        """
        return combined(row.figures for row in reversed(self.history(strategy_id, interval, limit)))


def _backwards(latest: Range) -> Iterator[Range]:
    while True:
        yield latest
        latest = latest.before()


def _check_times(new: NewResult, now: int) -> None:
    field_errors = []
    if new.closed_at < new.opened_at:
        field_errors.append(FieldError(("closedAt",), "must not be before openedAt", "body"))
    if new.closed_at > now:
        field_errors.append(FieldError(("closedAt",), "must not be in the future", "body"))
    if field_errors:
        raise InvalidInput(field_errors)


def _same(known: Result, result: Result) -> Result:
    if replace(known, created_at=result.created_at) != result:
        raise InvalidInput([FieldError(("id",), "is another result's", "body", result.id)])
    return known
