"""Strategies, risk profiles and results in the Strategies table.

PK                  SK                          what
STRATEGIES          <strategy id>               a strategy
RISK_PROFILES       <risk profile id>           a risk profile
STRATEGY#<id>       DAY#<YYYY-MM-DD>            the figures of a UTC day that has results
STRATEGY#<id>       MONTH#<YYYY-MM>             the figures of a UTC month; its version guards every write
STRATEGY#<id>       RESULT#<result id>          a result, under the id that makes it count once
STRATEGY#<id>       TRADE#<closed ms>#<id>      the figures of that result alone, in the order of closing
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from purser.audit.model import AuditEntry
from purser.audit.store import Recording
from purser.aws.tables import ConditionFailed, Item, Table, Transaction, batch_get, setting
from purser.strategies.model import (
    NO_DEFAULTS,
    Change,
    DefaultTakeProfit,
    Direction,
    Figures,
    Interval,
    PriceType,
    Result,
    RiskProfile,
    Rollup,
    Shelf,
    SignalDefaults,
    StaleMonth,
    Strategy,
)

STRATEGIES = "STRATEGIES"
RISK_PROFILES = "RISK_PROFILES"
PARTITIONS: dict[type, str] = {Strategy: STRATEGIES, RiskProfile: RISK_PROFILES}
NEW = "attribute_not_exists(PK)"
MOST_LISTED = 1000
PREFIXES = {Interval.DAY: "DAY#", Interval.MONTH: "MONTH#"}

P = TypeVar("P", Strategy, RiskProfile)


class DynamoStrategyStore:
    """The strategy store on DynamoDB."""

    def __init__(self, table: Table, recording: Recording) -> None:
        self._table = table
        self._recording = recording

    def all(self, kind: type[P]) -> Sequence[P]:
        items = self._table.query("PK = :pk", {":pk": PARTITIONS[kind]}, limit=MOST_LISTED, consistent=True)
        return [_published_of(kind, item) for item in items]

    def get(self, kind: type[P], id: str) -> P | None:
        item = self._table.get(PARTITIONS[kind], id)
        return _published_of(kind, item) if item else None

    def find(
        self, strategy_ids: Iterable[str], risk_profile_ids: Iterable[str]
    ) -> tuple[dict[str, Strategy], dict[str, RiskProfile]]:
        wanted = [(STRATEGIES, each) for each in sorted(set(strategy_ids))]
        wanted += [(RISK_PROFILES, each) for each in sorted(set(risk_profile_ids))]
        found = self._table.get_many(wanted)
        strategies = [_published_of(Strategy, item) for item in found if item["PK"] == STRATEGIES]
        profiles = [_published_of(RiskProfile, item) for item in found if item["PK"] == RISK_PROFILES]
        return {each.id: each for each in strategies}, {each.id: each for each in profiles}

    def add(self, published: Strategy | RiskProfile, entry: AuditEntry) -> bool:
        facts = asdict(published)
        keys = {"PK": PARTITIONS[type(published)], "SK": facts.pop("id")}
        times = {"createdAt": facts.pop("created_at"), "updatedAt": facts.pop("updated_at")}
        try:
            with Transaction() as write:
                write.add(self._table.putting({**keys, **facts, **times}, condition=NEW), refused=ConditionFailed)
                write.add(*self._recording(entry))
        except ConditionFailed:
            return False
        return True

    def change(self, kind: type[P], id: str, change: Change, now: int, entry: AuditEntry) -> P | None:
        expression, values, names = setting({**_stored(change), "updatedAt": now})
        condition = "attribute_exists(PK)"
        changing = self._table.updating(PARTITIONS[kind], id, expression, values, condition=condition, names=names)
        try:
            with Transaction() as write:
                write.add(changing, refused=ConditionFailed)
                write.add(*self._recording(entry))
        except ConditionFailed:
            return None
        return self.get(kind, id)


class DynamoResultStore:
    """The result store on DynamoDB."""

    def __init__(self, table: Table, recording: Recording) -> None:
        self._table = table
        self._recording = recording

    def shelf(self, strategy_id: str, result: Result) -> Shelf:
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
        start = datetime.fromisoformat(day).replace(tzinfo=UTC)
        first, end = (int(moment.timestamp() * 1000) for moment in (start, start + timedelta(days=1)))
        return self._figures(strategy_id, f"TRADE#{first:013d}", f"TRADE#{end:013d}", "TRADE#")

    def days_of_month(self, strategy_id: str, month: str) -> Mapping[str, Figures]:
        return self._figures(strategy_id, f"DAY#{month}-01", f"DAY#{month}-31", "DAY#")

    def history(self, strategy_id: str, interval: Interval, first: str, last: str) -> Mapping[str, Figures]:
        prefix = PREFIXES[interval]
        return self._figures(strategy_id, prefix + first, prefix + last, prefix)

    def _figures(self, strategy_id: str, first: str, last: str, prefix: str) -> dict[str, Figures]:
        values = {":pk": _pk(strategy_id), ":first": first, ":last": last}
        items = self._table.query("PK = :pk AND SK BETWEEN :first AND :last", values, consistent=True)
        return {item["SK"].removeprefix(prefix): _figures_of(item) for item in items}

    def keep(
        self, strategy_id: str, result: Result, day: Rollup, month: Rollup, version: int, entry: AuditEntry
    ) -> None:
        pk = _pk(strategy_id)
        new_month = _rollup_item(pk, f"MONTH#{result.month}", month) | {"version": version + 1}
        with Transaction() as write:
            write.add(self._table.putting(new_month, at_version=version), refused=StaleMonth)
            write.add(self._table.putting(_rollup_item(pk, f"DAY#{result.day}", day)))
            write.add(self._table.putting(_result_item(pk, result), condition=NEW), refused=StaleMonth)
            write.add(self._table.putting({"PK": pk, "SK": f"TRADE#{result.place}"} | asdict(result.figures)))
            write.add(*self._recording(entry))


def strategy_of(item: Item) -> Strategy:
    """Return the strategy in an item."""
    return _published_of(Strategy, item)


def _pk(strategy_id: str) -> str:
    return f"STRATEGY#{strategy_id}"


def _stored(change: Change) -> dict[str, Any]:
    """Return a change in the form of the item's attributes."""
    return {name: asdict(value) if isinstance(value, SignalDefaults) else value for name, value in change.items()}


def _published_of(kind: type[P], item: Item) -> P:
    facts = {field.name: item.get(field.name) for field in fields(kind)}
    times = {"created_at": int(item["createdAt"]), "updated_at": int(item["updatedAt"])}
    if "signal_defaults" in facts:
        facts["signal_defaults"] = _defaults_of(facts["signal_defaults"])
    return kind(**{**facts, **times, "id": item["SK"]})


def _defaults_of(item: Item | None) -> SignalDefaults:
    """Return the defaults of signals. Strategies from before there were signals have none."""
    if item is None:
        return NO_DEFAULTS
    return SignalDefaults(
        stop_percent=item["stop_percent"],
        take_profits=tuple(DefaultTakeProfit(each["percent"], each["share"]) for each in item["take_profits"]),
        expiry_seconds=int(item["expiry_seconds"]),
        price_type=PriceType(item["price_type"]),
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
