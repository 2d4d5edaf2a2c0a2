"""Conditional futures orders: they wait in the algo service and become orders of the engine when they trigger."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from local.doubles.binance.conditions import touch
from local.doubles.binance.filters import check_futures_notional, check_futures_price, check_futures_quantity
from local.doubles.binance.market_info import MAX_FUTURES_CONDITIONALS
from local.doubles.binance.markets import Market
from local.doubles.binance.model import Account, Algo, Order, Position
from local.doubles.binance.prices import PriceBoard
from local.doubles.binance.shelf import Shelf
from local.doubles.binance.wire import ZERO, WireError
from local.doubles.kit.store import Store

FIRST_ALGO = 2_000_000_148_718
WITH_LIMIT = ("STOP", "TAKE_PROFIT")


class Engine(Protocol):
    """The matching engine, to which a triggered order goes."""

    markets: dict[str, Market]
    prices: PriceBoard
    accounts: dict[str, Account]
    orders: Shelf[Order]

    def reduces(self, account: Account, order: Order) -> bool:
        """Return whether an order goes against an open position."""

    def submit(self, account: Account, order: Order, now: int) -> Order:
        """Accept an order, or raise Binance's error."""


class AlgoDesk:
    """The conditional orders of every key."""

    def __init__(self, store: Store, desk: Engine):
        self._desk = desk
        self.shelf: Shelf[Algo] = Shelf(store, "algo", Algo, FIRST_ALGO)
        self._stuck, self._stuck_are_listed = 0, False

    def stick(self, times: int, *, listed: bool) -> None:
        """Leave the next orders that trigger in TRIGGERING, for good. They cannot be cancelled.

        https://github.com/nautechsystems/nautilus_trader/discussions/5378 does not tell whether they are listed.
        """
        self._stuck, self._stuck_are_listed = times, listed

    def place(self, account: Account, algo: Algo, now: int) -> Algo:
        """Accept a conditional order, or raise Binance's error."""
        market = self._desk.markets[algo.symbol]
        last = self._desk.prices.last(market)
        self._check_place(account, algo)
        self._check_form(market, algo)
        if algo.condition.distance:
            self._check_activation(algo, last)
        elif touch(algo.condition, last):
            raise WireError(-2021)
        self._keep(algo, now)
        return algo

    def _check_place(self, account: Account, algo: Algo) -> None:
        twin = self.shelf.by_client_id(account.api_key, algo.client_id)
        if twin and twin.open:
            raise WireError(-4116)
        open_algos = self.shelf.open_of(account.api_key, algo.symbol)
        if len(open_algos) >= MAX_FUTURES_CONDITIONALS:
            raise WireError(-4045)
        if algo.time_in_force == "GTE_GTC" and algo.position_key not in account.positions:
            raise WireError(-4509)
        if algo.close_position and any(self._same_exit(algo, other) for other in open_algos):
            raise WireError(-4130)

    def _same_exit(self, algo: Algo, other: Algo) -> bool:
        """Return whether another order already closes the position on the same side of the price."""
        here, there = ((each.position_side, each.side, each.condition.rises) for each in (algo, other))
        return other.close_position and here == there

    def _check_form(self, market: Market, algo: Algo) -> None:
        if not algo.close_position:
            check_futures_quantity(market, algo.quantity, algo.type not in WITH_LIMIT)
        for price in (algo.condition.price, algo.price, algo.condition.activation):
            if price:
                check_futures_price(market, price)
        notional = algo.quantity * (algo.price or algo.condition.price or self._desk.prices.last(market))
        check_futures_notional(market, notional, algo.reduce_only or algo.close_position)

    def _check_activation(self, algo: Algo, last: Decimal) -> None:
        """Check that the activation price lies ahead: below the price for a buy order, above it for a sell order."""
        touch(algo.condition, last)
        if algo.condition.activation and algo.condition.active:
            raise WireError(-4135)

    def cancel(self, algo: Algo, now: int) -> Algo:
        """Cancel a waiting order. Raises -2011 if it no longer waits."""
        if not algo.waits:
            raise WireError(-2011)
        self._end(algo, "CANCELED", now)
        return algo

    def _end(self, algo: Algo, status: str, now: int) -> None:
        algo.status = status
        self._keep(algo, now)

    def _keep(self, algo: Algo, now: int) -> None:
        algo.updated = now
        self.shelf.save(algo)

    def position_ended(self, account: Account, position: Position, now: int) -> None:
        """Expire the orders that are bound to the position that is gone.

        Others stay, those that close the position too (go-binance#681, Binance_Futures_python#100).
        """
        for algo in self.shelf.open_of(account.api_key, position.symbol):
            if algo.waits and algo.position_side == position.side and algo.time_in_force == "GTE_GTC":
                self._end(algo, "EXPIRED", now)

    def on_price(self, market: Market, last: Decimal, now: int) -> None:
        """Check every waiting order of a contract against the latest price, oldest first."""
        for algo in self.shelf.open_at(market.symbol):
            # An earlier trigger at this price may have closed the position, and this order with it.
            if not algo.waits:
                continue
            before = vars(algo.condition).copy()
            if touch(algo.condition, last):
                self._trigger(self._desk.accounts[algo.api_key], algo, now)
            elif vars(algo.condition) != before:
                self.shelf.save(algo)

    def _trigger(self, account: Account, algo: Algo, now: int) -> None:
        """Send the order to the engine. A refused one is REJECTED, and one with nothing to close EXPIRED."""
        algo.triggered = now
        if self._stuck:
            self._stuck -= 1
            algo.listed_when_stuck = self._stuck_are_listed
            self._end(algo, "TRIGGERING", now)
            return
        order = self._child(account, algo, now)
        if algo.close_position and not self._desk.reduces(account, order):
            self._end(algo, "EXPIRED", now)
            return
        algo.order_id = order.id
        self._end(algo, "TRIGGERED", now)
        try:
            self._desk.submit(account, order, now)
        except WireError:
            algo.order_id = 0
            self._end(algo, "REJECTED", now)

    def _child(self, account: Account, algo: Algo, now: int) -> Order:
        position = account.positions.get(algo.position_key)
        whole = abs(position.quantity) if position else ZERO
        return Order(
            id=self._desk.orders.next_id(), api_key=algo.api_key, symbol=algo.symbol, client_id=algo.client_id,
            side=algo.side, type="LIMIT" if algo.type in WITH_LIMIT else "MARKET",
            time_in_force="GTC" if algo.time_in_force == "GTE_GTC" else algo.time_in_force,
            quantity=whole if algo.close_position else algo.quantity, price=algo.price,
            stop_price=algo.condition.price, created=now, updated=now, original_type=algo.type, algo_id=algo.id,
            reduce_only=algo.reduce_only or algo.close_position, close_position=algo.close_position,
            position_side=algo.position_side,
        )  # fmt: skip

    def finish(self, order: Order, now: int) -> None:
        """Record that the engine is done with a triggered order: filled, canceled or expired."""
        algo = self.shelf.get(order.api_key, order.algo_id)
        if algo is not None:
            algo.order_price = order.average
            self._end(algo, "FINISHED", now)
