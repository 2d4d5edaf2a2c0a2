"""The exchange: what it tells of markets and balances, and its orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.exchanges.ccxt_orders import CcxtOrderDesk
    from purser.exchanges.port import ExchangeGateway


@kept
def exchange_gateway() -> ExchangeGateway:
    """The gateway to the exchange, unpaced."""
    from purser.exchanges.ccxt_gateway import CcxtGateway

    return CcxtGateway(endpoint=settings().exchange_endpoint)


ORDER_PATIENCE_S = 4.0
"""How long an order's calls wait for the exchange: several of them fit into one request."""


@kept
def order_desk() -> CcxtOrderDesk:
    """The orders and positions at the exchange."""
    from purser.exchanges.ccxt_orders import CcxtOrderDesk

    return CcxtOrderDesk(endpoint=settings().exchange_endpoint, timeout=ORDER_PATIENCE_S)
