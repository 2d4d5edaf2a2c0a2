"""The margin that an account has available for a new position, as read from Binance's answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from purser.exchanges.order_wire import parse_available, parse_capacity
from purser.exchanges.orders import Contract

D = Decimal


def contract(quote: str) -> Contract:
    bounds: dict[str, Any] = {
        "tick": D("0.1"),
        "min_price": D(1),
        "max_price": D(10**6),
        "step": D("0.001"),
        "min_amount": D("0.001"),
    }
    bounds |= {"max_amount": D(1000), "max_market_amount": D(120), "min_notional": D(100)}
    return Contract(f"BTC{quote}", f"BTC/{quote}", **bounds, price_ceiling=D("1.05"), price_floor=D("0.95"))


def account(total: str, **assets: str) -> dict[str, Any]:
    rows = [{"asset": asset, "availableBalance": available} for asset, available in assets.items()]
    return {"availableBalance": total, "assets": rows, "positions": []}


@pytest.mark.parametrize(
    ("quote", "answer", "available"),
    [
        ("USDT", account("20", USDT="20", USDC="7"), 20),  # single-asset mode
        ("USDC", account("20", USDT="20", USDC="7"), 7),
        ("USDT", account("126.7", USDT="126.7", USDC="126.7"), D("126.7")),  # multi-assets mode
        ("USDT", account("103.1", USDC="103.1"), D("103.1")),  # without a row of USDT
        ("USDC", account("20", USDT="20"), 0),  # the total may be that of USDT
    ],
)
def test_the_margin_of_a_contract_is_that_of_its_quote_asset(quote: str, answer: Any, available: Decimal) -> None:
    none = parse_capacity([{"positionAmt": "0", "leverage": "20", "maxNotionalValue": "1000"}])
    assert parse_available(contract(quote), none, answer) == available
