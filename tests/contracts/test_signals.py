"""The contract of the stores of signals, of secrets and of modes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from purser.audit.model import Action as Act
from purser.aws.tables import Table
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
    signal_id,
)
from purser.signals.ports import Kept, ModeStore, SecretStore, SignalStore
from purser.signals.store import FAN_OUT_LAYOUT, DynamoModeStore, DynamoSecretStore, DynamoSignalStore
from purser.strategies.model import Direction, Strategy
from purser.strategies.store import DynamoStrategyStore
from purser.work.store import DynamoWorkStore
from tests.support.audit import entry, recording
from tests.support.signals import NOW, FakeSignals, a_strategy

DAY = 24 * 3600 * 1000
OPEN = State(direction=Direction.LONG, opened_by="s", entered_at={Direction.LONG: NOW}, exited_at={}, last_accepted="s")


@dataclass
class Stores:
    """The stores, and functions that look behind them."""

    signals: SignalStore
    secrets: SecretStore
    modes: ModeStore
    strategy: Strategy
    fan_out: Callable[[FanOut], FanOut | None]

    def state(self) -> State:
        return self.signals.standing(self.strategy.id, "", NOW).state

    def known(self, key: str, now: int = NOW) -> str | None:
        return self.signals.standing(self.strategy.id, key, now).known


@pytest.fixture
def stores(tables: dict[str, str] | None) -> Stores:
    strategy = a_strategy()
    if tables is None:
        fake = FakeSignals({strategy.id: strategy})

        def find(work: FanOut) -> FanOut | None:
            return next((each for each in fake.fan_outs if each.key == work.key), None)

        return Stores(fake, fake, fake, strategy, find)
    table, record = Table(tables["STRATEGIES_TABLE"]), recording(tables)
    DynamoStrategyStore(table, record).add(strategy, entry())
    work = DynamoWorkStore(table, FAN_OUT_LAYOUT)
    signals, secrets = DynamoSignalStore(table, record), DynamoSecretStore(table, record)
    return Stores(signals, secrets, DynamoModeStore(table, record), strategy, lambda each: work.get(*each.key))


def a_signal(strategy: Strategy, **given: Any) -> Signal:
    signal = Signal(
        id=signal_id(NOW),
        strategy_id=strategy.id,
        source=Source.WEBHOOK,
        action=Action.ENTER,
        direction=Direction.LONG,
        symbol=strategy.symbol,
        entry_type=EntryType.LIMIT,
        limit_price=Decimal("20000.10"),
        trigger_price=Decimal(20001),
        stop=Level(price=Decimal("19000.5")),
        take_profits=(TakeProfit(Level(percent=Decimal("1.5")), Decimal(60)),),
        closes=False,
        stamped_at=NOW - 500,
        received_at=NOW,
        expires_at=NOW + 60_000,
        status=Status.ACCEPTED,
    )
    return replace(signal, **given)


def bare(strategy: Strategy) -> Signal:
    """Return a signal that could not be read."""
    none = {"limit_price": None, "trigger_price": None, "stop": None, "take_profits": (), "direction": None}
    status = {"status": Status.REFUSED, "reason": Reason.INVALID, "detail": "action: must be one of …"}
    return a_signal(strategy, **none, **status, action=None)


def a_fan_out(signal: Signal) -> FanOut:
    return FanOut(strategy_id=signal.strategy_id, signal_id=signal.id, received_at=NOW, due_at=NOW)


def test_a_signal_is_stored_with_its_key_its_work_and_the_state_after_it(stores: Stores) -> None:
    signal = a_signal(stores.strategy)
    work = a_fan_out(signal)
    before = stores.signals.standing(stores.strategy.id, "k", NOW)
    assert (before.strategy, before.state, before.secrets, before.trading, before.known) == (
        stores.strategy, State(), (), Mode.ACTIVE, None,
    )  # fmt: skip
    stores.signals.keep(Kept(signal, "k", OPEN, 0, work, (entry(),)))
    assert stores.signals.get(stores.strategy.id, signal.id) == signal
    assert stores.state() == replace(OPEN, version=1)
    assert stores.known("k") == signal.id
    assert stores.fan_out(work) == work


def test_a_signal_without_effect_leaves_the_state_alone(stores: Stores) -> None:
    signal = bare(stores.strategy)
    stores.signals.keep(Kept(signal, "k", None, 7, None, ()))
    assert stores.signals.get(stores.strategy.id, signal.id) == signal
    assert stores.state() == State()
    assert stores.fan_out(a_fan_out(signal)) is None


def test_nothing_is_stored_if_the_state_has_changed_or_the_key_is_taken(stores: Stores) -> None:
    first = a_signal(stores.strategy)
    stores.signals.keep(Kept(first, "k", OPEN, 0, None, ()))
    for key, state, version in (("other", OPEN, 0), ("k", OPEN, 1), ("k", None, 1)):
        late = a_signal(stores.strategy)
        with pytest.raises(StaleState):
            stores.signals.keep(Kept(late, key, state, version, a_fan_out(late), ()))
        assert stores.signals.get(stores.strategy.id, late.id) is None
        assert stores.fan_out(a_fan_out(late)) is None
    assert (stores.known("other"), stores.state().version) == (None, 1)
    stores.signals.keep(Kept(a_signal(stores.strategy), "other", OPEN, 1, None, ()))


def test_an_accepted_signal_can_be_refused_once_with_the_state_before_it(stores: Stores) -> None:
    signal = a_signal(stores.strategy, reverses="r")
    refused = replace(signal, status=Status.REFUSED, reason=Reason.SUSPECT_PRICE)
    with pytest.raises(StaleState):
        stores.signals.refuse(refused, None, 0)
    stores.signals.keep(Kept(signal, "k", OPEN, 0, None, ()))
    with pytest.raises(StaleState):
        stores.signals.refuse(refused, State(), 0)
    assert stores.signals.get(stores.strategy.id, signal.id) == signal
    stores.signals.refuse(refused, State(), 1)
    assert stores.signals.get(stores.strategy.id, signal.id) == refused
    assert stores.state() == State(version=2)
    with pytest.raises(StaleState):
        stores.signals.refuse(refused, None, 2)


def test_a_key_is_known_for_a_day_and_can_be_taken_again_then(stores: Stores) -> None:
    stores.signals.keep(Kept(a_signal(stores.strategy), "k", None, 0, None, ()))
    assert stores.known("k", NOW + DAY - 1000)
    assert stores.known("k", NOW + DAY) is None
    again = a_signal(stores.strategy, received_at=NOW + DAY)
    stores.signals.keep(Kept(again, "k", None, 0, None, ()))
    assert stores.known("k", NOW + DAY) == again.id


def test_signals_of_a_strategy_are_listed_the_newest_first(stores: Stores) -> None:
    signals = [a_signal(stores.strategy, id=signal_id(NOW + i)) for i in range(5)]
    for i, signal in enumerate(signals):
        stores.signals.keep(Kept(signal, str(i), None, 0, None, ()))
    duplicate = a_signal(stores.strategy, id=signal_id(NOW + 9), status=Status.DUPLICATE, duplicate_of=signals[0].id)
    stores.signals.keep_duplicate(duplicate)
    listed = list(stores.signals.newest(stores.strategy.id, None, 3))
    assert [signal for _, signal in listed] == [duplicate, *reversed(signals)]
    rest = list(stores.signals.newest(stores.strategy.id, listed[1][0], 3))
    assert rest == listed[2:]
    assert list(stores.signals.newest(a_strategy().id, None, 3)) == []


def test_there_are_no_counts_before_there_are_executions(stores: Stores) -> None:
    assert stores.signals.counts([signal_id(NOW)]) == {}


def test_only_the_newest_secrets_are_kept(stores: Stores) -> None:
    digests = [SecretHash(f"{i}" * 64, NOW + i) for i in range(3)]
    for digest in digests:
        assert stores.secrets.add(stores.strategy.id, digest, 2, entry(Act.STRATEGY_SECRET))
    assert stores.signals.standing(stores.strategy.id, "", NOW).secrets == (digests[2], digests[1])
    assert not stores.secrets.add(a_strategy().id, digests[0], 2, entry(Act.STRATEGY_SECRET))


def test_the_stricter_mode_counts(stores: Stores) -> None:
    id = stores.strategy.id
    assert stores.modes.mode_of(id) is Mode.ACTIVE
    assert stores.modes.set_mode(id, Mode.REDUCING, NOW, entry(Act.STRATEGY_MODE))
    assert (stores.state(), stores.modes.mode_of(id)) == (State(Mode.REDUCING, NOW, version=1), Mode.REDUCING)
    stores.modes.set_trading_mode(Mode.HALTED, NOW, entry(Act.TRADING_MODE))
    try:
        assert stores.modes.mode_of(id) is Mode.HALTED
        assert stores.signals.standing(id, "", NOW).trading is Mode.HALTED
        assert stores.state().mode is Mode.REDUCING
    finally:
        stores.modes.set_trading_mode(Mode.ACTIVE, NOW, entry(Act.TRADING_MODE))
    assert not stores.modes.set_mode(a_strategy().id, Mode.HALTED, NOW, entry(Act.STRATEGY_MODE))


def test_setting_the_mode_keeps_the_trade(stores: Stores) -> None:
    stores.signals.keep(Kept(a_signal(stores.strategy), "k", OPEN, 0, None, ()))
    stores.modes.set_mode(stores.strategy.id, Mode.HALTED, NOW, entry(Act.STRATEGY_MODE))
    assert stores.state() == replace(OPEN, mode=Mode.HALTED, mode_set_at=NOW, version=2)
