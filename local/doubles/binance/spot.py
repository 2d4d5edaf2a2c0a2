"""Spot: balances, and matching against the price. Liquidity is unlimited, so every fill is whole."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from local.doubles.binance.conditions import touch
from local.doubles.binance.filters import check_spot
from local.doubles.binance.market_info import MAX_OPEN_ORDERS, MAX_SPOT_CONDITIONALS
from local.doubles.binance.markets import Market, spot_markets
from local.doubles.binance.model import Account, Order, Trade
from local.doubles.binance.prices import PriceBoard
from local.doubles.binance.shelf import Shelf, TradeBook
from local.doubles.binance.spot_wire import wire_order
from local.doubles.binance.wire import ZERO, WireError, floor8
from local.doubles.kit.store import Store

FEE = Decimal("0.001")
FIRST_ORDER, FIRST_TRADE = 5_403_233_939, 1_737_466_631
AT_MARKET = ("MARKET", "STOP_LOSS", "TAKE_PROFIT")


def crosses(order: Order, last: Decimal) -> bool:
    """Return whether a limit order can trade at a price."""
    return last <= order.price if order.buys else last >= order.price


class SpotDesk:
    """The spot accounts and orders of every key."""

    def __init__(self, store: Store, markets: dict[str, Market], prices: PriceBoard, accounts: dict[str, Account]):
        self.markets, self._prices, self._accounts, self._store = markets, prices, accounts, store
        self.orders: Shelf[Order] = Shelf(store, "spot_order", Order, FIRST_ORDER)
        self.trades = TradeBook(store, "spot_trade", FIRST_TRADE)

    @staticmethod
    def listed() -> dict[str, Market]:
        return spot_markets()

    def totals(self, account: Account) -> dict[str, Decimal]:
        """Return an account's balances, free and locked, by asset."""
        assets = sorted({*account.free, *account.locked})
        return {asset: account.free.get(asset, ZERO) + account.locked.get(asset, ZERO) for asset in assets}

    def wire_orders(self, account: Account) -> list[dict[str, Any]]:
        return [wire_order(order) for order in self.orders.of(account.api_key)]

    def place(self, account: Account, order: Order, now: int) -> Order:
        """Accept an order, which fills, rests, waits for its trigger or expires, or raise Binance's error."""
        market = self.markets[order.symbol]
        last = self._prices.last(market)
        if market.status != "TRADING":
            raise WireError(-1013, "Market is closed.")
        self._check_room(account, order)
        check_spot(market, order, last)
        if order.condition and not order.trailing_delta and touch(order.condition, last):
            raise WireError(-2010, "Stop price would trigger immediately.")
        if order.type == "LIMIT_MAKER" and crosses(order, last):
            raise WireError(-2010, "Order would immediately match and take.")
        self._lock(account, market, order, last)
        if order.condition is None:
            self._work(account, market, order, last, now)
        self._keep(account, order, now)
        return order

    def _check_room(self, account: Account, order: Order) -> None:
        twin = self.orders.by_client_id(account.api_key, order.client_id)
        if twin and twin.open:
            raise WireError(-2010, "Duplicate order sent.")
        open_orders = self.orders.open_of(account.api_key, order.symbol)
        if len(open_orders) >= MAX_OPEN_ORDERS:
            raise WireError(-2010, "Filter failure: MAX_NUM_ORDERS")
        if order.condition and sum(1 for other in open_orders if other.condition) >= MAX_SPOT_CONDITIONALS:
            raise WireError(-2010, "Filter failure: MAX_NUM_ALGO_ORDERS")

    def _lock(self, account: Account, market: Market, order: Order, last: Decimal) -> None:
        """Lock what the order may cost. Raises -2010 if the balance is too small."""
        asset = market.quote if order.buys else market.base
        amount = floor8(order.quantity * (order.price or order.stop_price or last)) if order.buys else order.quantity
        if account.free.get(asset, ZERO) < amount:
            raise WireError(-2010)
        account.free[asset] = account.free.get(asset, ZERO) - amount
        account.locked[asset] = account.locked.get(asset, ZERO) + amount
        order.locked = amount

    def _unlock(self, account: Account, order: Order) -> None:
        market = self.markets[order.symbol]
        asset = market.quote if order.buys else market.base
        account.locked[asset] -= order.locked
        account.free[asset] = account.free.get(asset, ZERO) + order.locked
        order.locked = ZERO

    def _work(self, account: Account, market: Market, order: Order, last: Decimal, now: int) -> None:
        """Match an order with the market: it fills now if it can, or rests if it may."""
        if order.type in AT_MARKET or crosses(order, last):
            self._fill(account, market, order, last, False, now)
        elif order.time_in_force in ("IOC", "FOK"):
            self._end(account, order, "EXPIRED")

    def _fill(self, account: Account, market: Market, order: Order, price: Decimal, maker: bool, now: int) -> None:
        """Execute the whole order. A triggered one that costs more than is locked expires."""
        cost = floor8(order.quantity * price)
        self._unlock(account, order)
        if order.buys and account.free[market.quote] < cost:
            self._end(account, order, "EXPIRED")
            return
        paid, spent = (market.quote, cost) if order.buys else (market.base, order.quantity)
        got, received = (market.base, order.quantity) if order.buys else (market.quote, cost)
        fee = floor8(received * FEE)
        account.free[paid] -= spent
        account.free[got] = account.free.get(got, ZERO) + received - fee
        order.executed, order.quote, order.status = order.quantity, cost, "FILLED"
        trade = Trade(
            self.trades.next_id(), order.id, account.api_key, order.symbol, order.side,
            price, order.quantity, cost, fee, got, maker, now,
        )  # fmt: skip
        self.trades.add(trade)

    def _end(self, account: Account, order: Order, status: str) -> None:
        order.status = status
        self._unlock(account, order)

    def _keep(self, account: Account, order: Order, now: int) -> None:
        order.updated = account.spot_updated = now
        self.orders.save(order)
        self._store.put("account", account.api_key, account)

    def cancel(self, account: Account, order: Order, now: int) -> Order:
        """Cancel an open order. Raises -2011 if it is not open."""
        if not order.open:
            raise WireError(-2011)
        self._end(account, order, "CANCELED")
        self._keep(account, order, now)
        return order

    def on_price(self, pair: str, now: int) -> None:
        """Match every open order with the price of a pair: triggers first, then resting orders."""
        market = self.markets.get(pair.replace("/", ""))
        if market is None:
            return
        last = self._prices.last(market)
        for order in self.orders.open_at(market.symbol):
            self._meet(self._accounts[order.api_key], market, order, last, now)

    def _meet(self, account: Account, market: Market, order: Order, last: Decimal, now: int) -> None:
        if order.condition and not order.working:
            order.working = touch(order.condition, last)
            if order.working:
                self._work(account, market, order, last, now)
            self._keep(account, order, now)
        elif crosses(order, last):
            self._fill(account, market, order, order.price, True, now)
            self._keep(account, order, now)
