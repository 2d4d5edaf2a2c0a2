"""USDⓈ-M futures: positions and matching against the price, one-way and hedge mode, single- and multi-assets margin.

An order fills whole, except a reduce-only one greater than its position, and one beyond the depth that was set for
its pair.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from typing import Any

from local.doubles.binance.algos import AlgoDesk
from local.doubles.binance.filters import (
    check_futures_band,
    check_futures_notional,
    check_futures_price,
    check_futures_quantity,
)
from local.doubles.binance.futures_wire import wire_algo, wire_order, wire_position
from local.doubles.binance.margin import Exposure, Funds, Margin, exposure, greatest_notional
from local.doubles.binance.market_info import MAX_OPEN_ORDERS
from local.doubles.binance.markets import CREDITS, IN_EARN, Market, futures_markets
from local.doubles.binance.model import BOTH, DEFAULT_LEVERAGE, Account, Order, Position, Trade, position_key
from local.doubles.binance.prices import PriceBoard
from local.doubles.binance.shelf import Shelf, TradeBook
from local.doubles.binance.spot import crosses
from local.doubles.binance.wire import ZERO, WireError, floor8
from local.doubles.kit.store import Store

MAKER_FEE, TAKER_FEE = Decimal("0.0002"), Decimal("0.0005")
FIRST_ORDER, FIRST_TRADE = 3_235_803_328, 1_243_302_233


class FuturesDesk:
    """The futures accounts, positions and orders of every key."""

    def __init__(self, store: Store, markets: dict[str, Market], prices: PriceBoard, accounts: dict[str, Account]):
        self.markets, self.prices, self.accounts, self._store = markets, prices, accounts, store
        self.orders: Shelf[Order] = Shelf(store, "futures_order", Order, FIRST_ORDER)
        self.trades = TradeBook(store, "futures_trade", FIRST_TRADE)
        self.algos = AlgoDesk(store, self)
        self._at: defaultdict[str, list[Market]] = defaultdict(list)
        for market in markets.values():
            self._at[market.pair].append(market)
        self._depths: dict[str, Decimal] = {}
        self._holders: defaultdict[str, set[str]] = defaultdict(set)
        for account in accounts.values():
            for position in account.positions.values():
                self._holders[position.symbol].add(account.api_key)

    @staticmethod
    def listed() -> dict[str, Market]:
        return futures_markets()

    def frozen(self, api_key: str) -> FuturesDesk:
        """Return the orders, positions and trades of one account as they are now, for readings that lag behind."""
        with closing(Store(None)) as nothing:
            past = FuturesDesk(nothing, self.markets, self.prices, {api_key: deepcopy(self.accounts[api_key])})
        for order in self.orders.of(api_key):
            past.orders.save(deepcopy(order))
        for algo in self.algos.shelf.of(api_key):
            past.algos.shelf.save(deepcopy(algo))
        for trade in self.trades.of(api_key):
            past.trades.add(trade)
        return past

    def limit_depth(self, pair: str, depth: Decimal) -> None:
        """Limit the quantity that an order fills when it comes, and at each later price. 0 removes the limit."""
        self._depths.pop(pair, None)
        if depth:
            self._depths[pair] = depth

    def wire_orders(self, account: Account) -> list[dict[str, Any]]:
        plain = [wire_order(order, self.markets[order.symbol]) for order in self.orders.of(account.api_key)]
        algos = [wire_algo(algo, self.markets[algo.symbol]) for algo in self.algos.shelf.of(account.api_key)]
        return plain + algos

    def wire_positions(self, account: Account) -> list[dict[str, Any]]:
        """Return the open positions as `positionRisk` shows them."""
        held = account.positions.values()
        items = [self.exposure(account, self.markets[position.symbol], position.side) for position in held]
        return [wire_position(item, self.funds(account, item.market.quote)) for item in items]

    def exposure(self, account: Account, market: Market, side: str = BOTH) -> Exposure:
        """Return an account's exposure in one contract."""
        orders = self.orders.open_of(account.api_key, market.symbol)
        return exposure(account, market, self.prices.price(market.pair), orders, side)

    def exposures(self, account: Account) -> list[Exposure]:
        """Return the exposures of an account in every contract with a position or an open order."""
        ordered = {(order.symbol, order.position_side) for order in self.orders.open_of(account.api_key)}
        held = {(position.symbol, position.side) for position in account.positions.values()}
        return [self.exposure(account, self.markets[symbol], side) for symbol, side in sorted(ordered | held)]

    def funds(self, account: Account, asset: str) -> Funds:
        """Return an account's balance of a margin asset, and the margin in use."""
        bound = tuple(item for item in self.exposures(account) if item.market.quote == asset)
        return Funds(account.wallet.get(asset, ZERO), bound)

    def usd_price(self, asset: str) -> Decimal:
        """Return the USD value of an asset as margin. This exchange takes a USDT and a credit for a dollar."""
        asset = asset.removeprefix("LD") if asset in IN_EARN else asset
        return Decimal(1) if asset in ("USDT", CREDITS) else self.prices.quotes[f"{asset}/USDT"].price

    def margin_of(self, account: Account, asset: str) -> Margin:
        """Return the margin of contracts that are quoted in an asset: its funds or, with multi-assets, all funds.

        https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api/Account-Information-V3
        """
        if not account.multi_assets:
            return Margin(((Decimal(1), self.funds(account, asset)),))
        price, quotes = self.usd_price(asset), (item.market.quote for item in self.exposures(account))
        assets = sorted({*account.wallet, *quotes})
        return Margin(tuple((self.usd_price(each) / price, self.funds(account, each)) for each in assets))

    def place(self, account: Account, order: Order, now: int) -> Order:
        """Accept an order, which fills, rests or expires, or raise Binance's error."""
        market = self.markets[order.symbol]
        if market.status != "TRADING":
            raise WireError(-4140)
        last, mark = self.prices.last(market), self.prices.price(market.pair)
        twin = self.orders.by_client_id(account.api_key, order.client_id)
        if twin and twin.open:
            raise WireError(-4116)
        if len(self.orders.open_of(account.api_key, order.symbol)) >= MAX_OPEN_ORDERS:
            raise WireError(-2025, "Reach max open order limit.")
        check_futures_quantity(market, order.quantity, order.type == "MARKET")
        if order.reduce_only and self._is_covered(account, order):
            raise WireError(-2022)
        if order.type == "LIMIT":
            check_futures_price(market, order.price)
            check_futures_band(market, order.price, order.buys, mark)
        check_futures_notional(market, order.quantity * (order.price or last), order.reduce_only)
        return self.submit(account, order, now)

    def submit(self, account: Account, order: Order, now: int) -> Order:
        """Run the matching engine: reduce-only rule, time in force, margin, then the market."""
        market = self.markets[order.symbol]
        last = self.prices.last(market)
        takes = order.type == "MARKET" or crosses(order, last)
        if order.reduce_only and not self.reduces(account, order):
            raise WireError(-2022)
        if order.time_in_force == "GTX" and takes:
            raise WireError(-5022)
        if order.time_in_force == "FOK" and not (takes and order.quantity <= self._depth(market, order)):
            raise WireError(-5021)
        self._check_margin(account, market, order, last if takes else order.price)
        if takes:
            self._fill(account, market, order, last, False, now)
        elif order.time_in_force == "IOC":
            order.status = "EXPIRED"
        self._keep(account, order, now)
        return order

    def reduces(self, account: Account, order: Order) -> bool:
        """Return whether an order goes against an open position."""
        position = account.positions.get(order.position_key)
        return position is not None and (position.quantity < 0) == order.buys

    def _is_covered(self, account: Account, order: Order) -> bool:
        """Return whether resting reduce-only orders close the whole position already.

        Binance counts them, and refuses another one (ccxt#9001, Qubx#386).
        """
        position = account.positions.get(order.position_key)
        resting = self.orders.open_of(account.api_key, order.symbol)
        here = order.side, order.position_side
        leaving = [o.remaining for o in resting if o.reduce_only and (o.side, o.position_side) == here]
        return position is not None and bool(leaving) and sum(leaving) >= abs(position.quantity)

    def _check_margin(self, account: Account, market: Market, order: Order, price: Decimal) -> None:
        """Refuse an order without enough margin: -2019, or -2027 beyond the leverage's limit."""
        before = self.exposure(account, market, order.position_side)
        value = order.quantity * price
        after = replace(before, bids=before.bids + value) if order.buys else replace(before, asks=before.asks + value)
        needed = after.initial_margin - before.initial_margin
        if order.reduce_only or needed <= 0:
            return
        if after.initial_margin * after.leverage > greatest_notional(market, after.leverage):
            raise WireError(-2027)
        if needed > self.margin_of(account, market.quote).free:
            raise WireError(-2019)

    def _fill(self, account: Account, market: Market, order: Order, price: Decimal, maker: bool, now: int) -> None:
        """Execute an order up to the depth of its pair. The rest of a limit order rests.

        A reduce-only one fills up to its position, and the rest of it expires, like that of a market order (status
        EXPIRED with an executedQty).
        """
        position = account.positions.setdefault(order.position_key, Position(order.symbol, order.position_side))
        most = order.remaining
        if order.reduce_only:
            most = min(most, abs(position.quantity)) if self.reduces(account, order) else ZERO
        quantity = min(most, self._depth(market, order))
        if quantity == order.remaining:
            order.status = "FILLED"
        else:
            rests = order.type == "LIMIT" and order.time_in_force != "IOC" and quantity < most
            order.status = "PARTIALLY_FILLED" if rests else "EXPIRED"
        if quantity:
            fee = floor8(quantity * price * (MAKER_FEE if maker else TAKER_FEE))
            self._execute(account, market, order, position, quantity, price, fee, maker, now)
        self._settle(account, market, position, now)

    def _depth(self, market: Market, order: Order) -> Decimal:
        return self._depths.get(market.pair, order.remaining)

    def _execute(
        self, account: Account, market: Market, order: Order, position: Position,
        quantity: Decimal, price: Decimal, fee: Decimal, maker: bool, now: int,
    ) -> None:  # fmt: skip
        """Record one execution: position, wallet, order and trade."""
        before = position.quantity
        realized = self._change(account, position, quantity if order.buys else -quantity, price)
        account.wallet[market.quote] = account.wallet.get(market.quote, ZERO) + realized - fee
        position.costs += fee - realized
        position.updated = now
        order.executed, order.quote = order.executed + quantity, order.quote + quantity * price
        trade = Trade(
            self.trades.next_id(), order.id, account.api_key, order.symbol, order.side,
            price, quantity, quantity * price, fee, market.quote, maker, now, realized,
        )  # fmt: skip
        self.trades.add(trade)
        if before and before * position.quantity <= 0:
            self._position_ended(account, position, now)

    def _change(self, account: Account, position: Position, signed: Decimal, price: Decimal) -> Decimal:
        """Change a position by a signed quantity, and return the realized profit."""
        leverage = account.leverage.get(position.symbol, DEFAULT_LEVERAGE)
        isolated = account.isolated.get(position.symbol, False)
        before, entry = position.quantity, position.entry
        position.quantity = before + signed
        if before * signed >= 0:
            position.entry = (abs(before) * entry + abs(signed) * price) / abs(position.quantity)
            position.isolated_wallet += abs(signed) * price / leverage if isolated else ZERO
            return ZERO
        closed = min(abs(before), abs(signed))
        if closed < abs(before):
            position.isolated_wallet *= 1 - closed / abs(before)
        else:
            # Nothing is left of the old position. The rest opens a position the other way at this price.
            position.entry = price if position.quantity else ZERO
            position.isolated_wallet = abs(position.quantity) * price / leverage if isolated else ZERO
        return floor8(closed * (price - entry if before > 0 else entry - price))

    def _settle(self, account: Account, market: Market, position: Position, now: int) -> None:
        """Store the account, and delete a flat position."""
        if position.quantity:
            self._holders[market.symbol].add(account.api_key)
        else:
            account.positions.pop(position_key(position.symbol, position.side), None)
            if all(other.symbol != market.symbol for other in account.positions.values()):
                self._holders[market.symbol].discard(account.api_key)
        account.futures_updated = now
        self.save(account)

    def save(self, account: Account) -> None:
        self._store.put("account", account.api_key, account)

    def _position_ended(self, account: Account, position: Position, now: int) -> None:
        """Cancel what belonged to the position: resting reduce-only orders, and conditional orders that close it."""
        for order in self.orders.open_of(account.api_key, position.symbol):
            # The order that has just closed the position is still on the shelf.
            if order.open and order.reduce_only and order.position_side == position.side:
                order.status = "EXPIRED"
                self._keep(account, order, now)
        self.algos.position_ended(account, position, now)

    def _keep(self, account: Account, order: Order, now: int) -> None:
        order.updated = account.futures_updated = now
        self.orders.save(order)
        self.save(account)
        if order.algo_id and not order.open:
            self.algos.finish(order, now)

    def cancel(self, account: Account, order: Order, now: int) -> Order:
        """Cancel an open order. Raises -2011 if it is not open."""
        if not order.open:
            raise WireError(-2011)
        order.status = "CANCELED"
        self._keep(account, order, now)
        return order

    def on_price(self, pair: str, now: int) -> None:
        """Apply a price of a pair: to resting orders, then to triggers, then liquidate."""
        for market in self._at.get(pair, ()):
            last = self.prices.last(market)
            for order in self.orders.open_at(market.symbol):
                if order.open and crosses(order, last):
                    account = self.accounts[order.api_key]
                    self._fill(account, market, order, order.price, True, now)
                    self._keep(account, order, now)
            self.algos.on_price(market, last, now)
            for account, position in self._held(market):
                self._liquidate(account, market, position.side, now)

    def _held(self, market: Market) -> list[tuple[Account, Position]]:
        """Return the open positions in a contract with their accounts."""
        holders = [self.accounts[api_key] for api_key in sorted(self._holders[market.symbol])]
        return [(each, held) for each in holders for held in each.positions.values() if held.symbol == market.symbol]

    def charge_funding(self, market: Market, rate: Decimal, now: int) -> list[tuple[str, Decimal]]:
        """Settle funding for each position in a contract at the mark price. Return accounts and what they received.

        Longs pay a positive rate. An isolated position pays from its own margin: `ACCOUNT_UPDATE` then has the position
        ("Event: Balance and Position Update" of the user data streams).
        """
        mark, fees = self.prices.price(market.pair), []
        for account, position in self._held(market):
            amount = floor8(-position.quantity * mark * rate)
            account.wallet[market.quote] = account.wallet.get(market.quote, ZERO) + amount
            position.isolated_wallet += amount if account.isolated.get(market.symbol) else ZERO
            position.costs -= amount
            self._settle(account, market, position, now)
            fees.append((account.api_key, amount))
        for account, position in self._held(market):
            self._liquidate(account, market, position.side, now)
        return fees

    def _liquidate(self, account: Account, market: Market, side: str, now: int) -> None:
        """Liquidate what the margin no longer covers: one isolated position, or every cross position that shares it."""
        item, margin = self.exposure(account, market, side), self.margin_of(account, market.quote)
        if item.isolated:
            doomed = [item] if item.position.isolated_wallet + item.profit < item.maintenance else []
        else:
            doomed = margin.cross if margin.is_under_water else []
        for other in doomed:
            for order in self.orders.open_of(account.api_key, other.market.symbol):
                self.cancel(account, order, now)
        for other in (other for other in doomed if other.position.quantity):
            self._take_over(account, other, now)

    def _take_over(self, account: Account, item: Exposure, now: int) -> None:
        """Close a position at the mark price. The insurance fund takes a loss beyond its margin."""
        position, market = item.position, item.market
        margin = position.isolated_wallet if item.isolated else self.margin_of(account, market.quote).cross_wallet
        order = Order(
            id=self.orders.next_id(), api_key=account.api_key, symbol=market.symbol, client_id=f"autoclose-{now}",
            side="SELL" if position.quantity > 0 else "BUY", type="LIMIT", time_in_force="IOC",
            quantity=abs(position.quantity), price=market.on_tick(item.mark), created=now, updated=now,
            status="FILLED", reduce_only=True, position_side=position.side,
        )  # fmt: skip
        # At the bankruptcy price the realized loss is exactly the margin, so the books still add up.
        limit = position.entry - margin / position.quantity
        price = max(item.mark, limit) if position.quantity > 0 else min(item.mark, limit)
        self._execute(account, market, order, position, order.quantity, price, ZERO, False, now)
        self._settle(account, market, position, now)
        self._keep(account, order, now)
