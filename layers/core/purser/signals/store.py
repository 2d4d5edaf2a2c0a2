"""Signals in the Strategies table.

PK               SK                       what
STRATEGY#<id>    STATE                    the state of the strategy's trade and its mode
STRATEGY#<id>    SECRETS                  the digests of its secrets
STRATEGY#<id>    SIGNAL#<signal id>       a signal and what became of it
STRATEGY#<id>    SAME#<key>               the id of the signal with a key, for 24 hours
SIGNAL#<id>      COUNTS#<n>               how many executions of the signal are in which state
TRADING          MODE                     the mode of all strategies together
FAN_OUTS         <strategy>#<signal>      the work of carrying a signal to the followers

A signal is written in one transaction with its key, its work and the state after it, on the version of the state that
decided about it. ``validUntil`` is when a signal expires, since ``expiresAt`` is when DynamoDB deletes an item.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from purser.audit.model import AuditEntry
from purser.audit.store import Recording
from purser.aws.shards import newest_between, shard_of
from purser.aws.tables import ConditionFailed, Item, Part, Table, Transaction
from purser.orders.model import EntryType
from purser.signals.model import (
    Action,
    FanOut,
    Level,
    Mode,
    Reason,
    SecretHash,
    Signal,
    Source,
    StaleState,
    State,
    Status,
    TakeProfit,
)
from purser.signals.ports import Counts, Kept, Standing
from purser.strategies.model import Direction
from purser.strategies.store import STRATEGIES, strategy_of
from purser.work.store import Attributes, Layout

KEPT_S = 24 * 3600
COUNT_SHARDS = 4
"""The items over which the counts of a signal are spread. Executions start at most a few hundred times a second."""

FAN_OUTS = "FAN_OUTS"
TRADING, MODE = "TRADING", "MODE"
NAMES = Attributes()


class DynamoSignalStore:
    """The signal store on DynamoDB."""

    def __init__(self, table: Table, recording: Recording) -> None:
        self._table = table
        self._recording = recording

    def standing(self, strategy_id: str, key: str, now: int) -> Standing:
        pk = _pk(strategy_id)
        keys = [(STRATEGIES, strategy_id), (pk, "STATE"), (pk, "SECRETS"), (TRADING, MODE), (pk, f"SAME#{key}")]
        items = {(item["PK"], item["SK"]): item for item in self._table.get_many(keys)}
        strategy, state, secrets, trading, same = (items.get(each) for each in keys)
        return Standing(
            strategy=strategy_of(strategy) if strategy else None,
            state=_state_of(state),
            secrets=_secrets_of(secrets),
            trading=_mode_of(trading),
            known=same["signalId"] if same and same["expiresAt"] > now // 1000 else None,
        )

    def keep(self, kept: Kept) -> None:
        signal, pk, now_s = kept.signal, _pk(kept.signal.strategy_id), kept.signal.received_at // 1000
        same = {"PK": pk, "SK": f"SAME#{kept.key}", "signalId": signal.id, "expiresAt": now_s + KEPT_S}
        new = "attribute_not_exists(PK) OR expiresAt <= :now"
        with Transaction() as write:
            write.add(self._table.putting(same, condition=new, values={":now": now_s}), refused=StaleState)
            if kept.state:
                item = state_item(pk, kept.state, kept.version + 1)
                write.add(self._table.putting(item, at_version=kept.version), refused=StaleState)
            write.add(self._table.putting(signal_item(pk, signal)))
            if kept.fan_out:
                write.add(self._table.putting(_fan_out_item(kept.fan_out)))
            for entry in kept.audit:
                write.add(*self._recording(entry))

    def refuse(self, signal: Signal, state: State | None, version: int) -> None:
        pk = _pk(signal.strategy_id)
        change = self._table.putting(
            signal_item(pk, signal),
            condition="#status = :accepted",
            values={":accepted": Status.ACCEPTED.value},
            names={"#status": "status"},
        )
        with Transaction() as write:
            write.add(change, refused=StaleState)
            if state:
                item = state_item(pk, state, version + 1)
                write.add(self._table.putting(item, at_version=version), refused=StaleState)

    def keep_duplicate(self, signal: Signal) -> None:
        self._table.put(signal_item(_pk(signal.strategy_id), signal))

    def get(self, strategy_id: str, signal_id: str) -> Signal | None:
        item = self._table.get(_pk(strategy_id), f"SIGNAL#{signal_id}")
        return _signal_of(item) if item else None

    def newest(self, strategy_id: str, before: str | None, page_size: int) -> Iterator[tuple[str, Signal]]:
        position = None if before is None else f"SIGNAL#{before}"
        # "~" sorts after every character of an id.
        for item in newest_between(self._table, [_pk(strategy_id)], "SIGNAL#", "SIGNAL#~", position, page_size):
            signal = _signal_of(item)
            yield signal.id, signal

    def counts(self, signal_ids: Sequence[str]) -> Mapping[str, Counts]:
        keys = [(f"SIGNAL#{id}", f"COUNTS#{shard}") for id in signal_ids for shard in range(COUNT_SHARDS)]
        counts: dict[str, Counter[tuple[str, str | None]]] = {}
        for item in self._table.get_many(keys):
            own = counts.setdefault(item["PK"].removeprefix("SIGNAL#"), Counter())
            for name in item.keys() - {"PK", "SK"}:
                state, _, reason = name.partition("#")
                own[state, reason or None] += int(item[name])
        return counts


def counting(table: Table, signal_id: str, execution_id: str, changes: Mapping[tuple[str, str | None], int]) -> Part:
    """Return the part of a transaction that changes how many executions of a signal are in which state.

    ``changes`` are differences by state and reason. It goes into the transaction that changes the execution.
    """
    names, values, added = {}, {}, []
    for i, ((state, reason), change) in enumerate(changes.items()):
        names[f"#n{i}"] = f"{state}#{reason}" if reason else state
        values[f":n{i}"] = change
        added.append(f"#n{i} :n{i}")
    shard = shard_of(execution_id, COUNT_SHARDS)
    return table.updating(f"SIGNAL#{signal_id}", f"COUNTS#{shard}", "ADD " + ", ".join(added), values, names=names)


class DynamoSecretStore:
    """The store of secrets' digests on DynamoDB."""

    def __init__(self, table: Table, recording: Recording) -> None:
        self._table = table
        self._recording = recording

    def add(self, strategy_id: str, secret: SecretHash, most: int, entry: AuditEntry) -> bool:
        pk = _pk(strategy_id)
        before = self._table.get(pk, "SECRETS")
        digests = [secret, *_secrets_of(before)][:most]
        item = {
            "PK": pk,
            "SK": "SECRETS",
            "digests": [{"hash": each.hash, "createdAt": each.created_at} for each in digests],
            "version": int(before["version"]) + 1 if before else 1,
        }
        at = int(before["version"]) if before else 0
        try:
            with Transaction() as write:
                write.add(_existing(self._table, strategy_id), refused=ConditionFailed)
                write.add(self._table.putting(item, at_version=at), refused=StaleState)
                write.add(*self._recording(entry))
        except ConditionFailed:
            return False
        return True


class DynamoModeStore:
    """The store of modes on DynamoDB."""

    def __init__(self, table: Table, recording: Recording) -> None:
        self._table = table
        self._recording = recording

    def mode_of(self, strategy_id: str) -> Mode:
        items = self._table.get_many([(_pk(strategy_id), "STATE"), (TRADING, MODE)])
        return max((_mode_of(item) for item in items), key=list(Mode).index, default=Mode.ACTIVE)

    def state_of(self, strategy_id: str) -> State:
        return _state_of(self._table.get(_pk(strategy_id), "STATE"))

    def set_mode(self, strategy_id: str, mode: Mode, now: int, entry: AuditEntry) -> bool:
        expression = "SET #mode = :mode, modeSetAt = :now ADD version :one"
        values = {":mode": mode.value, ":now": now, ":one": 1}
        setting = self._table.updating(_pk(strategy_id), "STATE", expression, values, names={"#mode": "mode"})
        try:
            with Transaction() as write:
                write.add(_existing(self._table, strategy_id), refused=ConditionFailed)
                write.add(setting)
                write.add(*self._recording(entry))
        except ConditionFailed:
            return False
        return True

    def set_trading_mode(self, mode: Mode, now: int, entry: AuditEntry) -> None:
        with Transaction() as write:
            write.add(self._table.putting({"PK": TRADING, "SK": MODE, "mode": mode.value, "modeSetAt": now}))
            write.add(*self._recording(entry))


def _existing(table: Table, strategy_id: str) -> Part:
    return table.checking(STRATEGIES, strategy_id, condition="attribute_exists(PK)")


def _pk(strategy_id: str) -> str:
    return f"STRATEGY#{strategy_id}"


def _mode_of(item: Item | None) -> Mode:
    return Mode(item.get("mode", Mode.ACTIVE)) if item else Mode.ACTIVE


def _secrets_of(item: Item | None) -> tuple[SecretHash, ...]:
    return tuple(SecretHash(each["hash"], int(each["createdAt"])) for each in (item or {}).get("digests", ()))


def _state_of(item: Item | None) -> State:
    if item is None:
        return State()
    return State(
        mode=_mode_of(item),
        mode_set_at=int(item.get("modeSetAt", 0)),
        direction=Direction(item["direction"]) if "direction" in item else None,
        opened_by=item.get("openedBy"),
        entered_at=_stamps_of(item.get("enteredAt")),
        exited_at=_stamps_of(item.get("exitedAt")),
        last_accepted=item.get("lastAccepted"),
        version=int(item["version"]),
    )


def _stamps_of(item: Item | None) -> dict[Direction, int]:
    return {Direction(name): int(stamp) for name, stamp in (item or {}).items()}


def state_item(pk: str, state: State, version: int) -> Item:
    """Return the item of a state at a version."""
    return {
        "PK": pk,
        "SK": "STATE",
        "mode": state.mode.value,
        "modeSetAt": state.mode_set_at,
        "direction": state.direction.value if state.direction else None,
        "openedBy": state.opened_by,
        "enteredAt": {direction.value: stamp for direction, stamp in state.entered_at.items()},
        "exitedAt": {direction.value: stamp for direction, stamp in state.exited_at.items()},
        "lastAccepted": state.last_accepted,
        "version": version,
    }


def signal_item(pk: str, signal: Signal) -> Item:
    """Return the item of a signal."""
    return {
        "PK": pk,
        "SK": f"SIGNAL#{signal.id}",
        "source": signal.source.value,
        "action": signal.action.value if signal.action else None,
        "direction": signal.direction.value if signal.direction else None,
        "symbol": signal.symbol,
        "entryType": signal.entry_type.value,
        "limitPrice": signal.limit_price,
        "triggerPrice": signal.trigger_price,
        "stop": _level_item(signal.stop) if signal.stop else None,
        "takeProfits": [{**_level_item(each.level), "share": each.share} for each in signal.take_profits],
        "closes": signal.closes,
        "stampedAt": signal.stamped_at,
        "receivedAt": signal.received_at,
        "validUntil": signal.expires_at,
        "status": signal.status.value,
        "reason": signal.reason.value if signal.reason else None,
        "detail": signal.detail,
        "duplicateOf": signal.duplicate_of,
        "reverses": signal.reverses,
    }


def _signal_of(item: Item) -> Signal:
    return Signal(
        id=item["SK"].removeprefix("SIGNAL#"),
        strategy_id=item["PK"].removeprefix("STRATEGY#"),
        source=Source(item["source"]),
        action=Action(item["action"]) if "action" in item else None,
        direction=Direction(item["direction"]) if "direction" in item else None,
        symbol=item["symbol"],
        entry_type=EntryType(item["entryType"]),
        limit_price=item.get("limitPrice"),
        trigger_price=item.get("triggerPrice"),
        stop=_level_of(item["stop"]) if "stop" in item else None,
        take_profits=tuple(TakeProfit(_level_of(each), each["share"]) for each in item["takeProfits"]),
        closes=item["closes"],
        stamped_at=int(item["stampedAt"]),
        received_at=int(item["receivedAt"]),
        expires_at=int(item["validUntil"]),
        status=Status(item["status"]),
        reason=Reason(item["reason"]) if "reason" in item else None,
        detail=item.get("detail"),
        duplicate_of=item.get("duplicateOf"),
        reverses=item.get("reverses"),
    )


def _level_item(level: Level) -> dict[str, Decimal]:
    """Return a level as a map with the one of ``price`` and ``percent`` that it has."""
    return {"price": level.price} if level.price is not None else {"percent": level.percent or Decimal(0)}


def _level_of(item: Mapping[str, Any]) -> Level:
    return Level(item.get("price"), item.get("percent"))


def _fan_out_key(strategy_id: str, signal_id: str) -> tuple[str, str]:
    return FAN_OUTS, f"{strategy_id}#{signal_id}"


def _fan_out_item(fan_out: FanOut) -> Item:
    pk, sk = _fan_out_key(*fan_out.key)
    work = NAMES.write(fan_out)
    return {"PK": pk, "SK": sk, "receivedAt": fan_out.received_at, **work, "version": fan_out.version}


def _fan_out_of(item: Item) -> FanOut:
    strategy_id, signal_id = item["SK"].split("#")
    return FanOut(strategy_id=strategy_id, signal_id=signal_id, received_at=int(item["receivedAt"]), **NAMES.read(item))


FAN_OUT_LAYOUT = Layout(_fan_out_key, _fan_out_of, (FAN_OUTS,), NAMES)
"""The place of fan-outs, for ``DynamoWorkStore``. There are few at a time, each for a minute or two."""
