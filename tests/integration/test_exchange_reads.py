"""Reading orders, trades and positions where the paper exchange answers the unusual."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from local.doubles.binance import PaperExchange
from purser.errors import ExchangeAuthorizationFailed, ExchangeBadRequest, ExchangeSymbolInvalid, ExchangeUnavailable
from purser.exchanges.ccxt_orders import HISTORY_WEEKS, CcxtOrderDesk
from purser.exchanges.model import ApiCredential, TradeType
from purser.exchanges.orders import MarginType, OrderStatus
from tests.support.budget import own_budget
from tests.support.paper import Paper

SPOT, FUTURES = TradeType.SPOT, TradeType.FUTURES
DAY = 86_400_000
SYMBOL = "XRP/USDT"


@dataclass
class World:
    """The order desk, and an account at an exchange whose insides can be changed."""

    exchange: PaperExchange
    paper: Paper
    desk: CcxtOrderDesk
    key: dict[str, str]

    @property
    def credential(self) -> ApiCredential:
        return ApiCredential(self.key["apiKey"], self.key["secret"])

    def buy(self, path: str = "/fapi/v1/order", quantity: str = "20", **given: Any) -> None:
        order = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quantity": quantity, **given}
        self.paper.signed(self.key, "POST", path, **order)

    def wait_to_sell(self) -> None:
        self.paper.signed(
            self.key, "POST", "/fapi/v1/algoOrder", algoType="CONDITIONAL", symbol="XRPUSDT", side="SELL",
            type="STOP_MARKET", quantity="20", triggerPrice="0.4",
        )  # fmt: skip

    def age(self, days: int) -> None:
        """Make everything that was ordered and traded so far older."""
        for order in self.paper.orders(self.key["apiKey"]):
            name, time = ("algoId", "createTime") if "algoId" in order else ("orderId", "time")
            changes = {name: order[name], "moment": order[time] - days * DAY}
            self.paper.change_order(self.key["apiKey"], **changes)

    def tell(self, number: int, **fields: Any) -> None:
        """Let the exchange tell something else of an order, counted from the first."""
        api_key = self.key["apiKey"]
        self.paper.change_order(api_key, orderId=self.paper.orders(api_key)[number]["orderId"], fields=fields)

    def asked(self, path: str) -> int:
        return sum(1 for request in self.paper.requests() if request["path"] == path)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[PaperExchange, Paper]]:
    with PaperExchange() as exchange, exchange.serve() as served:
        served.control.limits(spot=1_000_000, futures=1_000_000)
        yield exchange, Paper(served.url)


@pytest.fixture
def world(served: tuple[PaperExchange, Paper]) -> Iterator[World]:
    exchange, paper = served
    paper.prices(XRP_USDT="0.5")
    paper.clear_requests()
    desk = CcxtOrderDesk(budget=own_budget(), endpoint=paper.url, timeout=60)
    yield World(exchange, paper, desk, paper.key(spot={"USDT": "1000"}, futures={"USDT": "1000"}))
    paper.clear_faults()
    paper.statuses(futures={"XRPUSDT": "TRADING"}, spot={"XRPUSDT": "TRADING"})
    desk.close()


# ---- histories


def test_trades_and_orders_of_earlier_weeks_are_read_newest_first_and_once(world: World) -> None:
    for days in (1, 8, 20):
        world.buy()
        world.wait_to_sell()
        world.age(days)
    trades = world.desk.trade_history(world.credential, FUTURES, SYMBOL, 50)
    ages = [(world.exchange.clock() - trade.timestamp) // DAY for trade in trades]
    assert ages == [20, 28, 29]
    assert len({trade.id for trade in trades}) == 3
    orders = world.desk.order_history(world.credential, FUTURES, SYMBOL, 50)
    assert [order.type for order in orders] == ["stop_market", "market"] * 3
    assert [order.timestamp for order in orders] == sorted((order.timestamp for order in orders), reverse=True)


def test_a_history_is_read_no_further_than_it_takes(world: World) -> None:
    world.buy()
    world.age(8)
    for _ in range(3):
        world.buy()
    assert len(world.desk.trade_history(world.credential, FUTURES, SYMBOL, 3)) == 3
    assert world.asked("/fapi/v1/userTrades") == 1
    trades = world.desk.trade_history(world.credential, FUTURES, SYMBOL, 4)
    assert len(trades) == 4
    assert world.asked("/fapi/v1/userTrades") == 3


def test_a_history_ends_after_five_weeks(world: World) -> None:
    world.buy()
    world.age(36)
    assert world.desk.trade_history(world.credential, FUTURES, SYMBOL, 50) == []
    assert world.asked("/fapi/v1/userTrades") == HISTORY_WEEKS


def test_a_week_with_more_rows_than_a_page_is_read_to_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("purser.exchanges.ccxt_orders.LONGEST_PAGE", 4)
    for number in range(10):
        world.buy()
        world.exchange.futures.trades.of(world.key["apiKey"])[-1].time -= 8 * DAY - number * 1000
    trades = world.desk.trade_history(world.credential, FUTURES, SYMBOL, 9)
    ids = [int(trade.id) for trade in trades]
    assert len(ids) == 9
    assert ids == sorted(ids, reverse=True)
    assert ids[0] == world.exchange.futures.trades.of(world.key["apiKey"])[-1].id


# ---- markets that do not trade


@pytest.mark.parametrize("status", ["SETTLING", "PENDING_TRADING"])
def test_a_contract_that_is_settled_can_be_read_and_not_ordered(world: World, status: str) -> None:
    world.buy()
    world.wait_to_sell()
    world.paper.statuses(futures={"XRPUSDT": status})
    position = world.desk.position(world.credential, SYMBOL)
    assert position is not None
    assert position.contracts == 20
    assert len(world.desk.open_orders(world.credential, FUTURES, SYMBOL)) == 1
    assert len(world.desk.order_history(world.credential, FUTURES, SYMBOL, 9)) == 2
    assert len(world.desk.trade_history(world.credential, FUTURES, SYMBOL, 9)) == 1
    assert [each.symbol for each in world.desk.positions(world.credential)] == [SYMBOL]
    world.desk.cancel_conditional_orders(world.credential, SYMBOL)
    assert world.desk.open_orders(world.credential, FUTURES, SYMBOL) == []
    for ask in (lambda: world.desk.contract(SYMBOL), lambda: world.desk.ticker(SYMBOL, FUTURES)):
        with pytest.raises(ExchangeSymbolInvalid):
            ask()


def test_a_spot_market_that_does_not_trade_can_be_read(world: World) -> None:
    world.buy("/api/v3/order")
    world.paper.statuses(spot={"XRPUSDT": "BREAK"})
    assert len(world.desk.trade_history(world.credential, SPOT, SYMBOL, 9)) == 1
    assert len(world.desk.order_history(world.credential, SPOT, SYMBOL, 9)) == 1
    assert world.desk.open_orders(world.credential, SPOT, SYMBOL) == []
    with pytest.raises(ExchangeSymbolInvalid):
        world.desk.ticker(SYMBOL, SPOT)


@pytest.mark.parametrize("trade_type", [SPOT, FUTURES])
def test_an_unknown_market_is_invalid_and_no_other_is_read_in_its_place(world: World, trade_type: TradeType) -> None:
    for symbol in ("NO/SUCH", "XR/PUSDT"):
        with pytest.raises(ExchangeSymbolInvalid):
            world.desk.trade_history(world.credential, trade_type, symbol, 9)
    assert all(request["params"].get("symbol") != "XRPUSDT" for request in world.paper.requests())


# ---- odd rows


def test_an_order_of_an_unknown_status_is_shown_without_one(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.buy()
    world.buy()
    world.tell(1, status="NEW_ADL")
    orders = world.desk.order_history(world.credential, FUTURES, SYMBOL, 9)
    assert [order.status for order in orders] == [None, OrderStatus.CLOSED]
    assert orders[0].is_open, "an order that may be open counts as open"
    assert '"ExchangeValuesUnknown": 1' in capsys.readouterr().out


def test_a_row_that_cannot_be_read_is_left_out_and_counted(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.buy()
    world.buy()
    world.exchange.futures.trades.of(world.key["apiKey"])[-1].price = Decimal("NaN")
    assert len(world.desk.trade_history(world.credential, FUTURES, SYMBOL, 9)) == 1
    assert '"ExchangeRowsUnread": 1' in capsys.readouterr().out
    world.exchange.futures.trades.of(world.key["apiKey"])[0].price = Decimal("NaN")
    with pytest.raises(ExchangeUnavailable):
        world.desk.trade_history(world.credential, FUTURES, SYMBOL, 9)


@pytest.mark.parametrize(
    "fields", [{"origQty": "many"}, {"orderId": None}, {"status": {}}, {"time": "now"}, {"time": None}]
)
def test_an_order_that_cannot_be_read_is_left_out(world: World, fields: dict[str, Any]) -> None:
    world.buy()
    world.buy()
    world.tell(1, **fields)
    (order,) = world.desk.order_history(world.credential, FUTURES, SYMBOL, 9)
    assert order.id == str(world.paper.orders(world.key["apiKey"])[0]["orderId"])


@pytest.mark.parametrize("kind", ["html", "empty", "truncated"])
@pytest.mark.parametrize("read", ["orders", "trades", "open", "position", "balance", "prices"])
def test_a_body_that_is_not_a_valid_answer_is_an_outage(world: World, kind: str, read: str) -> None:
    world.buy()
    desk, credential = world.desk, world.credential
    desk.open_orders(credential, FUTURES, SYMBOL)  # Markets are read before.
    world.paper.fault("/", kind)
    reads: dict[str, Callable[[], object]] = {
        "orders": lambda: desk.order_history(credential, FUTURES, SYMBOL, 9),
        "trades": lambda: desk.trade_history(credential, FUTURES, SYMBOL, 9),
        "open": lambda: desk.open_orders(credential, FUTURES, SYMBOL),
        "position": lambda: desk.position(credential, SYMBOL),
        "balance": lambda: desk.account_balance(credential, FUTURES),
        "prices": desk.prices,
    }
    with pytest.raises(ExchangeUnavailable):
        reads[read]()
    reads[read]()


def test_a_key_that_may_only_read_is_refused_ambiguously_and_goes_on_reading(world: World) -> None:
    world.paper.change_key(world.key["apiKey"], readOnly=True)
    with pytest.raises(ExchangeAuthorizationFailed) as refused:
        world.desk.set_leverage(world.credential, SYMBOL, 5)
    assert refused.value.is_ambiguous
    assert world.desk.position(world.credential, SYMBOL) is None


# ---- margin type


@pytest.mark.parametrize("code", [-4046, -4067])
def test_a_margin_type_that_is_set_already_is_no_error(world: World, code: int) -> None:
    world.paper.fault("/fapi/v1/marginType", "reject", code=code)
    world.desk.set_margin_type(world.credential, SYMBOL, MarginType.ISOLATED)
    world.paper.fault("/fapi/v1/marginType", "reject", code=-4048)
    with pytest.raises(ExchangeBadRequest):
        world.desk.set_margin_type(world.credential, SYMBOL, MarginType.ISOLATED)
