"""Binance through ccxt: signing, transport and unified shapes are ccxt's, everything else is ours.

The only module that knows ccxt, which it imports on first use: that import costs more than all the rest of a cold
start, and many requests need no exchange.
"""

from __future__ import annotations

import copy
import logging
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from purser.clock import DAY_MS, day_of, now_ms
from purser.errors import (
    ExchangeAuthorizationFailed,
    ExchangeBadRequest,
    ExchangeError,
    ExchangeSymbolInvalid,
)
from purser.exchanges.cache import BriefCache
from purser.exchanges.error_map import address_pause, domain_error
from purser.exchanges.model import (
    DAYS_REMEMBERED,
    AccountBalance,
    ApiCredential,
    AssetBalance,
    KeyCheck,
    KeyPermissions,
    PastBalance,
    Prices,
    Ticker,
    TradeType,
)
from purser.exchanges.pacing import WeightPacer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
Listing = dict[tuple[str, str], str]
"""The venue's market id by base and quote asset."""

VENUE_WEIGHT_PER_MINUTE = {TradeType.SPOT: 6000, TradeType.FUTURES: 2400}
"""Binance's own limits for an address."""

PAST_BALANCES_WEIGHT_PER_MINUTE = 12_000
"""Of ``accountSnapshot`` alone: each ``/sapi`` endpoint with a limit by address has one to itself.

Source: Binance's "General Info on Limits" (https://developers.binance.com/docs/wallet/general-info).
"""

EDGE_MS = 60_000
"""``accountSnapshot`` wants a range of less than thirty days, of which none is longer ago than that."""

TICKER_LIFETIME = 1.0
LISTING_LIFETIME = 3600.0
"""Seconds for which what was read is used again."""

UNKNOWN_ORDER = "-2011"
"""Binance's answer to a cancellation where nothing is open (any more)."""


@dataclass(frozen=True, slots=True)
class Call:
    """An endpoint: ccxt's name of it, whose limit it counts against (None: one of its own), its request weight."""

    method: str
    trade_type: TradeType | None
    weight: int


_SPOT, _FUTURES = TradeType.SPOT, TradeType.FUTURES

PRICES = Call("public_get_ticker_price", _SPOT, 4)
PERMISSIONS = Call("sapi_get_account_apirestrictions", _SPOT, 1)
LISTING = {
    _SPOT: Call("public_get_exchangeinfo", _SPOT, 20),
    _FUTURES: Call("fapipublic_get_exchangeinfo", _FUTURES, 1),
}
TICKER = {
    _SPOT: Call("public_get_ticker_24hr", _SPOT, 2),
    _FUTURES: Call("fapipublic_get_ticker_24hr", _FUTURES, 1),
}
ACCOUNT = {
    _SPOT: Call("private_get_account", _SPOT, 20),
    _FUTURES: Call("fapiprivatev3_get_account", _FUTURES, 5),
}
PAST_BALANCES = Call("sapi_get_accountsnapshot", None, 2400)
DAILY_CANDLES = Call("public_get_klines", _SPOT, 2)
OPEN_ORDERS = {
    _SPOT: ((Call("private_get_openorders", _SPOT, 80), Call("private_delete_openorders", _SPOT, 1)),),
    _FUTURES: (
        (Call("fapiprivate_get_openorders", _FUTURES, 40), Call("fapiprivate_delete_allopenorders", _FUTURES, 1)),
        # Conditional orders are listed and cancelled apart from the others.
        (
            Call("fapiprivate_get_openalgoorders", _FUTURES, 40),
            Call("fapiprivate_delete_algoopenorders", _FUTURES, 1),
        ),
    ),
}
"""For each kind of order: how to list all that are open, and how to cancel those of one market."""


class CcxtGateway:
    """Binance spot and USDⓈ-M futures, as ``purser.exchanges.port.ExchangeGateway``. Safe to share between threads.

    ``endpoint`` sends every request there instead (a local exchange); ``timeout`` bounds, in seconds, connecting and
    each wait for data; ``pool_size`` is how many connections are kept to each host; ``pacers`` bound the request
    weight, and ``past_pacer`` that of past balances, by default to the venue's own limits. Nothing is ever sent twice.
    """

    def __init__(
        self,
        *,
        endpoint: str = "",
        timeout: float = 10.0,
        pool_size: int = 10,
        pacers: Mapping[TradeType, WeightPacer] | None = None,
        past_pacer: WeightPacer | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._pool_size = pool_size
        self._pacers = pacers or {kind: WeightPacer(limit) for kind, limit in VENUE_WEIGHT_PER_MINUTE.items()}
        self._past_pacer = past_pacer or WeightPacer(PAST_BALANCES_WEIGHT_PER_MINUTE)
        self._tickers: BriefCache[tuple[str, TradeType], Ticker] = BriefCache(TICKER_LIFETIME)
        self._listings: BriefCache[TradeType, Listing] = BriefCache(LISTING_LIFETIME)
        self._lock = Lock()
        self._template: Any = None

    def close(self) -> None:
        """Closes the connections. The gateway opens new ones when it is used again."""
        if self._template is not None:
            self._template.session.shut_down()

    def ticker(self, symbol: str, trade_type: TradeType) -> Ticker:
        """A market's last 24 hours, at most a second old. See the port for what it raises."""
        return self._tickers.get((symbol, trade_type), partial(self._read_ticker, symbol, trade_type))

    def prices(self) -> Prices:
        """The last prices of all spot markets. See the port for what it raises."""
        return self._ask(PRICES, _parse_prices)

    def account_balance(self, credential: ApiCredential, trade_type: TradeType) -> AccountBalance:
        """What the account of a key holds. See the port for what it raises."""
        return self._ask(ACCOUNT[trade_type], partial(_parse_balance, trade_type), credential)

    def past_balances(self, credential: ApiCredential, trade_type: TradeType) -> Sequence[PastBalance]:
        """What the account of a key held at the ends of the last thirty days. See the port for what it raises."""
        now = now_ms()
        params = {
            "type": trade_type.value,
            "startTime": str(now - DAYS_REMEMBERED * DAY_MS + EDGE_MS),
            "endTime": str(now),
            "limit": str(DAYS_REMEMBERED),
        }
        return self._ask(PAST_BALANCES, partial(_parse_past_balances, trade_type), credential, params)

    def daily_closes(self, symbol: str, since: int, until: int) -> Mapping[str, Decimal]:
        """A spot market's closing prices by UTC day. See the port for what it raises."""
        market = symbol.replace("/", "")
        params = {"symbol": market, "interval": "1d", "startTime": str(since), "endTime": str(until)}
        return self._ask(DAILY_CANDLES, _parse_closes, params=params)

    def key_permissions(self, credential: ApiCredential, trade_type: TradeType) -> KeyPermissions:  # noqa: ARG002
        """What a key may do; Binance keeps one set for all trade types. See the port for what it raises."""
        return self._ask(PERMISSIONS, _parse_permissions, credential)

    def check_key(self, credential: ApiCredential, trade_type: TradeType) -> KeyCheck:
        """Permissions and balance of a key. See the port for what it raises."""
        permissions = self.key_permissions(credential, trade_type)
        return KeyCheck(permissions, self.account_balance(credential, trade_type))

    def cancel_all_orders(
        self, credential: ApiCredential, trade_type: TradeType, go_on: Callable[[], None] | None = None
    ) -> int:
        """Cancels every open order of a key's account. See the port for what it answers and raises."""
        cancelled = 0
        refusal: ExchangeError | None = None
        for listing, cancelling in OPEN_ORDERS[trade_type]:
            for market, orders in self._ask(listing, _count_by_market, credential, go_on=go_on).items():
                try:
                    self._ask(cancelling, _confirm, credential, {"symbol": market}, go_on)
                    cancelled += orders
                except ExchangeBadRequest as error:
                    refusal = refusal if error.venue_code == UNKNOWN_ORDER else error
        if refusal is not None:
            raise refusal
        return cancelled

    def _read_ticker(self, symbol: str, trade_type: TradeType) -> Ticker:
        market = self._market_id(symbol, trade_type)
        return self._ask(TICKER[trade_type], partial(_parse_ticker, symbol), params={"symbol": market})

    def _market_id(self, symbol: str, trade_type: TradeType) -> str:
        # By base and quote: joined, "BT/CUSDT" would pass for BTC/USDT. The whole list at once costs little weight
        # an hour, however many unlisted symbols are asked for.
        base, _, quote = symbol.partition("/")
        params = {"symbolStatus": "TRADING", "showPermissionSets": "false"} if trade_type is TradeType.SPOT else {}
        listing = self._listings.get(trade_type, lambda: self._ask(LISTING[trade_type], _parse_listing, params=params))
        try:
            return listing[base, quote]
        except KeyError:
            raise ExchangeSymbolInvalid from None

    def _ask(
        self,
        call: Call,
        parse: Callable[[Any, Any], T],
        credential: ApiCredential | None = None,
        params: Mapping[str, str] | None = None,
        go_on: Callable[[], None] | None = None,
    ) -> T:
        """What ``parse`` makes of the answer, given the ccxt client and the decoded JSON."""
        pacer = self._pacers[call.trade_type] if call.trade_type else self._past_pacer
        client = self._client(credential)
        pacer.spend(call.weight)
        if go_on is not None:
            go_on()
        try:
            return parse(client, getattr(client, call.method)(dict(params or {})))
        except Exception as failure:  # of ccxt, or of whatever trips over an answer of unknown shape
            refusal = domain_error(failure)
            pacer.close_for(address_pause(failure))
        raise refusal  # outside of the except block, so that it carries no context

    def _client(self, credential: ApiCredential | None) -> Any:
        """A client of its own for each call: copying takes microseconds, constructing takes milliseconds."""
        client = copy.copy(self._loaded())
        if credential is None:
            return client
        if not credential.is_well_formed:
            raise ExchangeAuthorizationFailed
        client.apiKey, client.secret = credential.api_key, credential.secret
        client.options = dict(client.options)  # where ccxt notes that this credential has been accepted
        return client

    def _loaded(self) -> Any:
        with self._lock:
            if self._template is None:
                self._template = _new_client(self._endpoint, self._timeout, self._pool_size)
            return self._template


def _new_client(endpoint: str, timeout: float, pool_size: int) -> Any:
    from ccxt.binance import binance

    from purser.exchanges.transport import SharedSession

    silent = logging.getLogger("purser.exchanges.ccxt")
    silent.disabled = True  # at debug level ccxt would write signed URLs
    client = binance(
        {
            "session": SharedSession(endpoint, pool_size),
            "timeout": timeout * 1000,
            "number": Decimal,
            "enableRateLimit": False,  # it paces each client apart, while the venue counts by address: see WeightPacer
            "logger": silent,
        }
    )
    client.commonCurrencies = {}  # the venue's own names, by which its markets are named too
    return client


def _parse_ticker(symbol: str, client: Any, answer: Any) -> Ticker:
    ticker = client.parse_ticker(answer, {"symbol": symbol})
    return Ticker(
        symbol=symbol,
        timestamp=int(ticker["timestamp"]),
        high=ticker["high"],
        low=ticker["low"],
        vwap=ticker["vwap"],
        open=ticker["open"],
        close=ticker["close"],
        last=ticker["last"],
        change=ticker["change"],
        percentage=ticker["percentage"],
        average=ticker["average"],
        base_volume=ticker["baseVolume"],
        quote_volume=ticker["quoteVolume"],
    )


def _parse_listing(_client: Any, answer: Any) -> Listing:
    return {
        (market["baseAsset"], market["quoteAsset"]): market["symbol"]
        for market in _rows(answer["symbols"])
        # Futures that deliver on a day carry the same assets as the perpetual contract.
        if market["status"] == "TRADING" and market.get("contractType", "PERPETUAL").endswith("PERPETUAL")
    }


def _parse_prices(_client: Any, answer: Any) -> Prices:
    return Prices({row["symbol"]: _amount(row["price"]) for row in _rows(answer)})


def _parse_balance(trade_type: TradeType, client: Any, answer: Any) -> AccountBalance:
    kind, assets = ("spot", "balances") if trade_type is TradeType.SPOT else ("linear", "assets")
    for row in _rows(answer[assets]):
        _text(row["asset"])  # ccxt would leave out what it cannot read, and take an outage for an empty account
    parsed = client.parse_balance_custom(answer, kind)
    return AccountBalance(
        trade_type,
        tuple(
            AssetBalance(asset, *(_finite(parsed[part][asset]) for part in ("free", "used", "total")))
            for asset in parsed["total"]
        ),
    )


def _parse_past_balances(trade_type: TradeType, _client: Any, answer: Any) -> Sequence[PastBalance]:
    totals_of = _spot_totals if trade_type is TradeType.SPOT else _margin_totals
    rows = _rows(answer["snapshotVos"])
    # The venue dates a snapshot with the last second of its day. A millisecond earlier, since midnight would still be
    # that day's end.
    return [PastBalance(day_of(int(row["updateTime"]) - 1), tuple(totals_of(row["data"]))) for row in rows]


def _spot_totals(data: Any) -> list[tuple[str, Decimal]]:
    parts = ("free", "locked")
    return [(_text(row["asset"]), _amount(row[part])) for row in _rows(data["balances"]) for part in parts]


def _margin_totals(data: Any) -> list[tuple[str, Decimal]]:
    return [(_text(row["asset"]), _amount(row["marginBalance"])) for row in _rows(data["assets"])]


def _parse_closes(_client: Any, answer: Any) -> Mapping[str, Decimal]:
    return {day_of(int(candle[0])): _amount(candle[4]) for candle in _rows(answer)}


def _parse_permissions(_client: Any, answer: Any) -> KeyPermissions:
    return KeyPermissions(
        withdrawals=_flag(answer["enableWithdrawals"]),
        futures=_flag(answer["enableFutures"]),
        spot=_flag(answer["enableSpotAndMarginTrading"]),
        ip_restricted=_flag(answer["ipRestrict"]),
    )


def _count_by_market(_client: Any, answer: Any) -> Counter[str]:
    return Counter(order["symbol"] for order in _rows(answer))


def _confirm(_client: Any, answer: Any) -> None:
    if not isinstance(answer, list | dict):
        raise TypeError("not a confirmation")


def _rows(answer: Any) -> list[Any]:
    if not isinstance(answer, list):
        raise TypeError("not a list")
    return answer


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a boolean")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _amount(value: Any) -> Decimal:
    return _finite(Decimal(_text(value)))


def _finite(amount: Decimal | None) -> Decimal:
    if amount is None or not amount.is_finite():
        raise ValueError("not an amount")
    return amount
