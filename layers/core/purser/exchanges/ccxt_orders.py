"""Binance's order desk through ccxt's raw calls, which keep amounts as texts.

ccxt's unified calls do not accept a ``Decimal`` (a stop would silently become a market order). Their answers lose
trigger prices and fees.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from purser.clock import DAY_MS, now_ms
from purser.errors import ExchangeBadRequest, ExchangeSymbolInvalid, ExchangeUnavailable
from purser.exchanges.cache import BriefCache
from purser.exchanges.ccxt_gateway import ACCOUNT, LISTING, LISTING_LIFETIME, NOT_OPEN, Call, CcxtGateway, Listing
from purser.exchanges.model import ApiCredential, TradeType
from purser.exchanges.order_wire import (
    became,
    is_hedged,
    parse_available,
    parse_brackets,
    parse_capacity,
    parse_conditional,
    parse_contracts,
    parse_funding,
    parse_margin,
    parse_order,
    parse_position_reading,
    parse_positions,
    parse_trade,
    with_execution,
)
from purser.exchanges.orders import (
    SENDING_WINDOW_MS,
    Capacity,
    Contract,
    Funding,
    LeverageBracket,
    Margin,
    MarginType,
    NewOrder,
    Order,
    OrderType,
    Position,
    PositionReading,
    Refusal,
    Trade,
)
from purser.exchanges.wire import amount_of, confirm, each_row, rows, total_of_all_assets

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_SPOT, _FUTURES = TradeType.SPOT, TradeType.FUTURES

OPEN = {
    _SPOT: Call("private_get_openorders", _SPOT, 6),
    _FUTURES: Call("fapiprivate_get_openorders", _FUTURES, 1),
}
ALL = {
    _SPOT: Call("private_get_allorders", _SPOT, 20),
    _FUTURES: Call("fapiprivate_get_allorders", _FUTURES, 5),
}
TRADES = {
    _SPOT: Call("private_get_mytrades", _SPOT, 20),
    _FUTURES: Call("fapiprivate_get_usertrades", _FUTURES, 5),
}
OPEN_CONDITIONAL = Call("fapiprivate_get_openalgoorders", _FUTURES, 1)
ALL_CONDITIONAL = Call("fapiprivate_get_allalgoorders", _FUTURES, 5)
POSITION = Call("fapiprivatev3_get_positionrisk", _FUTURES, 5)
SETTINGS = Call("fapiprivatev2_get_positionrisk", _FUTURES, 5)
"""The earlier version also has rows without a position, with their leverage and greatest value."""

PLACE = Call("fapiprivate_post_order", _FUTURES, 0)
PLACE_CONDITIONAL = Call("fapiprivate_post_algoorder", _FUTURES, 0)
"""Orders have no weight. The venue counts them for each account instead."""

FIND = Call("fapiprivate_get_order", _FUTURES, 1)
FIND_CONDITIONAL = Call("fapiprivate_get_algoorder", _FUTURES, 1)
CANCEL = Call("fapiprivate_delete_order", _FUTURES, 1)
CANCEL_CONDITIONAL = Call("fapiprivate_delete_algoorder", _FUTURES, 1)
CANCEL_ALL = Call("fapiprivate_delete_allopenorders", _FUTURES, 1)
CANCEL_ALL_CONDITIONAL = Call("fapiprivate_delete_algoopenorders", _FUTURES, 1)
BRACKETS = Call("fapiprivate_get_leveragebracket", _FUTURES, 1)
LEVERAGE = Call("fapiprivate_post_leverage", _FUTURES, 1)
MARGIN_TYPE = Call("fapiprivate_post_margintype", _FUTURES, 1)

FUNDINGS = Call("fapipublic_get_fundingrate", _FUTURES, 0)
"""It has no weight, but a limit of its own: 500 in five minutes for each address."""

HEDGE_MODE = "The account is in hedge mode. Purser trades in one-way mode only; the venue's settings change it."

HISTORY_WEEK_MS = 7 * DAY_MS - 60_000
"""A little less than the seven days that a request for futures orders or trades may span, so that weeks overlap.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Account-Trade-List.
"""

HISTORY_WEEKS = 5
"""The length of histories. The venue answers six months, a week at a time and at a weight of 5 to 10 for each."""

LONGEST_PAGE = 1000
MOST_PAGES = 5
"""The pages read of one week, so that the requests are bounded."""

SET_ALREADY = frozenset({Refusal.MARGIN_TYPE_SET.value, Refusal.MARGIN_TYPE_SET_TOO.value})
"""Binance answers -4046, or -4067: https://github.com/ccxt/ccxt/issues/28703."""

Params = dict[str, str]
SOON: Params = {"recvWindow": str(SENDING_WINDOW_MS)}
"""Makes the venue refuse a change that arrives late. ccxt's own window is twice as long."""

H = TypeVar("H", Order, Trade)


class CcxtOrderDesk(CcxtGateway):
    """The gateway with an order desk (``purser.exchanges.orders.OrderDesk``). It takes the gateway's arguments."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._contracts: BriefCache[TradeType, dict[tuple[str, str], Contract]] = BriefCache(LISTING_LIFETIME)
        self._every_spot_market: BriefCache[TradeType, Listing] = BriefCache(LISTING_LIFETIME)
        self._brackets: BriefCache[str, list[LeverageBracket]] = BriefCache(LISTING_LIFETIME)
        self._fundings: BriefCache[tuple[str, int, int], list[Funding]] = BriefCache(LISTING_LIFETIME)

    def contract(self, symbol: str) -> Contract:
        base, _, quote = symbol.partition("/")
        contract = self._listed_contracts().get((base, quote))
        if contract is None or not contract.is_trading:
            raise ExchangeSymbolInvalid
        return contract

    def _listed_contracts(self) -> dict[tuple[str, str], Contract]:
        return self._contracts.get(_FUTURES, lambda: self._ask(LISTING[_FUTURES], parse_contracts))

    def _market_id(self, symbol: str, trade_type: TradeType) -> str:
        return self.contract(symbol).id if trade_type is _FUTURES else super()._market_id(symbol, trade_type)

    def _readable_id(self, symbol: str, trade_type: TradeType) -> str:
        """Return the id of a market whose orders can be read: one that is or was listed.

        The venue forgets markets that it has renamed or delisted, but not their orders. It refuses unknown ids.
        """
        base, _, quote = symbol.partition("/")
        if trade_type is _FUTURES:
            listed = {key: contract.id for key, contract in self._listed_contracts().items()}
        else:
            listed = self._every_spot_market.get(_SPOT, lambda: self._ask(LISTING[_SPOT], _parse_every_market))
        joined = f"{base}{quote}"
        if (base, quote) not in listed and joined in listed.values():
            raise ExchangeSymbolInvalid  # BT/CUSDT joined is the id of another market.
        return listed.get((base, quote), joined)

    def open_orders(self, credential: ApiCredential, trade_type: TradeType, symbol: str) -> list[Order]:
        of_symbol = {"symbol": self._readable_id(symbol, trade_type)}
        orders = self._ask(OPEN[trade_type], _each(parse_order, symbol), credential, of_symbol)
        if trade_type is _FUTURES:
            orders += self._ask(OPEN_CONDITIONAL, _each(parse_conditional, symbol), credential, of_symbol)
        return sorted(orders, key=_age)

    def order_history(self, credential: ApiCredential, trade_type: TradeType, symbol: str, limit: int) -> list[Order]:
        orders = self._history(ALL[trade_type], partial(parse_order, symbol), credential, symbol, limit)
        if trade_type is _FUTURES:
            untriggered = partial(_untriggered, symbol)
            orders += self._history(ALL_CONDITIONAL, untriggered, credential, symbol, limit)
        return sorted(orders, key=_age, reverse=True)[:limit]

    def trade_history(self, credential: ApiCredential, trade_type: TradeType, symbol: str, limit: int) -> list[Trade]:
        trades = self._history(TRADES[trade_type], partial(parse_trade, symbol), credential, symbol, limit)
        return sorted(trades, key=lambda trade: (trade.timestamp, int(trade.id)), reverse=True)[:limit]

    def trades_since(self, credential: ApiCredential, symbol: str, order: Order) -> list[Trade]:
        page = {"symbol": self._readable_id(symbol, _FUTURES), "limit": str(LONGEST_PAGE)}
        read = partial(_read_page, partial(parse_trade, symbol))
        _, _, own = self._ask(TRADES[_FUTURES], read, credential, page | {"orderId": order.became or order.id})
        if not own:
            return []
        trades: list[Trade] = []
        following = min(int(trade.id) for trade in own)
        for _ in range(MOST_PAGES):
            count, _, found = self._ask(TRADES[_FUTURES], read, credential, page | {"fromId": str(following)})
            if len(found) < count:
                return []  # A trade that cannot be read may have closed the position.
            trades += sorted(found, key=lambda trade: int(trade.id))
            if count < LONGEST_PAGE:
                return trades
            following = int(trades[-1].id) + 1
        return []

    def trades_between(self, credential: ApiCredential, symbol: str, since: int, until: int) -> list[Trade]:
        """Return a contract's trades in a range of time, oldest first, in a request for each week.

        A trade that cannot be read is an error.
        """
        market = {"symbol": self._readable_id(symbol, _FUTURES), "limit": str(LONGEST_PAGE)}
        read = partial(_every_row, partial(parse_trade, symbol))
        found: dict[str, Trade] = {}
        start = since
        while start <= until:
            end = min(until, start + HISTORY_WEEK_MS)
            page = self._ask(
                TRADES[_FUTURES], read, credential, market | {"startTime": str(start), "endTime": str(end)}
            )
            found.update({trade.id: trade for trade in page})
            newest = max((trade.timestamp for trade in page), default=end)
            # A full page has the oldest of its week.
            start = newest if len(page) >= LONGEST_PAGE and newest > start else end + 1
        return sorted(found.values(), key=lambda trade: (trade.timestamp, int(trade.id)))

    def order(self, credential: ApiCredential, symbol: str, order_id: str) -> Order | None:
        """Return a contract's plain order by the venue's id, or None."""
        market = {"symbol": self._readable_id(symbol, _FUTURES)}
        try:
            return self._ask(FIND, partial(parse_order, symbol), credential, market | {"orderId": order_id})
        except ExchangeBadRequest as refusal:
            if refusal.venue_code == Refusal.ORDER_NOT_FOUND:
                return None
            raise

    def fundings(self, symbol: str, since: int, until: int) -> list[Funding]:
        """Return the fundings of a contract in a past range of time, oldest first. All accounts share one request."""
        return self._fundings.get((symbol, since, until), partial(self._read_fundings, symbol, since, until))

    def _read_fundings(self, symbol: str, since: int, until: int) -> list[Funding]:
        market = {"symbol": self._readable_id(symbol, _FUTURES), "endTime": str(until), "limit": str(LONGEST_PAGE)}
        found: list[Funding] = []
        start = since
        while True:
            read = partial(_every_row, parse_funding)
            page = self._ask(FUNDINGS, read, params=market | {"startTime": str(start)})
            found += page
            if len(page) < LONGEST_PAGE:
                return found
            start = page[-1].time + 1

    def _history(
        self, call: Call, parse: Callable[[Any], H | None], credential: ApiCredential, symbol: str, limit: int
    ) -> list[H]:
        """Return the latest rows of a symbol, at least ``limit`` of them if there are so many.

        Futures are read a week at a time, back to the bound of the venue.
        """
        if call.trade_type is _SPOT:
            latest = {"symbol": self._readable_id(symbol, _SPOT), "limit": str(limit)}
            return self._ask(call, partial(each_row, parse), credential, latest)
        found: dict[str, H] = {}
        market = {"symbol": self._readable_id(symbol, _FUTURES)}

        def ask(window: Params) -> tuple[int, int]:
            count, newest, parsed = self._ask(call, partial(_read_page, parse), credential, market | window)
            found.update({row.id: row for row in parsed})
            return count, newest

        # Without times the venue answers the latest of the last week.
        is_whole = ask({"limit": str(limit)})[0] < limit
        now = now_ms()
        for week in range(1 if is_whole else 0, HISTORY_WEEKS):
            if len(found) >= limit:
                break
            end = now - week * HISTORY_WEEK_MS
            start = end - HISTORY_WEEK_MS
            for _ in range(MOST_PAGES):
                page = {"startTime": str(start), "endTime": str(end), "limit": str(LONGEST_PAGE)}
                count, newest = ask(page)
                if count < LONGEST_PAGE or newest <= start:
                    break
                start = newest  # A full page has the oldest of its week.
        return list(found.values())

    def position(self, credential: ApiCredential, symbol: str) -> Position | None:
        found = self._ask(POSITION, parse_positions, credential, {"symbol": self._readable_id(symbol, _FUTURES)})
        if len(found) > 1:
            raise ExchangeBadRequest(detail=HEDGE_MODE)
        if not found:
            return None
        position = replace(found[0], symbol=symbol)
        if position.margin_mode == "isolated":
            return position
        # The collateral of a cross position takes a second request.
        return replace(position, collateral=self._cross_wallet(credential, symbol))

    def _cross_wallet(self, credential: ApiCredential, symbol: str) -> Decimal:
        asset = symbol.partition("/")[2]

        def wallet_of(answer: Any) -> Decimal:
            total = total_of_all_assets(answer, "CrossWalletBalance")
            if total is not None:
                return total
            return amount_of(next(row["crossWalletBalance"] for row in answer["assets"] if row["asset"] == asset))

        return self._ask(ACCOUNT[_FUTURES], wallet_of, credential)

    def positions(self, credential: ApiCredential) -> list[Position]:
        """Return all open positions of an account, in one request. Cross positions have a ``collateral`` of zero.

        The symbol of a contract that is no longer listed is the venue's market id.
        """
        found = self._ask(POSITION, parse_positions, credential)
        if not found:
            return []
        symbols = {contract.id: contract.symbol for contract in self._listed_contracts().values()}
        return [replace(position, symbol=symbols.get(position.symbol, position.symbol)) for position in found]

    def position_reading(self, credential: ApiCredential, symbol: str) -> PositionReading:
        return self._in_one_way_mode(POSITION, parse_position_reading, credential, symbol)

    def _in_one_way_mode(self, call: Call, parse: Callable[[Any], T], credential: ApiCredential, symbol: str) -> T:
        """Return what ``parse`` makes of a contract's rows of ``positionRisk``, and refuse hedge mode."""

        def read(answer: Any) -> tuple[bool, T]:
            return is_hedged(answer), parse(answer)

        hedged, parsed = self._ask(call, read, credential, {"symbol": self._readable_id(symbol, _FUTURES)})
        if hedged:
            raise ExchangeBadRequest(detail=HEDGE_MODE)
        return parsed

    def capacity(self, credential: ApiCredential, symbol: str) -> Capacity:
        capacity = self._in_one_way_mode(SETTINGS, parse_capacity, credential, symbol)
        available = partial(parse_available, self.contract(symbol), capacity)
        return replace(capacity, available=self._ask(ACCOUNT[_FUTURES], available, credential))

    def margin(self, credential: ApiCredential, symbol: str) -> Margin:
        """See the port."""
        hedged, margin = self._ask(ACCOUNT[_FUTURES], partial(parse_margin, self.contract(symbol)), credential)
        if hedged:
            raise ExchangeBadRequest(venue_code=Refusal.HEDGE_MODE.value, detail=HEDGE_MODE)
        return margin

    def brackets(self, credential: ApiCredential, symbol: str) -> list[LeverageBracket]:
        """See the port. They are those of the first account that asks; the venue may give others more."""
        of_symbol = {"symbol": self.contract(symbol).id}
        return self._brackets.get(symbol, lambda: self._ask(BRACKETS, parse_brackets, credential, of_symbol))

    def place(self, credential: ApiCredential, symbol: str, order: NewOrder) -> Order:
        market = SOON | {"symbol": self.contract(symbol).id}
        if order.type.is_conditional:
            return self._ask(
                PLACE_CONDITIONAL, partial(parse_conditional, symbol), credential, market | _conditional(order)
            )
        return self._ask(PLACE, partial(parse_order, symbol), credential, market | _plain(order))

    def find(self, credential: ApiCredential, symbol: str, client_id: str, *, conditional: bool) -> Order | None:
        market = {"symbol": self._readable_id(symbol, _FUTURES)}
        try:
            if conditional:
                return self._find_conditional(credential, symbol, market | {"clientAlgoId": client_id})
            named = market | {"origClientOrderId": client_id}
            return self._ask(FIND, partial(parse_order, symbol), credential, named)
        except ExchangeBadRequest as refusal:
            if refusal.venue_code == Refusal.ORDER_NOT_FOUND:
                return None
            raise

    def _find_conditional(self, credential: ApiCredential, symbol: str, named: Params) -> Order:
        def read(row: Any) -> tuple[Order, str | None]:
            return parse_conditional(symbol, row), became(row)

        order, became_id = self._ask(FIND_CONDITIONAL, read, credential, named)
        if became_id is None:
            return order
        executed = {"symbol": named["symbol"], "orderId": became_id}
        try:
            return with_execution(order, self._ask(FIND, partial(parse_order, symbol), credential, executed))
        except ExchangeBadRequest as refusal:
            # The conditional order was found, so it is not missing. Look-ups of what it became lag behind.
            if refusal.venue_code == Refusal.ORDER_NOT_FOUND:
                raise ExchangeUnavailable from None
            raise

    def cancel(self, credential: ApiCredential, symbol: str, client_id: str, *, conditional: bool) -> None:
        call, name = (CANCEL_CONDITIONAL, "clientAlgoId") if conditional else (CANCEL, "origClientOrderId")
        of_symbol = {"symbol": self._readable_id(symbol, _FUTURES)}
        self._ask_unless(NOT_OPEN, call, credential, SOON | of_symbol | {name: client_id})

    def cancel_plain_orders(self, credential: ApiCredential, symbol: str) -> None:
        of_symbol = {"symbol": self._readable_id(symbol, _FUTURES)}
        self._ask_unless(NOT_OPEN, CANCEL_ALL, credential, SOON | of_symbol)

    def cancel_conditional_orders(self, credential: ApiCredential, symbol: str) -> None:
        of_symbol = {"symbol": self._readable_id(symbol, _FUTURES)}
        self._ask_unless(NOT_OPEN, CANCEL_ALL_CONDITIONAL, credential, SOON | of_symbol)

    def set_leverage(self, credential: ApiCredential, symbol: str, leverage: int) -> None:
        self._ask(LEVERAGE, confirm, credential, {"symbol": self.contract(symbol).id, "leverage": str(leverage)})

    def set_margin_type(self, credential: ApiCredential, symbol: str, margin_type: MarginType) -> None:
        change = {"symbol": self.contract(symbol).id, "marginType": margin_type.value}
        self._ask_unless(SET_ALREADY, MARGIN_TYPE, credential, change)

    def _ask_unless(self, harmless: frozenset[str], call: Call, credential: ApiCredential, params: Params) -> None:
        try:
            self._ask(call, confirm, credential, params)
        except ExchangeBadRequest as refusal:
            if refusal.venue_code not in harmless:
                raise


def _plain(order: NewOrder) -> Params:
    params = {
        "newClientOrderId": order.client_id,
        "side": order.side.value,
        "type": order.type.value,
        "quantity": _text(order.amount),
        # The answer to a market order then has its execution.
        "newOrderRespType": "RESULT",
    }
    if order.type is OrderType.LIMIT:
        params |= {"price": _text(order.price), "timeInForce": "IOC" if order.immediate else "GTC"}
    return params | ({"reduceOnly": "true"} if order.reduce_only else {})


def _conditional(order: NewOrder) -> Params:
    """https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/New-Algo-Order."""
    params = {
        "algoType": "CONDITIONAL",
        "clientAlgoId": order.client_id,
        "side": order.side.value,
        "type": order.type.value,
        "timeInForce": "GTE_GTC" if order.bound_to_position else "GTC",
    }
    if order.close_position:
        params["closePosition"] = "true"
    else:
        params |= {"quantity": _text(order.amount)} | ({"reduceOnly": "true"} if order.reduce_only else {})
    if order.type is OrderType.TRAILING_STOP_MARKET:
        return params | {"activatePrice": _text(order.trigger), "callbackRate": _text(order.callback_rate)}
    if order.price is not None:
        params["price"] = _text(order.price)
    return params | {"triggerPrice": _text(order.trigger)}


def _text(amount: Decimal | None) -> str:
    if amount is None:
        raise ValueError("an order of this type needs this amount")
    return format(amount, "f")


def _each(parse: Callable[[str, Any], T], symbol: str) -> Callable[[Any], list[T]]:
    return partial(each_row, partial(parse, symbol))


def _untriggered(symbol: str, row: Any) -> Order | None:
    return None if became(row) else parse_conditional(symbol, row)


def _every_row(parse: Callable[[Any], T], answer: Any) -> list[T]:
    """Return what ``parse`` makes of each row. One that cannot be read is an error: its money would be missing."""
    return [parse(row) for row in rows(answer)]


def _read_page(parse: Callable[[Any], H | None], answer: Any) -> tuple[int, int, list[H]]:
    """Return the number of rows, the time of the newest that can be read, and the rows that are wanted."""
    read = each_row(lambda row: (int(row.get("time") or row["createTime"]), parse(row)), answer)
    newest = max((time for time, _ in read), default=0)
    return len(answer), newest, [row for _, row in read if row is not None]


def _parse_every_market(answer: Any) -> Listing:
    listed = each_row(lambda row: ((row["baseAsset"], row["quoteAsset"]), row["symbol"]), answer["symbols"])
    return dict(listed)


def _age(order: Order) -> tuple[int, int]:
    return order.timestamp, int(order.id)
