"""Binance through ccxt, which signs, sends and unifies. All other logic is ours.

ccxt is imported on first use: the import costs more than the rest of a cold start, and many requests need no exchange.
"""

from __future__ import annotations

import copy
import logging
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, TypeVar

from purser.clock import DAY_MS, day_of, now_ms
from purser.errors import (
    ExchangeAuthorizationFailed,
    ExchangeBadRequest,
    ExchangeError,
    ExchangeRateLimited,
    ExchangeSymbolInvalid,
)
from purser.exchanges.budget import Purpose, WeightBudget
from purser.exchanges.cache import BriefCache
from purser.exchanges.error_map import address_refusal, domain_error
from purser.exchanges.model import (
    DAYS_REMEMBERED,
    AccountBalance,
    ApiCredential,
    AssetBalance,
    KeyCheck,
    PastBalance,
    Prices,
    Ticker,
    TradeType,
)
from purser.exchanges.pacing import WeightPacer
from purser.exchanges.wire import amount_of, confirm, each_row, finite, flag, rows, text, total_of_all_assets
from purser.lanes import DIRECT, WEIGHT, Lane, lane_of, lanes_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from purser.exchanges.transport import SharedSession

T = TypeVar("T")
Listing = dict[tuple[str, str], str]
"""The venue's market id by base and quote asset."""

VENUE_WEIGHT_PER_MINUTE = {TradeType.SPOT: 6000, TradeType.FUTURES: WEIGHT}
"""Binance's limits per IP address."""

PAST_BALANCES_WEIGHT_PER_MINUTE = 12_000
"""The limit of ``accountSnapshot`` alone: each ``/sapi`` endpoint limited per IP address has a limit of its own.

Source: "General Info on Limits", https://developers.binance.com/docs/wallet/general-info.
"""

EDGE_MS = 60_000
"""The margin by which a range stays below the thirty days that ``accountSnapshot`` allows."""

TICKER_LIFETIME = 1.0
LISTING_LIFETIME = 3600.0
"""The time for which a listing is cached, in seconds."""

NOT_OPEN = frozenset({"-2011", "-2013"})
"""Binance's answers to a cancellation without an open order: CANCEL_REJECTED and NO_SUCH_ORDER.

-2012, CANCEL_ALL_FAIL, is a failure.
Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code.
"""


@dataclass(frozen=True, slots=True)
class Call:
    """An endpoint by ccxt's name, the market whose limit it counts against (None: its own limit), and its weight."""

    method: str
    trade_type: TradeType | None
    weight: int

    @property
    def market(self) -> str:
        """The name of the limit in the weight budget."""
        return self.trade_type or "PAST_BALANCES"


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
        # Conditional orders have endpoints of their own.
        (
            Call("fapiprivate_get_openalgoorders", _FUTURES, 40),
            Call("fapiprivate_delete_algoopenorders", _FUTURES, 1),
        ),
    ),
}
"""For each kind of order, how to list all open ones, and how to cancel those of one market."""


def weight_limits(lane: Lane) -> dict[TradeType, int]:
    """Return what a lane may spend a minute on each market."""
    return {market: limit * lane.weight // WEIGHT for market, limit in VENUE_WEIGHT_PER_MINUTE.items()}


Pacers = dict[TradeType | None, WeightPacer]
"""The pacers of a process by market, and that of past balances (None)."""


def pacers_at_limits(lane: Lane) -> Pacers:
    """Return pacers that let a process spend all that a lane may."""
    past = WeightPacer(PAST_BALANCES_WEIGHT_PER_MINUTE)
    return {None: past} | {market: WeightPacer(limit) for market, limit in weight_limits(lane).items()}


class CcxtGateway:
    """The exchange gateway for Binance spot and USDⓈ-M futures. Threads may share it. It sends no request twice, but
    for a read whose connection was dropped.

    ``endpoint`` replaces Binance, for a local exchange. ``timeout`` bounds connecting and each wait for data, in
    seconds. ``pool_size`` is the number of connections that each lane keeps to each host. ``budget`` is the request
    weight of all processes, by egress lane if there are several. ``pacers`` makes those that spread the weight that
    this process spends in a lane. Requests are for READING, unless they are made through ``spending``.

    A request with a credential takes the lane of its trading account and no other. One without takes the first lane
    that has weight left, from the one of its market on.
    """

    def __init__(
        self,
        *,
        budget: WeightBudget | Mapping[Lane, WeightBudget],
        endpoint: str = "",
        timeout: float = 10.0,
        pool_size: int = 10,
        pacers: Callable[[Lane], Pacers] = pacers_at_limits,
    ) -> None:
        self._budgets = {DIRECT: budget} if isinstance(budget, WeightBudget) else budget
        self._lanes = tuple(self._budgets)
        self._purpose = Purpose.READING
        self._connections = _Connections(endpoint, timeout, pool_size)
        self._pacers = {lane: pacers(lane) for lane in self._lanes}
        self._tickers: BriefCache[tuple[str, TradeType], Ticker] = BriefCache(TICKER_LIFETIME)
        self._listings: BriefCache[TradeType, Listing] = BriefCache(LISTING_LIFETIME)

    def close(self) -> None:
        """Close the connections. The gateway opens new ones when it is used again."""
        self._connections.close()

    def spending(self, purpose: Purpose) -> Self:
        """Return this gateway for requests of another purpose. It shares all but that."""
        gateway = copy.copy(self)
        gateway._purpose = purpose  # noqa: SLF001 - its own
        return gateway

    def ticker(self, symbol: str, trade_type: TradeType) -> Ticker:
        return self._tickers.get((symbol, trade_type), partial(self._read_ticker, symbol, trade_type))

    def prices(self) -> Prices:
        # Without the parameter, delisted markets are listed too, with their last price of years ago.
        return self._ask(PRICES, _parse_prices, params={"symbolStatus": "TRADING"})

    def account_balance(self, credential: ApiCredential, trade_type: TradeType) -> AccountBalance:
        return self._ask(ACCOUNT[trade_type], partial(_parse_balance, trade_type, self._loaded()), credential)

    def past_balances(self, credential: ApiCredential, trade_type: TradeType) -> Sequence[PastBalance]:
        """Return the balances of the last thirty days."""
        now = now_ms()
        params = {
            "type": trade_type.value,
            "startTime": str(now - DAYS_REMEMBERED * DAY_MS + EDGE_MS),
            "endTime": str(now),
            "limit": str(DAYS_REMEMBERED),
        }
        return self._ask(PAST_BALANCES, partial(_parse_past_balances, trade_type), credential, params)

    def daily_closes(self, symbol: str, since: int, until: int) -> Mapping[str, Decimal]:
        market = symbol.replace("/", "")
        params = {"symbol": market, "interval": "1d", "startTime": str(since), "endTime": str(until)}
        return self._ask(DAILY_CANDLES, _parse_closes, params=params)

    def check_key(self, credential: ApiCredential, trade_type: TradeType) -> KeyCheck:
        may_withdraw = self._ask(PERMISSIONS, lambda answer: flag(answer["enableWithdrawals"]), credential)
        return KeyCheck(may_withdraw, self.account_balance(credential, trade_type))

    def cancel_all_orders(
        self, credential: ApiCredential, trade_type: TradeType, go_on: Callable[[], None] | None = None
    ) -> int:
        cancelled = 0
        refusal: ExchangeError | None = None
        for listing, cancelling in OPEN_ORDERS[trade_type]:
            for market, orders in self._ask(listing, _count_by_market, credential, go_on=go_on).items():
                try:
                    self._ask(cancelling, confirm, credential, {"symbol": market}, go_on)
                    cancelled += orders
                except ExchangeBadRequest as error:
                    refusal = refusal if error.venue_code in NOT_OPEN else error
        if refusal is not None:
            raise refusal
        return cancelled

    def _read_ticker(self, symbol: str, trade_type: TradeType) -> Ticker:
        market = self._market_id(symbol, trade_type)
        return self._ask(TICKER[trade_type], partial(_parse_ticker, symbol, self._loaded()), params={"symbol": market})

    def _market_id(self, symbol: str, trade_type: TradeType) -> str:
        # By base and quote, because "BT/CUSDT" joined would pass for BTC/USDT. The whole list is read at once, because
        # requests for unlisted symbols must not cost weight.
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
        parse: Callable[[Any], T],
        credential: ApiCredential | None = None,
        params: Mapping[str, str] | None = None,
        go_on: Callable[[], None] | None = None,
    ) -> T:
        """Call the exchange, and return what ``parse`` makes of the decoded JSON."""
        client = self._client(credential)
        if credential is None:
            lane, minute_end = self._spend_in_any_lane(call, (params or {}).get("symbol", call.method))
        else:
            lane = lane_of(self._lanes, credential.lane_key)
            minute_end = self._budgets[lane].spend(call.market, call.weight, self._purpose, credential.owner)
        if self._purpose is not Purpose.CLOSING:
            self._pacers[lane][call.trade_type].spend(call.weight)
        client.session = self._connections.session(lane)
        if go_on is not None:
            go_on()
        try:
            return parse(getattr(client, call.method)(dict(params or {})))
        except Exception as failure:  # from ccxt, or from reading an unexpected answer
            refusal, of_address = domain_error(failure), address_refusal(failure)
        finally:
            self._budgets[lane].observe(call.market, minute_end, _used_weight(client))
        if of_address is not None:
            self._budgets[lane].start_cooldown(call.market, of_address.seconds, self._purpose, is_ban=of_address.is_ban)
        raise refusal  # outside of the except block, so that it has no context

    def _spend_in_any_lane(self, call: Call, key: str) -> tuple[Lane, int]:
        """Take weight for a call without a key from the first lane that has it. Return lane and end of the minute."""
        refusals = []
        for lane in lanes_from(self._lanes, key):
            try:
                return lane, self._budgets[lane].spend(call.market, call.weight, self._purpose)
            except ExchangeRateLimited as refusal:
                refusals.append(refusal)
                if self._purpose is Purpose.BACKGROUND and not refusal.by_venue:
                    break  # It has waited for the next minute already.
        raise min(refusals, key=lambda refusal: refusal.retry_after)

    def _client(self, credential: ApiCredential | None) -> Any:
        """Return a client for one call: a copy, because constructing one takes milliseconds."""
        client = copy.copy(self._loaded())
        if credential is None:
            return client
        if not credential.is_well_formed:
            raise ExchangeAuthorizationFailed
        client.apiKey, client.secret = credential.api_key, credential.secret
        client.options = dict(client.options)  # ccxt records there that it accepted this credential
        return client

    def _loaded(self) -> Any:
        return self._connections.template()


class _Connections:
    """The client that those for each call are copied from, and the session of each lane, made on first use."""

    def __init__(self, endpoint: str, timeout: float, pool_size: int) -> None:
        self._endpoint, self._timeout, self._pool_size = endpoint, timeout, pool_size
        self._lock = Lock()
        self._template: Any = None
        self._sessions: dict[Lane, SharedSession] = {}

    def template(self) -> Any:
        with self._lock:
            if self._template is None:
                self._template = _new_client(self._session(DIRECT), self._timeout)
            return self._template

    def session(self, lane: Lane) -> SharedSession:
        with self._lock:
            return self._session(lane)

    def _session(self, lane: Lane) -> SharedSession:
        from purser.exchanges.transport import SharedSession

        if lane not in self._sessions:
            self._sessions[lane] = SharedSession(self._endpoint, self._pool_size, lane)
        return self._sessions[lane]

    def close(self) -> None:
        with self._lock:
            for session in self._sessions.values():
                session.shut_down()


def _new_client(session: SharedSession, timeout: float) -> Any:
    from ccxt.binance import binance

    silent = logging.getLogger("purser.exchanges.ccxt")
    silent.disabled = True  # at debug level ccxt logs signed URLs
    client = binance(
        {
            "session": session,
            "timeout": timeout * 1000,
            "number": Decimal,
            "enableRateLimit": False,  # it paces each client, but the venue counts per address: see WeightPacer
            "logger": silent,
        }
    )
    client.commonCurrencies = {}  # keep the venue's names, which its markets use too
    return client


def _used_weight(client: Any) -> int:
    """Return the weight that the venue has counted in this minute, by the latest answer, or 0."""
    used = str((client.last_response_headers or {}).get("X-MBX-USED-WEIGHT-1M", ""))
    return int(used) if used.isdecimal() else 0


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


def _parse_listing(answer: Any) -> Listing:
    # Delivery contracts have the same assets as the perpetual one.
    def listed(market: Any) -> tuple[tuple[str, str], str] | None:
        if market["status"] != "TRADING" or not market.get("contractType", "PERPETUAL").endswith("PERPETUAL"):
            return None
        return (market["baseAsset"], market["quoteAsset"]), text(market["symbol"])

    return dict(each_row(listed, answer["symbols"]))


def _parse_prices(answer: Any) -> Prices:
    prices = Prices(dict(each_row(lambda row: (row["symbol"], amount_of(row["price"])), answer)))
    if prices.last("USDC", "USDT") is None:
        raise ValueError("no price of USDC in USDT")
    return prices


def _parse_balance(trade_type: TradeType, client: Any, answer: Any) -> AccountBalance:
    kind, assets = ("spot", "balances") if trade_type is TradeType.SPOT else ("linear", "assets")
    for row in rows(answer[assets]):
        text(row["asset"])  # ccxt skips what it cannot read: an outage would look like an empty account
    parsed = client.parse_balance_custom(answer, kind)
    return AccountBalance(
        trade_type,
        tuple(
            AssetBalance(asset, *(finite(parsed[part][asset]) for part in ("free", "used", "total")))
            for asset in parsed["total"]
        ),
        None if trade_type is TradeType.SPOT else total_of_all_assets(answer, "MarginBalance"),
    )


def _parse_past_balances(trade_type: TradeType, answer: Any) -> Sequence[PastBalance]:
    totals_of = _spot_totals if trade_type is TradeType.SPOT else _margin_totals
    snapshots = rows(answer["snapshotVos"])
    # The venue dates a snapshot with the last second of its day, or with midnight after it.
    return [PastBalance(day_of(int(row["updateTime"]) - 1), tuple(totals_of(row["data"]))) for row in snapshots]


def _spot_totals(data: Any) -> list[tuple[str, Decimal]]:
    parts = ("free", "locked")
    return [(text(row["asset"]), amount_of(row[part])) for row in rows(data["balances"]) for part in parts]


def _margin_totals(data: Any) -> list[tuple[str, Decimal]]:
    return [(text(row["asset"]), amount_of(row["marginBalance"])) for row in rows(data["assets"])]


def _parse_closes(answer: Any) -> Mapping[str, Decimal]:
    return {day_of(int(candle[0])): amount_of(candle[4]) for candle in rows(answer)}


def _count_by_market(answer: Any) -> Counter[str]:
    return Counter(order["symbol"] for order in rows(answer))
