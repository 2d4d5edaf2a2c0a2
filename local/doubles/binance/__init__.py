"""The paper exchange: Binance's wire on loopback, with real matching and no real money.

with PaperExchange() as exchange, exchange.serve() as served:
    key = served.control.key(futures={"USDT": "5000"})
    served.control.prices(BTC_USDT="19191.9")
"""

from local.doubles.binance.client import PaperControl
from local.doubles.binance.exchange import PaperExchange, Served
from local.doubles.kit.client import ControlRefused

__all__ = ["ControlRefused", "PaperControl", "PaperExchange", "Served"]
