"""The gateway to the exchange and its order desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.exchanges.ccxt_orders import CcxtOrderDesk
    from purser.exchanges.port import ExchangeGateway


@kept
def exchange_gateway() -> ExchangeGateway:
    """The gateway to the exchange, paced only by the exchange's own limits."""
    from purser.exchanges.ccxt_gateway import CcxtGateway

    return CcxtGateway(endpoint=settings().exchange_endpoint)


ORDER_PATIENCE_S = 4.0
"""The time that each call waits for the exchange. One request of ours makes several."""


@kept
def order_desk() -> CcxtOrderDesk:
    """The order desk of the exchange."""
    from purser.exchanges.ccxt_orders import CcxtOrderDesk

    return CcxtOrderDesk(endpoint=settings().exchange_endpoint, timeout=ORDER_PATIENCE_S)
