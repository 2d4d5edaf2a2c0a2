"""Strategies, risk profiles and results in the Strategies table.

PK                  SK                          what
STRATEGIES          <strategy id>               a strategy
RISK_PROFILES       <risk profile id>           a risk profile
STRATEGY#<id>       DAY#<YYYY-MM-DD>            what a UTC day's results come to; a day without any has no item
STRATEGY#<id>       MONTH#<YYYY-MM>             what a UTC month's days come to; its version orders what is kept
STRATEGY#<id>       RESULT#<result id>          a result, under the id that makes it count once
STRATEGY#<id>       TRADE#<closed ms>#<id>      what that result comes to alone, in the order of closing
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from purser.aws.tables import BATCH_GET_LIMIT, ConditionFailed, Item, Table, Transaction, batch_get, setting
from purser.strategies.model import (
    Change,
    Direction,
    Figures,
    Interval,
    Result,
    RiskProfile,
    Rollup,
    Shelf,
    StaleMonth,
    Strategy,
)

STRATEGIES = "STRATEGIES"
RISK_PROFILES = "RISK_PROFILES"
NEW = "attribute_not_exists(PK)"
MOST_LISTED = 1000
PREFIXES = {Interval.DAY: "DAY#", Interval.MONTH: "MONTH#"}


class DynamoStrategyStore:
    """The strategy store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def strategies(self) -> Sequence[Strategy]:
        """All strategies: one query."""
        return [_strategy_of(item) for item in self._list(STRATEGIES)]

    def _list(self, pk: str) -> Iterator[Item]:
        return self._table.query("PK = :pk", {":pk": pk}, limit=MOST_LISTED, consistent=True)

    def strategy(self, strategy_id: str) -> Strategy | None:
        """A strategy, or None: one read."""
        item = self._table.get(STRATEGIES, strategy_id)
        return _strategy_of(item) if item else None

    def find(
        self, strategy_ids: Iterable[str], risk_profile_ids: Iterable[str]
    ) -> tuple[dict[str, Strategy], dict[str, RiskProfile]]:
        """Strategies and risk profiles by their ids, 100 a request; what is not there is absent."""
        wanted = [(STRATEGIES, each) for each in sorted(set(strategy_ids))]
        wanted += [(RISK_PROFILES, each) for each in sorted(set(risk_profile_ids))]
        found: list[Item] = []
        for start in range(0, len(wanted), BATCH_GET_LIMIT):
            found += batch_get({self._table.name: wanted[start : start + BATCH_GET_LIMIT]}).values()
        strategies = [_strategy_of(item) for item in found if item["PK"] == STRATEGIES]
        profiles = [_risk_profile_of(item) for item in found if item["PK"] == RISK_PROFILES]
        return {each.id: each for each in strategies}, {each.id: each for each in profiles}

    def add_strategy(self, strategy: Strategy) -> bool:
        """Keeps a new strategy; False when its id is taken."""
        return self._add(
            {
                "PK": STRATEGIES,
                "SK": strategy.id,
                "active": strategy.active,
                "name": strategy.name,
                "description": strategy.description,
                "venue": strategy.venue,
                "symbol": strategy.symbol,
                "createdAt": strategy.created_at,
                "updatedAt": strategy.updated_at,
            }
        )

    def _add(self, item: Item) -> bool:
        try:
            self._table.put(item, condition=NEW)
        except ConditionFailed:
            return False
        return True

    def change_strategy(self, strategy_id: str, change: Change, now: int) -> Strategy | None:
        """One update of the given fields alone; None when there is no such strategy."""
        item = self._change(STRATEGIES, strategy_id, change, now)
        return _strategy_of(item) if item else None

    def _change(self, pk: str, sk: str, change: Change, now: int) -> Item | None:
        expression, values, names = setting({**change, "updatedAt": now})
        try:
            return self._table.update(pk, sk, expression, values, condition="attribute_exists(PK)", names=names)
        except ConditionFailed:
            return None

    def risk_profiles(self) -> Sequence[RiskProfile]:
        """All risk profiles: one query."""
        return [_risk_profile_of(item) for item in self._list(RISK_PROFILES)]

    def risk_profile(self, risk_profile_id: str) -> RiskProfile | None:
        """A risk profile, or None: one read."""
        item = self._table.get(RISK_PROFILES, risk_profile_id)
        return _risk_profile_of(item) if item else None

    def add_risk_profile(self, risk_profile: RiskProfile) -> bool:
        """Keeps a new risk profile; False when its id is taken."""
        return self._add(
            {
                "PK": RISK_PROFILES,
                "SK": risk_profile.id,
                "name": risk_profile.name,
                "percentage": risk_profile.percentage,
                "createdAt": risk_profile.created_at,
                "updatedAt": risk_profile.updated_at,
            }
        )

    def change_risk_profile(self, risk_profile_id: str, change: Change, now: int) -> RiskProfile | None:
        """One update of the given fields alone; None when there is no such risk profile."""
        item = self._change(RISK_PROFILES, risk_profile_id, change, now)
        return _risk_profile_of(item) if item else None


class DynamoResultStore:
    """The result store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def shelf(self, strategy_id: str, result: Result) -> Shelf:
        """One batch read: the result, its day, its month."""
        pk = _pk(strategy_id)
        sks = (f"RESULT#{result.id}", f"DAY#{result.day}", f"MONTH#{result.month}")
        found = batch_get({self._table.name: [(pk, sk) for sk in sks]})
        known, day, month = (found.get((self._table.name, pk, sk)) for sk in sks)
        return Shelf(
            known=_result_of(known) if known else None,
            day=_rollup_of(day),
            month=_rollup_of(month),
            version=int(month["version"]) if month else 0,
        )

    def results_of_day(self, strategy_id: str, day: str) -> Mapping[str, Figures]:
        """One query: what each result of a day comes to alone, by its place."""
        start = datetime.fromisoformat(day).replace(tzinfo=UTC)
        first, end = (int(moment.timestamp() * 1000) for moment in (start, start + timedelta(days=1)))
        return self._figures(strategy_id, f"TRADE#{first:013d}", f"TRADE#{end:013d}", "TRADE#")

    def days_of_month(self, strategy_id: str, month: str) -> Mapping[str, Figures]:
        """One query: what each day of a month comes to, by its name."""
        return self._figures(strategy_id, f"DAY#{month}-01", f"DAY#{month}-31", "DAY#")

    def history(self, strategy_id: str, interval: Interval, first: str, last: str) -> Mapping[str, Figures]:
        """One query; a thousand ranges take a quarter of what it may return."""
        prefix = PREFIXES[interval]
        return self._figures(strategy_id, prefix + first, prefix + last, prefix)

    def _figures(self, strategy_id: str, first: str, last: str, prefix: str) -> dict[str, Figures]:
        values = {":pk": _pk(strategy_id), ":first": first, ":last": last}
        items = self._table.query("PK = :pk AND SK BETWEEN :first AND :last", values, consistent=True)
        return {item["SK"].removeprefix(prefix): _figures_of(item) for item in items}

    def keep(self, strategy_id: str, result: Result, day: Rollup, month: Rollup, version: int) -> None:
        """One transaction: the month's next version, its day, the result, its place."""
        pk = _pk(strategy_id)
        new_month = _rollup_item(pk, f"MONTH#{result.month}", month) | {"version": version + 1}
        with Transaction() as write:
            write.add(self._table.putting(new_month, at_version=version), refused=StaleMonth)
            write.add(self._table.putting(_rollup_item(pk, f"DAY#{result.day}", day)))
            write.add(self._table.putting(_result_item(pk, result), condition=NEW), refused=StaleMonth)
            write.add(self._table.putting({"PK": pk, "SK": f"TRADE#{result.place}"} | asdict(result.figures)))


def _pk(strategy_id: str) -> str:
    return f"STRATEGY#{strategy_id}"


def _strategy_of(item: Item) -> Strategy:
    return Strategy(
        id=item["SK"],
        active=item["active"],
        name=item["name"],
        description=item.get("description"),
        venue=item["venue"],
        symbol=item["symbol"],
        created_at=int(item["createdAt"]),
        updated_at=int(item["updatedAt"]),
    )


def _risk_profile_of(item: Item) -> RiskProfile:
    return RiskProfile(
        id=item["SK"],
        name=item["name"],
        percentage=Decimal(item["percentage"]),
        created_at=int(item["createdAt"]),
        updated_at=int(item["updatedAt"]),
    )


def _rollup_of(item: Item | None) -> Rollup:
    return Rollup(_figures_of(item), item["lastPlace"]) if item else Rollup()


def _rollup_item(pk: str, sk: str, rollup: Rollup) -> Item:
    return {"PK": pk, "SK": sk, "lastPlace": rollup.last_place} | asdict(rollup.figures)


def _figures_of(item: Item) -> Figures:
    factor, peak, low, kept = (Decimal(item[name]) for name in ("factor", "peak", "low", "kept"))
    trades, wins, longs = (int(item[name]) for name in ("trades", "wins", "longs"))
    return Figures(factor, peak, low, kept, trades, wins, longs)


def _result_item(pk: str, result: Result) -> dict[str, Any]:
    return {
        "PK": pk,
        "SK": f"RESULT#{result.id}",
        "resultId": result.id,
        "side": result.direction.value,
        "entryPrice": result.entry_price,
        "exitPrice": result.exit_price,
        "openedAt": result.opened_at,
        "closedAt": result.closed_at,
        "createdAt": result.created_at,
    }


def _result_of(item: Item) -> Result:
    return Result(
        id=item["resultId"],
        direction=Direction(item["side"]),
        entry_price=Decimal(item["entryPrice"]),
        exit_price=Decimal(item["exitPrice"]),
        opened_at=int(item["openedAt"]),
        closed_at=int(item["closedAt"]),
        created_at=int(item["createdAt"]),
    )
