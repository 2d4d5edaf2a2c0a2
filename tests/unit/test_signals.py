"""What becomes of signals, who may send them, and the modes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from purser.actor import Actor
from purser.audit.model import Action as Act
from purser.errors import Contended, NotFound, PayloadTooLarge, Unauthorized, Unavailable
from purser.orders.model import EntryType
from purser.signals.alerts import Order
from purser.signals.model import Action, Exits, Level, Mode, Reason, Signal, Source, Status, TakeProfit, signal_id
from purser.signals.service import LONGEST_BODY, Modes, NewSignal, Secrets, Signals
from purser.strategies.model import DefaultTakeProfit, Direction, SignalDefaults, Strategy
from purser.work.model import FIRST_MESSAGE_MS
from tests.support.fakes import FakeClock, FakeQueue
from tests.support.signals import DEPLOYMENT_KEY, NOW, SECRET, FakeSignals, a_strategy, alert, sent

ADMIN = Actor("admin", is_admin=True)
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000


class World:
    """The use cases over stores in memory, with one strategy."""

    def __init__(self, **given: Any) -> None:
        self.store, self.queue, self.clock = FakeSignals(), FakeQueue(), FakeClock(NOW)
        self.strategy: Strategy = self.store.with_strategy(a_strategy(**given))
        self.signals = Signals(self.store, self.queue, self.clock, lambda: DEPLOYMENT_KEY)
        self.secrets = Secrets(self.store, self.clock, lambda: DEPLOYMENT_KEY)
        self.modes = Modes(self.store, self.clock)

    def alert(self, action: str, **given: Any) -> Signal:
        """Send an alert that is made now."""
        return self.raw(sent(alert(action, self.clock.now, **given)))

    def raw(self, body: bytes, signature: str | None = None) -> Signal:
        return self.signals.receive(self.strategy.id, body, signature)

    def became(self, action: str, **given: Any) -> tuple[Status, Reason | None]:
        """Send an alert a second later, and return what became of it."""
        self.clock.advance(SECOND)
        signal = self.alert(action, **given)
        assert self.store.get(self.strategy.id, signal.id) == signal
        return signal.status, signal.reason

    @property
    def direction(self) -> Direction | None:
        return self.store.standing(self.strategy.id, "", self.clock()).state.direction

    def sign(self, body: bytes, at_s: int, key: str) -> str:
        digest = hmac.new(key.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
        return f"t={at_s},v1={digest}"


@pytest.fixture
def world() -> World:
    return World()


ACCEPTED = (Status.ACCEPTED, None)


def test_an_accepted_alert_leaves_work_for_its_followers(world: World) -> None:
    signal = world.alert("enter_long")
    assert (signal.status, signal.source, signal.direction) == (Status.ACCEPTED, Source.WEBHOOK, Direction.LONG)
    assert (signal.received_at, signal.stamped_at, signal.expires_at) == (NOW, NOW, NOW + MINUTE)
    (work,) = world.store.fan_outs
    assert work.key == (world.strategy.id, signal.id)
    assert world.queue.sent == [{"strategyId": world.strategy.id, "signalId": signal.id}]


def test_the_work_remains_if_the_queue_is_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> int:
        raise Unavailable

    monkeypatch.setattr(world.queue, "send", fail)
    assert world.alert("enter_long").status is Status.ACCEPTED
    assert [work.due_at for work in world.store.fan_outs] == [NOW + FIRST_MESSAGE_MS]


def test_entries_and_exits_act_on_the_trade_of_their_direction(world: World) -> None:
    assert world.became("exit_long") == (Status.IGNORED, Reason.NOTHING_OPEN)
    assert world.became("enter_long") == ACCEPTED
    assert world.became("enter_long") == (Status.IGNORED, Reason.ALREADY_OPEN)
    assert world.became("exit_short") == (Status.IGNORED, Reason.NOTHING_OPEN)
    assert world.became("enter_short") == ACCEPTED  # a reversal
    assert world.became("exit_long") == (Status.IGNORED, Reason.NOTHING_OPEN)
    assert world.became("close") == ACCEPTED
    assert world.direction is None
    assert [work.signal_id for work in world.store.fan_outs] == [
        id for id, signal in world.store.signals.items() if signal.status is Status.ACCEPTED
    ]


def test_orders_of_a_tradingview_strategy_become_entries_and_exits(world: World) -> None:
    def order(action: str, after: str, before: str) -> tuple[Status, Reason | None]:
        info = {"market_position": after, "market_position_size": "1", "prev_market_position": before}
        return world.became(action, strategy_info=info | {"prev_market_position_size": "1"})

    assert order("buy", "long", "flat") == ACCEPTED
    assert order("sell", "long", "long") == (Status.REFUSED, Reason.UNSUPPORTED)  # sells a part
    assert order("sell", "short", "long") == ACCEPTED
    assert order("buy", "flat", "short") == ACCEPTED
    assert world.direction is None
    assert world.became("buy") == (Status.REFUSED, Reason.INVALID)


def test_a_late_entry_whose_exit_came_first_still_ends_the_opposite_trade(world: World) -> None:
    world.alert("enter_long")
    world.clock.advance(3 * SECOND)
    assert world.alert("exit_short").reason is Reason.NOTHING_OPEN
    late = world.raw(sent(alert("enter_short", world.clock.now - SECOND)))
    assert (late.status, late.action, late.direction, late.closes) == (
        Status.ACCEPTED, Action.EXIT, Direction.LONG, True,
    )  # fmt: skip
    assert world.direction is None


@pytest.mark.parametrize(
    ("first", "late"), [("exit_long", "enter_long"), ("enter_short", "enter_long"), ("enter_long", "exit_long")]
)
def test_an_alert_that_was_made_before_the_opposite_one_is_out_of_order(world: World, first: str, late: str) -> None:
    world.alert(first)
    assert world.raw(sent(alert(late, NOW - SECOND))).status is Status.OUT_OF_ORDER


def test_a_repeat_is_a_duplicate_for_a_day_however_it_is_written(world: World) -> None:
    body = alert("enter_long", max_lag=300, trigger_price="20000.50")
    first = world.raw(sent(body))
    rewritten = dict(reversed(body.items())) | {"max_lag": "300.0", "trigger_price": 20000.5}
    again = world.raw(sent(rewritten))
    assert (again.status, again.duplicate_of) == (Status.DUPLICATE, first.id)
    world.clock.advance(24 * HOUR - SECOND)
    assert world.raw(sent(body)).status is Status.DUPLICATE
    world.clock.advance(SECOND)
    assert world.raw(sent(body)).status is Status.EXPIRED
    assert len(world.store.fan_outs) == 1


def test_the_id_of_an_alert_decides_whether_it_is_a_repeat(world: World) -> None:
    first = world.alert("enter_long", id="BTCUSDT-1")
    world.clock.advance(SECOND)
    assert world.alert("enter_short", id="BTCUSDT-1").duplicate_of == first.id
    assert world.alert("enter_short", id="BTCUSDT-2").status is Status.ACCEPTED
    assert world.alert("enter_long", id="x" * 129).reason is Reason.INVALID


def test_a_decision_is_made_again_if_the_state_has_changed_meanwhile(world: World) -> None:
    world.store.stale = 3
    assert world.alert("enter_long").status is Status.ACCEPTED
    assert len(world.store.fan_outs) == 1


def test_too_much_contention_stores_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("purser.retrying.backoff", lambda _: None)
    world.store.stale = 10**6
    with pytest.raises(Contended):
        world.alert("enter_long")
    assert not world.store.signals


@pytest.mark.parametrize(
    ("expiry_s", "max_lag", "age_s", "status"),
    [
        (60, None, 59, Status.ACCEPTED),
        (60, None, 60, Status.EXPIRED),
        (60, "300", 60, Status.EXPIRED),  # an alert may only shorten it
        (60, 30, 30, Status.EXPIRED),
        (300, "300", 299, Status.ACCEPTED),
    ],
)
def test_an_entry_expires(expiry_s: int, max_lag: Any, age_s: int, status: Status) -> None:
    world = World(signal_defaults=SignalDefaults(Decimal(2), expiry_seconds=expiry_s))
    assert world.raw(sent(alert("enter_long", NOW - age_s * SECOND, max_lag=max_lag))).status is status


def test_an_exit_may_be_an_hour_late_because_its_stamp_tells_which_trade_it_ends(world: World) -> None:
    world.alert("enter_long")
    made = NOW + SECOND
    world.clock.now = made + HOUR
    assert world.raw(sent(alert("exit_long", made))).status is Status.EXPIRED
    world.clock.advance(-SECOND)
    assert world.raw(sent(alert("exit_long", made, max_lag=60))).status is Status.ACCEPTED


def test_an_alert_from_the_future_is_refused(world: World) -> None:
    assert world.raw(sent(alert("enter_long", NOW + 30 * SECOND))).status is Status.ACCEPTED
    assert world.raw(sent(alert("enter_short", NOW + 31 * SECOND))).reason is Reason.FROM_THE_FUTURE


def test_an_entry_without_a_stop_is_refused() -> None:
    world = World(signal_defaults=SignalDefaults())
    assert world.became("enter_long") == (Status.REFUSED, Reason.NO_STOP)
    assert world.became("enter_long", stop_loss={"enabled": False}) == (Status.REFUSED, Reason.NO_STOP)
    assert world.became("enter_long", stop_loss={"trigger_price_percent": 1}) == ACCEPTED


@pytest.mark.parametrize(
    "given",
    [
        {"stop_loss": {"trigger_price": "20001"}},  # above the market, for a long trade
        {"stop_loss": {"trigger_price": 9000}},  # more than half the price away
        {"take_profit": {"steps": [{"price": 19000}]}},
        {"order": {"order_type": "limit", "price": 26000}},  # far from the market
        {"order": {"order_type": "limit", "price": 19000}, "stop_loss": {"trigger_price": 19500}},
        {"trigger_price": None, "stop_loss": {"trigger_price": 200}, "take_profit": {"steps": [{"price": 190}]}},
    ],
)
def test_prices_that_cannot_be_right_are_suspect(world: World, given: Mapping[str, Any]) -> None:
    assert world.became("enter_long", **given) == (Status.REFUSED, Reason.SUSPECT_PRICE)
    assert world.direction is None


def test_exits_in_percent_lie_on_their_sides_of_the_entry() -> None:
    take_profits = (DefaultTakeProfit(Decimal(1), Decimal(60)), DefaultTakeProfit(Decimal(3), Decimal(40)))
    world = World(signal_defaults=SignalDefaults(Decimal(2), take_profits))
    long = world.alert("enter_long")
    assert long.exits(Decimal(100)) == Exits(Decimal(98), ((Decimal(101), Decimal(60)), (Decimal(103), Decimal(40))))
    world.clock.advance(SECOND)
    # Some clients write a short trade's percentages as negative ones.
    steps = [{"price_percent": "-1.5", "volume_percent": "100"}]
    order = {"order_type": "limit", "price": {"value": "20000"}}
    short = world.alert("enter_short", take_profit={"enabled": True, "steps": steps}, order=order)
    assert (short.entry_type, short.limit_price) == (EntryType.LIMIT, Decimal(20000))
    assert short.exits(Decimal(1)) == Exits(Decimal(20400), ((Decimal(19700), Decimal(100)),))


@pytest.mark.parametrize(
    ("given", "reason", "detail"),
    [
        ({"action": "enable"}, Reason.INVALID, "action: must be one of "),
        ({"timestamp": None}, Reason.INVALID, "timestamp: "),
        ({"timestamp": "yesterday"}, Reason.INVALID, "timestamp: "),
        ({"timestamp": "1e30"}, Reason.INVALID, "timestamp: "),
        ({"max_lag": "soon"}, Reason.INVALID, "max_lag: must be a number"),
        ({"max_lag": -1}, Reason.INVALID, "max_lag: must be greater than 0"),
        ({"trigger_price": "NaN"}, Reason.INVALID, "trigger_price: must be a number"),
        ({"order": "market"}, Reason.INVALID, "order: must be an object"),
        ({"order": {"order_type": "limit"}}, Reason.INVALID, "order.price: is required"),
        ({"order": {"order_type": "iceberg"}}, Reason.INVALID, "order.order_type: "),
        ({"stop_loss": {"enabled": True}}, Reason.INVALID, "stop_loss: must have"),
        ({"stop_loss": {"trigger_price_percent": 0}}, Reason.INVALID, "stop_loss.trigger_price_percent: "),
        ({"take_profit": {"steps": 1}}, Reason.INVALID, "take_profit.steps: must be a list"),
        ({"take_profit": {"steps": [{"price": 1}] * 9}}, Reason.INVALID, "take_profit.steps: must have at most 8"),
        ({"take_profit": {"steps": [{"price": 1}] * 2}}, Reason.INVALID, "take_profit.steps.0.volume_percent: "),
        ({"take_profit": {"steps": [{}]}}, Reason.INVALID, "take_profit.steps.0: must have"),
        (
            {"take_profit": {"steps": [{"price": 30000, "volume_percent": 51}] * 2}},
            Reason.INVALID,
            "take_profit.steps: must have volumes",
        ),
        ({"tv_instrument": "ETHUSDT"}, Reason.OTHER_SYMBOL, "tv_instrument: "),
        ({"tv_exchange": "BYBIT"}, Reason.OTHER_EXCHANGE, "tv_exchange: "),
        ({"bot_uuid": "another"}, Reason.OTHER_STRATEGY, "bot_uuid: "),
    ],
)
def test_an_alert_that_cannot_be_acted_on_is_stored_with_the_reason(
    world: World, given: Mapping[str, Any], reason: Reason, detail: str
) -> None:
    signal = world.raw(sent({**alert("enter_long"), **given}))
    assert (signal.status, signal.reason) == (Status.REFUSED, reason)
    assert (signal.detail or "").startswith(detail)
    assert world.store.get(world.strategy.id, signal.id) == signal
    assert not world.store.fan_outs


@pytest.mark.parametrize("ticker", ["BTCUSDT", "BTCUSDT.P", "BINANCE:BTCUSDT.P", "btc/usdt"])
@pytest.mark.parametrize("stamp", [str(NOW // 1000), NOW, "2023-11-14T22:13:20Z", "2023-11-14T22:13:20"])
def test_tickers_and_times_are_taken_as_senders_write_them(world: World, ticker: str, stamp: Any) -> None:
    signal = world.raw(sent(alert("enter_long") | {"tv_instrument": ticker, "timestamp": stamp}))
    assert (signal.status, signal.stamped_at) == (Status.ACCEPTED, NOW)


def test_only_whole_positions_are_closed(world: World) -> None:
    world.alert("enter_long")
    part = {"amount": "50", "currency_type": "position_percent"}
    assert world.became("exit_long", order=part) == (Status.REFUSED, Reason.UNSUPPORTED)
    assert world.became("exit_long", order=part | {"amount": 100}) == ACCEPTED


def test_modes_stop_entries_and_halting_stops_everything(world: World) -> None:
    world.became("enter_long")
    world.modes.set(ADMIN, world.strategy.id, Mode.REDUCING)
    assert world.became("enter_short") == (Status.REFUSED, Reason.REDUCING)
    assert world.became("exit_long") == ACCEPTED
    world.modes.set(ADMIN, world.strategy.id, Mode.ACTIVE)
    assert world.became("enter_long") == ACCEPTED
    world.modes.set_all(ADMIN, Mode.HALTED)
    assert world.became("exit_long") == (Status.REFUSED, Reason.HALTED)
    assert world.became("enter_short") == (Status.REFUSED, Reason.HALTED)
    world.modes.set_all(ADMIN, Mode.ACTIVE)
    assert world.became("exit_long") == ACCEPTED
    target = f"strategy/{world.strategy.id}/mode"
    assert [(entry.action, entry.target) for entry in world.store.audit] == [
        (Act.STRATEGY_MODE, f"{target}/REDUCING"),
        (Act.STRATEGY_MODE, f"{target}/ACTIVE"),
        (Act.TRADING_MODE, "trading/mode/HALTED"),
        (Act.TRADING_MODE, "trading/mode/ACTIVE"),
    ]
    with pytest.raises(NotFound):
        world.modes.set(ADMIN, "unknown", Mode.HALTED)


def test_an_inactive_strategy_enters_nothing_but_its_trades_can_be_closed(world: World) -> None:
    world.became("enter_long")
    world.store.strategies[world.strategy.id] = replace(world.strategy, active=False)
    assert world.became("enter_short") == (Status.REFUSED, Reason.STRATEGY_INACTIVE)
    assert world.became("exit_long") == ACCEPTED


def test_disable_halts_a_strategy_until_an_admin_activates_it(world: World) -> None:
    world.became("enter_long")
    assert world.became("disable") == ACCEPTED
    assert len(world.store.fan_outs) == 1  # it leaves positions alone
    assert world.became("disable") == (Status.IGNORED, Reason.ALREADY_HALTED)
    assert world.became("enter_short") == (Status.REFUSED, Reason.HALTED)
    assert world.store.audit[-1].action is Act.STRATEGY_MODE
    late = sent(alert("disable", world.clock.now + SECOND))
    world.clock.advance(5 * SECOND)
    world.modes.set(ADMIN, world.strategy.id, Mode.ACTIVE)
    assert world.raw(late).status is Status.OUT_OF_ORDER
    assert world.became("exit_long") == ACCEPTED


def test_disable_closes_the_trade_if_it_asks_for_it(world: World) -> None:
    world.became("enter_short")
    world.became("disable")
    assert world.became("disable", positions_sub_action="market_close") == ACCEPTED
    closing = max(world.store.signals.values(), key=lambda signal: signal.received_at)
    assert (closing.closes, closing.direction, world.direction) == (True, Direction.SHORT, None)
    assert world.store.fan_outs[-1].signal_id == closing.id


def test_an_administrators_signal_has_absolute_prices_and_an_audit_entry(world: World) -> None:
    take_profits = (TakeProfit(Level(price=Decimal(21000)), Decimal(100)),)
    stop = Level(price=Decimal(19000))
    order = Order(Action.ENTER, Direction.LONG, NOW, stop=stop, take_profits=take_profits, max_lag_s=900)
    new = NewSignal("id:1", Source.ADMIN, order)
    signal = world.signals.send(ADMIN, world.strategy.id, new)
    assert (signal.status, signal.source, signal.expires_at) == (Status.ACCEPTED, Source.ADMIN, NOW + 15 * MINUTE)
    assert signal.exits(Decimal(20000)) == Exits(Decimal(19000), ((Decimal(21000), Decimal(100)),))
    (entry,) = world.store.audit
    assert (entry.action, entry.target) == (Act.SIGNAL_SEND, f"strategy/{world.strategy.id}/signal/{signal.id}")
    assert world.signals.send(ADMIN, world.strategy.id, new).duplicate_of == signal.id
    assert len(world.store.audit) == 1
    with pytest.raises(NotFound):
        world.signals.send(ADMIN, "unknown", new)


def test_a_wrong_secret_and_an_unknown_strategy_are_refused_by_the_same_steps(world: World) -> None:
    bodies = [alert("enter_long", secret=wrong) for wrong in ("wrong", None, 5, "", "0" * 64)]
    bodies += [{name: value for name, value in alert("enter_long").items() if name != "secret"}]
    for strategy_id, body in [("unknown", alert("enter_long")), *((world.strategy.id, body) for body in bodies)]:
        before = world.store.reads
        with pytest.raises(Unauthorized) as refused:
            world.signals.receive(strategy_id, sent(body), None)
        assert str(refused.value) == Unauthorized.default
        assert world.store.reads - before == 1
    assert not world.store.signals


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b"\xff", b"[" * 16_000, b'{"a":' * 3000, b'{"secret": NaN}'])
def test_a_body_that_is_no_object_has_no_secret(world: World, body: bytes) -> None:
    with pytest.raises(Unauthorized):
        world.raw(body)


def test_a_body_has_a_maximum_size(world: World) -> None:
    body = sent(alert("enter_long", note=""))
    assert world.raw(body.replace(b'"note": ""', b'"note": "%s"' % (b"x" * (LONGEST_BODY - len(body))))).status
    with pytest.raises(PayloadTooLarge):
        world.raw(b" " * (LONGEST_BODY + 1))


def test_two_secrets_are_valid_so_that_senders_can_change_theirs(world: World) -> None:
    first, second = (world.secrets.issue(ADMIN, world.strategy.id) for _ in range(2))
    assert len({first.secret, second.secret, first.signing_key, second.signing_key}) == 4
    assert world.became("enter_long", secret=first.secret) == ACCEPTED
    assert world.became("exit_long", secret=second.secret) == ACCEPTED
    with pytest.raises(Unauthorized):
        world.alert("enter_long", secret=SECRET)
    assert [entry.target for entry in world.store.audit] == [f"strategy/{world.strategy.id}/secret"] * 2
    assert first.secret not in str(world.store) + repr(first)
    with pytest.raises(NotFound):
        world.secrets.issue(ADMIN, "unknown")


def test_own_senders_sign_instead_of_sending_the_secret(world: World) -> None:
    issued = world.secrets.issue(ADMIN, world.strategy.id)
    now_s = NOW // 1000

    def body(action: str) -> bytes:
        return sent({name: value for name, value in alert(action).items() if name != "secret"})

    entering = body("enter_long")
    assert world.raw(entering, world.sign(entering, now_s - 300, issued.signing_key)).status is Status.ACCEPTED
    signature = world.sign(entering, now_s, issued.signing_key)
    wrong = [
        world.sign(entering, now_s - 301, issued.signing_key),
        world.sign(entering, now_s + 301, issued.signing_key),
        world.sign(entering, now_s, issued.secret),
        world.sign(body("enter_short"), now_s, issued.signing_key),
        signature.replace("t=", "t=-"),
        signature.replace("v1=", "v0="),
        "v1=é",
        "t=²,v1=x",
        "",
    ]
    for each in wrong:
        with pytest.raises(Unauthorized):
            world.raw(entering, each or "t=1")
    assert world.raw(b"{}", world.sign(b"{}", now_s, issued.signing_key)).reason is Reason.INVALID


@pytest.mark.parametrize("before", [None, Direction.SHORT])
def test_a_refused_entry_leaves_the_trade_before_it(world: World, before: Direction | None) -> None:
    if before:
        world.became(f"enter_{before.lower()}")
    world.clock.advance(SECOND)
    signal = world.alert("enter_long")
    refused = world.signals.refuse(signal, Reason.SUSPECT_PRICE)
    assert (refused.status, refused.reason, world.direction) == (Status.REFUSED, Reason.SUSPECT_PRICE, before)
    assert world.signals.refuse(signal, Reason.NO_STOP) == refused
    if before:
        assert world.became(f"exit_{before.lower()}") == ACCEPTED


def test_a_refused_entry_that_was_left_meanwhile_changes_no_trade(world: World) -> None:
    signal = world.alert("enter_long")
    world.clock.advance(SECOND)
    assert world.became("enter_short") == ACCEPTED
    world.signals.refuse(signal, Reason.SUSPECT_PRICE)
    assert world.direction is Direction.SHORT


def test_signals_are_listed_the_newest_first(world: World) -> None:
    for _ in range(3):
        world.became("enter_long")
    first = world.signals.newest(world.strategy.id, None, 2)
    assert [signal.received_at for signal in first.page.rows] == [NOW + 3 * SECOND, NOW + 2 * SECOND]
    rest = world.signals.newest(world.strategy.id, first.page.position, 2).page
    assert ([signal.status for signal in rest.rows], rest.position) == ([Status.ACCEPTED], None)
    assert (first.counts, first.state.direction, first.trading) == ({}, Direction.LONG, Mode.ACTIVE)
    with pytest.raises(NotFound):
        world.signals.newest("unknown", None, 2)


def test_ids_of_accepted_signals_sort_as_they_were_decided_whatever_the_clocks(world: World) -> None:
    first = world.alert("enter_long")
    world.clock.advance(-5 * SECOND)  # another process, whose clock is late
    second = world.raw(sent(alert("exit_long", NOW + SECOND)))
    third = world.raw(sent(alert("enter_short", NOW + 2 * SECOND)))
    assert [each.status for each in (first, second, third)] == [Status.ACCEPTED] * 3
    assert first.id < second.id < third.id
    assert [work.signal_id for work in world.store.fan_outs] == [first.id, second.id, third.id]


def test_ids_of_signals_sort_by_time() -> None:
    ids = [signal_id(now) for now in (0, 1, NOW, NOW + 1, 2**47)]
    assert ids == sorted(ids)
    assert {id[14] for id in ids} == {"7"}
    assert {id[19] for id in ids} <= set("89ab")
    assert len({signal_id(NOW) for _ in range(100)}) == 100
