"""Scenarios of manual orders that are interrupted, and the checks that must pass afterwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

from local.doubles.binance import PaperControl
from purser.errors import PurserError
from purser.exchanges.model import ApiCredential
from purser.exchanges.orders import NewOrder, OrderType, Side
from purser.orders.intents import State
from purser.orders.model import EntryType, ManualOrder, Stop, StopType
from tests.support.crashes import Killed
from tests.support.fakes import FakeClock
from tests.support.intents import USER_ID, CutDesk, IntentsKept, World
from tests.support.paper import is_open

SYMBOL = "BTC/USDT"
PRICE = "20000"
D = Decimal
TAKE_PROFITS = (D(20500), D(21000))
KNOWN = (State.DONE, State.FAILED, State.RESTING)
names = count()


@dataclass(frozen=True)
class Scenario:
    """The requested order (None clears the symbol), and whether a position and orders exist before."""

    order: ManualOrder | None
    in_market: bool = False
    fill_at: str | None = None
    take_profit_waits: bool = False


def manual(kind: EntryType, side: Side = Side.BUY, **given: Any) -> ManualOrder:
    return ManualOrder(SYMBOL, kind, side, D("0.05"), **given)


LONG_STOP, SHORT_STOP = Stop(D(17000), StopType.MARKET), Stop(D(22000), StopType.LIMIT, D(22100))
SCENARIOS = {
    "market": Scenario(manual(EntryType.MARKET, take_profits=TAKE_PROFITS, stop=LONG_STOP)),
    "market-short-in-market": Scenario(
        manual(EntryType.MARKET, Side.SELL, take_profits=(D(19000),), stop=SHORT_STOP), in_market=True
    ),
    "limit": Scenario(
        manual(EntryType.LIMIT, price=D(19500), take_profits=(D(19800), D(21000)), stop=LONG_STOP),
        fill_at="19500",
        take_profit_waits=True,
    ),
    "limit-short-in-market": Scenario(
        manual(EntryType.LIMIT, Side.SELL, price=D(20400), stop=SHORT_STOP), in_market=True, fill_at="20400"
    ),
    "limit-that-crosses": Scenario(manual(EntryType.LIMIT, price=D(20100), stop=LONG_STOP)),
    "trailing": Scenario(manual(EntryType.TRAILING_STOP, price=D(19500), callback_rate=D(1)), in_market=True),
    "clearing": Scenario(None, in_market=True),
}


class Trial:
    """One run of a scenario."""

    def __init__(
        self,
        control: PaperControl,
        desk: CutDesk,
        clock: FakeClock,
        scenario: Scenario,
        store: IntentsKept | None = None,
    ) -> None:
        clock.advance(60_000)
        control.prices(BTC_USDT=PRICE)
        key = control.key(futures={"USDT": "10000"})
        self.control, self.scenario, self.api_key = control, scenario, key["apiKey"]
        self.credential = ApiCredential(key["apiKey"], key["secret"])
        self.world = World(desk, clock, self.credential, store)
        self.name = f"intent-{next(names)}"
        if scenario.in_market:
            self._enter_market()
        self.world.scissors.steps = 0

    def _enter_market(self) -> None:
        place = self.world.desk.place
        place(self.credential, SYMBOL, NewOrder("before", Side.BUY, OrderType.MARKET, D("0.02")))
        place(self.credential, SYMBOL, NewOrder("resting", Side.BUY, OrderType.LIMIT, D("0.01"), price=D(19000)))
        stop = NewOrder("old-stop", Side.SELL, OrderType.STOP_MARKET, trigger=D(18000), close_position=True)
        place(self.credential, SYMBOL, stop)

    def run(self) -> None:
        orders, account_id = self.world.orders, self.world.account_id
        if self.scenario.order is None:
            orders.clear_position(USER_ID, account_id, SYMBOL)
        else:
            orders.create(USER_ID, account_id, self.name, self.scenario.order)

    def run_cut(self) -> str:
        """Run the scenario, and return how it ended: ``answered``, ``refused`` or ``killed``."""
        try:
            self.run()
        except Killed:
            return "killed"
        except PurserError:
            return "refused"
        return "answered"

    def fault(self, kind: str, step: int, times: int) -> None:
        code = {"code": -2010} if kind == "reject" else {}
        self.control.fault("/", kind, times, skip=step, apiKey=self.api_key, **code)

    def settle(self) -> None:
        self.control.clear_faults()
        self.world.reconcile()

    # checks

    def check(self, outcome: str) -> None:
        self._check_known(outcome)
        self._check_nothing_twice()
        self._check_protected()
        self._check_stored()
        if self.scenario.fill_at:
            self.control.prices(BTC_USDT=self.scenario.fill_at)
            self._check_protected()
            self.world.reconcile(1)
            self._check_protected()
            self._check_all_exits()
            self._check_stored()

    @property
    def orders(self) -> list[dict[str, Any]]:
        return list(self.control.orders(self.api_key))

    @property
    def position(self) -> Decimal:
        return sum((D(position["positionAmt"]) for position in self.control.positions(self.api_key)), D(0))

    @property
    def open_orders(self) -> list[dict[str, Any]]:
        return [order for order in self.orders if is_open(order)]

    def _check_known(self, outcome: str) -> None:
        assert not self.world.telemetry.failures
        for intent in self.world.store.intents.values():
            assert intent.state in KNOWN, intent
            assert outcome != "answered" or intent.state is not State.FAILED
            resting = intent.state is State.RESTING
            assert resting == bool(self.world.store.stored_locks)
            if intent.state is State.DONE and intent.order is None:
                assert (self.position, self.open_orders) == (D(0), [])
        if outcome == "answered" and self.scenario.order is not None:
            asked = 1 + len(self.scenario.order.take_profits) + (self.scenario.order.stop is not None)
            waiting = 1 if self.scenario.take_profit_waits else 0
            assert [len(intent.placed) for intent in self.world.store.intents.values()] == [asked - waiting]

    def _check_nothing_twice(self) -> None:
        plain = Counter(order["clientOrderId"] for order in self.orders if "orderId" in order)
        conditional = Counter(order["clientAlgoId"] for order in self.orders if "algoId" in order)
        assert all(times == 1 for times in (plain | conditional).values())
        assert abs(self.position) <= D("0.05")

    def _check_protected(self) -> None:
        order = self.scenario.order
        if not self.position or (order is not None and order.stop is None and self.position != D("0.02")):
            return
        leaving = "SELL" if self.position > 0 else "BUY"
        stops = [o for o in self.open_orders if "algoId" in o and o["orderType"] in ("STOP", "STOP_MARKET")]
        enough = [o for o in stops if o["closePosition"] or D(o["quantity"]) >= abs(self.position)]
        assert leaving in [o["side"] for o in enough], self.orders

    def _check_all_exits(self) -> None:
        """Check that after a resting entry was executed, all requested exits are open."""
        order = self.scenario.order
        if order is None or not self.position or self.position == D("0.02"):
            return
        assert len(self.open_orders) == len(order.take_profits) + 1, self.open_orders

    def _check_stored(self) -> None:
        by_id = {str(o.get("algoId", o.get("orderId"))): o for o in self.orders}
        for intent in self.world.store.intents.values():
            for stored in intent.placed:
                order = by_id[stored.id]
                assert stored.client_id == order.get("clientAlgoId", order.get("clientOrderId"))
                if intent.state is not State.FAILED:
                    executed = D(order.get("executedQty", "0"))
                    assert stored.filled == executed
                    assert stored.is_open == is_open(order)


def check(trial: Trial, outcome: str, what: str) -> None:
    try:
        trial.check(outcome)
    except AssertionError as failure:
        raise AssertionError(f"{what}, {outcome}: {failure}") from failure
