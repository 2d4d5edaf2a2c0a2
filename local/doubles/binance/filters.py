"""The filters of `exchangeInfo`, which orders must pass, with Binance's error codes."""

from __future__ import annotations

from decimal import Decimal

from local.doubles.binance.markets import Market
from local.doubles.binance.model import Order
from local.doubles.binance.wire import WireError, money, plain

SPOT_MULTIPLIER = Decimal(5)
MOST_SPOT_NOTIONAL = Decimal(9_000_000)
FUTURES_BAND = Decimal("0.05")
SPOT_DECIMALS = 8


def _decimals(value: Decimal) -> int:
    return max(-int(value.normalize().as_tuple().exponent), 0)


def _fails(name: str) -> WireError:
    return WireError(-1013, f"Filter failure: {name}")


def check_spot(market: Market, order: Order, last: Decimal) -> None:
    """Refuse a spot order that breaks a filter: -1111, or -1013 with the filter's name."""
    for name, value in (("quantity", order.quantity), ("price", order.price), ("stopPrice", order.stop_price)):
        if _decimals(value) > SPOT_DECIMALS:
            raise WireError(-1111, f"Parameter '{name}' has too much precision.")
    for price in (order.price, order.stop_price):
        if price % market.tick or price > market.max_price:
            raise _fails("PRICE_FILTER")
    if order.quantity % market.step or not market.step <= order.quantity <= market.max_quantity:
        raise _fails("LOT_SIZE")
    at_market = order.type in ("MARKET", "STOP_LOSS", "TAKE_PROFIT")
    if at_market and order.quantity > market.max_market_quantity:
        raise _fails("MARKET_LOT_SIZE")
    if order.price and not last / SPOT_MULTIPLIER <= order.price <= last * SPOT_MULTIPLIER:
        raise _fails("PERCENT_PRICE_BY_SIDE")
    notional = order.quantity * (order.price or order.stop_price or last)
    if notional < market.min_notional or (notional > MOST_SPOT_NOTIONAL and not at_market):
        raise _fails("NOTIONAL")


def check_futures_price(market: Market, price: Decimal) -> None:
    """Refuse a price off the contract's grid: -1111, -4002, -4013 or -4014."""
    if _decimals(price) > market.price_places:
        raise WireError(-1111)
    if price < market.tick:
        raise WireError(-4013, f"Price less than min price. Min price is {plain(market.tick)}.")
    if price > market.max_price:
        raise WireError(-4002)
    if price % market.tick:
        raise WireError(-4014)


def check_futures_quantity(market: Market, quantity: Decimal, at_market: bool) -> None:
    """Refuse a quantity off the contract's grid: -1111, -4003, -4005 or -4023."""
    if quantity <= 0:
        raise WireError(-4003)
    if _decimals(quantity) > market.quantity_places:
        raise WireError(-1111)
    if quantity % market.step:
        raise WireError(-4023)
    if quantity > (market.max_market_quantity if at_market else market.max_quantity):
        raise WireError(-4005)


def check_futures_notional(market: Market, notional: Decimal, reduce_only: bool) -> None:
    """Refuse an order too small to open anything: -4164."""
    if notional < market.min_notional and not reduce_only:
        text = f"Order's notional must be no smaller than {plain(market.min_notional)} (unless you choose reduce only)."
        raise WireError(-4164, text)


def check_futures_band(market: Market, price: Decimal, buys: bool, mark: Decimal) -> None:
    """Refuse a limit price that would trade too far from the mark price: -4016 or -4024."""
    ceiling, floor = mark * (1 + FUTURES_BAND), mark * (1 - FUTURES_BAND)
    if buys and price > ceiling:
        raise WireError(-4016, f"Limit price can't be higher than {money(ceiling, market.price_places)}.")
    if not buys and price < floor:
        raise WireError(-4024, f"Limit price can't be lower than {money(floor, market.price_places)}.")
