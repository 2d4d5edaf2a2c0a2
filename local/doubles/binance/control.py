"""The control API, by which tests and developers set the state of the exchange.

It takes and answers JSON without sign-in, from loopback callers only.

Every refusal is a 400 `{"error", "field"}`; decimals may come as JSON strings or numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from local.doubles.binance.faults import KINDS, Fault
from local.doubles.binance.keyring import new_api_key
from local.doubles.binance.markets import CREDITS
from local.doubles.binance.messages import Answer
from local.doubles.binance.model import Account, Algo, Order, Snapshot
from local.doubles.binance.prices import day_of
from local.doubles.binance.shelf import Shelf
from local.doubles.binance.world import World

DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
RATE = re.compile(r"-?0?\.[0-9]{1,8}|-?[01]")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
EPOCH = date(1970, 1, 1)
LONGEST_PATH = 100_000
KEY_FIELDS = {"balances", "withdrawals", "futures", "hedgeMode", "ips", "history", "multiAssets", "readOnly"}
PATCH_FIELDS = KEY_FIELDS | {"revoked"}
FAULT_FIELDS = {"path", "times", "kind", "code", "apiKey", "delayMs", "method", "skip", "retryAfter"}


class ControlError(Exception):
    """An invalid request. Names the field at fault."""

    def __init__(self, field: str, message: str):
        self.field, self.message = field, message
        super().__init__(f"{field}: {message}")


Query = dict[str, str]
Handler = Callable[[World, Any, Query], Any]


def control(exchange: World, method: str, path: str, query: str, body: str) -> Answer:
    """Answer one control request."""
    handler, names = _find(method, path)
    if handler is None:
        return Answer(404, {"error": f"no such control call: {method} {path}", "field": "path"}, {})
    try:
        parameters = dict(parse_qsl(query, keep_blank_values=True)) | names
        return Answer(200, handler(exchange, _json(body), parameters), {})
    except ControlError as error:
        return Answer(400, {"error": error.message, "field": error.field}, {})


def _find(method: str, path: str) -> tuple[Handler | None, Query]:
    if (method, path) in HANDLERS:
        return HANDLERS[method, path], {}
    prefix, _, last = path.rpartition("/")
    return HANDLERS.get((method, prefix + "/{apiKey}")), {"apiKey": last}


def _json(body: str) -> Any:
    if not body:
        return {}
    try:
        value = json.loads(body, parse_float=Decimal, parse_int=int)
    except ValueError as error:
        raise ControlError("body", f"must be JSON: {error}") from error
    if not isinstance(value, dict):
        raise ControlError("body", "must be a JSON object")
    return value


def _decimal(value: Any, field: str, positive: bool = False) -> Decimal:
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    if isinstance(value, bool) or not DECIMAL.fullmatch(text) or (positive and not Decimal(text)):
        raise ControlError(field, "must be a plain decimal" + (" above zero" if positive else ""))
    return Decimal(text)


def _integer(body: dict[str, Any], field: str, default: int | None, least: int = 0, most: int = 10**9) -> int:
    value = body.get(field, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ControlError(field, f"must be a whole number from {least} to {most}")
    return value


def _flag(body: dict[str, Any], field: str, default: bool) -> bool:
    value = body.get(field, default)
    if not isinstance(value, bool):
        raise ControlError(field, "must be true or false")
    return value


def _known(body: dict[str, Any], fields: set[str]) -> None:
    for field in body:
        if field not in fields:
            raise ControlError(field, f"is not known; known are {', '.join(sorted(fields))}")


def _amount(value: Any, field: str, asset: str) -> Decimal:
    """An amount of an asset; credits may be a debt."""
    owed = asset == CREDITS and str(value).startswith("-")
    return -_decimal(str(value)[1:], field) if owed else _decimal(value, field)


def _holdings(value: Any, field: str, assets: list[str]) -> dict[str, Decimal]:
    if not isinstance(value, dict):
        raise ControlError(field, "must be an object of asset: amount")
    for asset in value:
        if asset not in assets:
            raise ControlError(f"{field}.{asset}", "is not an asset of this exchange")
    return {asset: _amount(amount, f"{field}.{asset}", asset) for asset, amount in value.items()}


def _balances(exchange: World, value: Any, field: str) -> dict[str, dict[str, Decimal]]:
    if not isinstance(value, dict):
        raise ControlError(field, "must be an object of spot and futures")
    for venue in value:
        if venue not in ("spot", "futures"):
            raise ControlError(f"{field}.{venue}", "must be spot or futures")
    assets = {"spot": exchange.assets, "futures": [*exchange.assets, CREDITS]}
    return {venue: _holdings(amounts, f"{field}.{venue}", assets[venue]) for venue, amounts in value.items()}


def _account(exchange: World, query: Query) -> Account:
    account = exchange.accounts.get(query.get("apiKey", ""))
    if account is None:
        raise ControlError("apiKey", "is not a key of this exchange")
    return account


def _pair(exchange: World, value: Any, field: str) -> str:
    if not isinstance(value, str) or value not in exchange.prices.quotes:
        raise ControlError(field, "is not a pair of this exchange (write BASE/QUOTE)")
    return value


def _history(exchange: World, value: Any, now: int) -> dict[int, Snapshot]:
    """Parse the balances of past days: `{"2026-01-31": {"spot": {…}, "futures": {…}}}`."""
    if not isinstance(value, dict):
        raise ControlError("history", "must be an object of date: balances")
    days: dict[int, Snapshot] = {}
    for text, balances in value.items():
        by_account = _balances(exchange, balances, f"history.{text}")
        day = _day(text)
        if day >= day_of(now):
            raise ControlError(f"history.{text}", "must be a past day (UTC)")
        days[day] = Snapshot(by_account.get("spot", {}), by_account.get("futures", {}))
    return days


def _day(text: str) -> int:
    """Return the number of a UTC day since 1970."""
    try:
        if not DATE.fullmatch(text):
            raise ValueError
        return (date.fromisoformat(text) - EPOCH).days
    except ValueError as error:
        raise ControlError(f"history.{text}", "must be a date YYYY-MM-DD") from error


def _apply(exchange: World, account: Account, body: dict[str, Any], now: int) -> None:
    """Apply the description of a key. Everything is checked before anything changes."""
    balances = _balances(exchange, body.get("balances", {}), "balances")
    withdrawals = _flag(body, "withdrawals", account.withdrawals)
    futures, revoked = _flag(body, "futures", account.futures_enabled), _flag(body, "revoked", account.revoked)
    hedged = _flag(body, "hedgeMode", account.hedged)
    if hedged != account.hedged and account.positions:
        raise ControlError("hedgeMode", "must not change with open positions")
    ips = body.get("ips", account.ips) or []
    if not isinstance(ips, list) or not all(isinstance(ip, str) for ip in ips):
        raise ControlError("ips", "must be a list of addresses")
    history = _history(exchange, body.get("history", {}), now)
    account.read_only = _flag(body, "readOnly", account.read_only)
    account.multi_assets = _flag(body, "multiAssets", account.multi_assets)
    account.withdrawals, account.futures_enabled, account.revoked, account.ips = withdrawals, futures, revoked, ips
    account.hedged = hedged
    if "spot" in balances:
        account.free, account.spot_updated = balances["spot"], now
    if "futures" in balances:
        account.wallet, account.futures_updated = balances["futures"], now
    for day, snapshot in history.items():
        exchange.keep_snapshot(account, day, snapshot)


def create_key(exchange: World, body: Any, query: Query) -> Any:
    """Issue a key, as an exchange would: answers `apiKey` and `secret`.

    `balances` is `{"spot": {asset: amount}, "futures": {asset: amount}}`. `futures` (true) and `withdrawals` (false)
    are its permissions, `ips` the only addresses that may use it. `hedgeMode` (false) gives each contract a long and a
    short position, and refuses orders without a `positionSide` (-4061). With `multiAssets` (false) all futures assets
    are margin together. A key that is `readOnly` (false) changes nothing (-2015). `history` holds the balances of past
    days: `{"2026-01-31": {"spot": {asset: amount}}}`. All are optional.
    """
    _known(body, KEY_FIELDS)
    with exchange.turn() as now:
        account = Account(new_api_key(), created=now)
        _apply(exchange, account, body, now)
        return {"apiKey": account.api_key, "secret": exchange.open_account(account)}


def change_key(exchange: World, body: Any, query: Query) -> Any:
    """Change a key: the same fields as above, and `revoked`.

    `balances` sets the free spot balances or the futures wallet of each market named. Orders and positions stay.
    """
    _known(body, PATCH_FIELDS)
    with exchange.turn() as now:
        account = _account(exchange, query)
        _apply(exchange, account, body, now)
        exchange.store.put("account", account.api_key, account)
        return {"apiKey": account.api_key}


def put_prices(exchange: World, body: Any, query: Query) -> Any:
    """Move pairs to prices: `{"BTC/USDT": "65000"}`. Orders that the new price reaches are filled before the answer."""
    with exchange.turn() as now:
        prices = {_pair(exchange, pair, pair): _decimal(price, pair, positive=True) for pair, price in body.items()}
        for pair, price in prices.items():
            exchange.paths.stop(pair)
            exchange.move_price(pair, price, now)
        return {pair: f"{price:f}" for pair, price in prices.items()}


def get_prices(exchange: World, body: Any, query: Query) -> Any:
    """List every pair with its price."""
    with exchange.turn():
        return {pair: f"{quote.price:f}" for pair, quote in exchange.prices.quotes.items()}


def start_path(exchange: World, body: Any, query: Query) -> Any:
    """Walk a pair along prices: `symbol`, `prices` and `intervalMs` (1000) between two of them.

    With an interval of 0 the whole walk happens before the answer.
    """
    _known(body, {"symbol", "prices", "intervalMs"})
    pair = _pair(exchange, body.get("symbol"), "symbol")
    steps = body.get("prices")
    if not isinstance(steps, list) or not 1 <= len(steps) <= LONGEST_PATH:
        raise ControlError("prices", f"must be a list of 1 to {LONGEST_PATH} prices")
    prices = [_decimal(price, f"prices[{index}]", positive=True) for index, price in enumerate(steps)]
    interval = _integer(body, "intervalMs", 1000, most=86_400_000)
    exchange.paths.start(pair, prices, interval)
    return {"symbol": pair, "prices": len(prices), "intervalMs": interval}


def stop_paths(exchange: World, body: Any, query: Query) -> Any:
    """Stop all walks. Prices no longer change."""
    exchange.paths.stop()
    return {}


def add_fault(exchange: World, body: Any, query: Query) -> Any:
    """Arm a fault for the next `times` (1) requests below `path`, after letting `skip` (0) of them pass.

    `method` and `apiKey` narrow it down, `delayMs` waits first. The `kind` `http_503` answers 503 before the work is
    done, `http_503_after` after it. `rate_limit` answers 429, or with the `code` 418 a ban, for `retryAfter` seconds.
    `reject` refuses with the exchange's `code`. `timeout_before` and `timeout_after` drop the connection before or
    after the work is done. `hide` finds no order, and empties lists of orders. `lag` makes readings of futures show
    orders, positions and trades of the `apiKey` as they are now, without later changes, as freqtrade#12681 saw with
    look-ups of conditional orders. `html`, `empty` and `truncated` answer a body that does not report the work that was
    done. `slow` answers late.
    """
    _known(body, FAULT_FIELDS)
    path, kind = body.get("path"), body.get("kind")
    if not isinstance(path, str) or not path.startswith("/"):
        raise ControlError("path", "must be a path of the exchange, or the beginning of one")
    if kind not in KINDS:
        raise ControlError("kind", f"must be one of {', '.join(KINDS)}")
    code = body.get("code")
    if code is not None and (not isinstance(code, int) or isinstance(code, bool)):
        raise ControlError("code", "must be a whole number, as -2010")
    for field in ("apiKey", "method"):
        if body.get(field) is not None and not isinstance(body[field], str):
            raise ControlError(field, "must be text")
    if kind == "lag":
        _account(exchange, body)
    fault = Fault(
        path=path,
        times=_integer(body, "times", 1, least=1),
        kind=kind,
        code=code,
        api_key=body.get("apiKey"),
        method=body.get("method"),
        delay_ms=_integer(body, "delayMs", 0, most=600_000),
        skip=_integer(body, "skip", 0),
        retry_after=_integer(body, "retryAfter", 1, least=1),
    )
    with exchange.turn():
        if kind == "lag":
            fault.past = exchange.futures.frozen(body["apiKey"])
        exchange.faults.arm(fault)
    return {"path": fault.path, "kind": fault.kind, "times": fault.times}


def clear_faults(exchange: World, body: Any, query: Query) -> Any:
    """Disarm every fault."""
    with exchange.lock:
        exchange.faults.clear()
    return {}


def put_depth(exchange: World, body: Any, query: Query) -> Any:
    """Let a futures order fill no further than so much at once: `{"BTC/USDT": "0.02"}`. A depth of 0 ends it.

    The rest of a market order expires. That of a limit order rests, and is filled as far again by each price.
    """
    with exchange.turn():
        depths = {_pair(exchange, pair, pair): _decimal(depth, pair) for pair, depth in body.items()}
        for pair, depth in depths.items():
            exchange.futures.limit_depth(pair, depth)
        return {pair: f"{depth:f}" for pair, depth in depths.items()}


def put_funding(exchange: World, body: Any, query: Query) -> Any:
    """Set funding rates by pair: `{"BTC/USDT": "0.0001"}`. They are 0 until they are set.

    At 00:00, 08:00 and 16:00 UTC, long positions pay the rate of their value at the mark price, and short ones receive
    it. A negative rate goes the other way.
    """
    with exchange.turn():
        rates = {_pair(exchange, pair, pair): _rate(rate, pair) for pair, rate in body.items()}
        for pair, rate in rates.items():
            exchange.funding.set_rate(pair, rate)
        return {pair: f"{rate:f}" for pair, rate in rates.items()}


def _rate(value: Any, field: str) -> Decimal:
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    if isinstance(value, bool) or not RATE.fullmatch(text):
        raise ControlError(field, "must be a decimal from -1 to 1 with at most eight places")
    return Decimal(text)


def settle_funding(exchange: World, body: Any, query: Query) -> Any:
    """Let a funding happen now, besides those of the day, for all pairs that have a rate."""
    _known(body, set())
    with exchange.turn() as now:
        exchange.funding.settle(now)
    return {"time": now}


def put_triggering(exchange: World, body: Any, query: Query) -> Any:
    """Leave the next conditional orders that trigger in TRIGGERING: `{"times": 1, "listed": true}`.

    They are never executed and cannot be cancelled (-2011). `listed` (false): they stay among the open ones.
    """
    _known(body, {"times", "listed"})
    times, listed = _integer(body, "times", 1), _flag(body, "listed", False)
    with exchange.turn():
        exchange.futures.algos.stick(times, listed=listed)
    return {"times": times, "listed": listed}


def get_requests(exchange: World, body: Any, query: Query) -> Any:
    """List the latest 10,000 requests with address, parameters, weight and the answer's status, oldest first."""
    return list(exchange.requests)


def clear_requests(exchange: World, body: Any, query: Query) -> Any:
    """Forget the requests."""
    exchange.requests.clear()
    return {}


def put_limits(exchange: World, body: Any, query: Query) -> Any:
    """Set request weights a minute: `spot`, `futures`, `snapshots`, and requests for `funding` rates in five minutes.

    Weights used so far and bans are forgotten.
    """
    _known(body, set(exchange.limits.limits))
    limits = {budget: _integer(body, budget, None, least=1) for budget in body}
    with exchange.lock:
        exchange.limits.configure(limits)
        return dict(exchange.limits.limits)


def get_usage(exchange: World, body: Any, query: Query) -> Any:
    """Tell the weight that each address has used since limits were set: `weight`, `most` in a minute, and `refused`.

    `{"127.0.0.2": {"futures": {"weight": 120, "most": 60, "refused": 0}}}`; `refused` counts answers with 429 and 418.
    """
    with exchange.lock:
        return exchange.limits.usage()


def ban_addresses(exchange: World, body: Any, query: Query) -> Any:
    """Ban every address for `seconds`: signed requests are refused with -2015, as if their keys were not valid.

    Setting the limits, or 0 seconds, ends it.
    """
    _known(body, {"seconds"})
    seconds = _integer(body, "seconds", None, most=4 * 86_400)
    with exchange.turn() as now:
        exchange.limits.ban_in_disguise(now + seconds * 1000)
    return {"seconds": seconds}


def put_statuses(exchange: World, body: Any, query: Query) -> Any:
    """Set the status of markets until the exchange restarts: `{"futures": {"XRPUSDT": "SETTLING"}, "spot": {…}}`.

    Only TRADING takes orders.
    """
    _known(body, {"spot", "futures"})
    desks = {"spot": exchange.spot.markets, "futures": exchange.futures.markets}
    for venue, statuses in body.items():
        for symbol in statuses:
            if symbol not in desks[venue]:
                raise ControlError(f"{venue}.{symbol}", "is not a market of this exchange")
    with exchange.turn():
        for venue, statuses in body.items():
            for symbol, status in statuses.items():
                desks[venue][symbol] = replace(desks[venue][symbol], status=str(status))
    return body


def put_latency(exchange: World, body: Any, query: Query) -> Any:
    """Delay every answer by `ms`; 0 ends it."""
    _known(body, {"ms"})
    exchange.latency_ms = _integer(body, "ms", None, most=60_000)
    return {"ms": exchange.latency_ms}


def get_orders(exchange: World, body: Any, query: Query) -> Any:
    """List everything that `?apiKey=` ever ordered, spot, futures and conditional, in wire fields, oldest first."""
    with exchange.turn():
        account = _account(exchange, query)
        return exchange.spot.wire_orders(account) + exchange.futures.wire_orders(account)


def change_order(exchange: World, body: Any, query: Query) -> Any:
    """Change what the exchange tells of an order, named by its `orderId`, or by the `algoId` of a conditional one.

    `moment` (Unix ms) dates the order and its trades. `fields` replaces fields of its rows, as `{"status": "NEW_ADL"}`
    for a status that is not documented; a field whose value is null is missing.
    """
    _known(body, {"orderId", "algoId", "moment", "fields"})
    name = "algoId" if "algoId" in body else "orderId"
    order_id, fields = _integer(body, name, None, most=10**15), body.get("fields")
    if fields is not None and not isinstance(fields, dict):
        raise ControlError("fields", "must be an object of field: value")
    with exchange.turn() as now:
        account = _account(exchange, query)
        shelf, order = _shelved(exchange, account, name, order_id)
        if "moment" in body:
            order.created = order.updated = _integer(body, "moment", None, most=now)
            for trades in (exchange.spot.trades, exchange.futures.trades) if name == "orderId" else ():
                trades.date(account.api_key, order.id, order.created)
        if fields is not None:
            order.told = fields
        shelf.save(order)
    return {name: order_id}


def _shelved(exchange: World, account: Account, name: str, order_id: int) -> tuple[Shelf[Any], Order | Algo]:
    shelves: list[Shelf[Any]] = [exchange.spot.orders, exchange.futures.orders]
    for shelf in [exchange.futures.algos.shelf] if name == "algoId" else shelves:
        if order := shelf.get(account.api_key, order_id):
            return shelf, order
    raise ControlError(name, "is not an order of this key")


def get_positions(exchange: World, body: Any, query: Query) -> Any:
    """List the open futures positions of `?apiKey=`, in wire fields."""
    with exchange.turn():
        return exchange.futures.wire_positions(_account(exchange, query))


HANDLERS: dict[tuple[str, str], Handler] = {
    ("POST", "/paper/keys"): create_key,
    ("PATCH", "/paper/keys/{apiKey}"): change_key,
    ("PUT", "/paper/prices"): put_prices,
    ("GET", "/paper/prices"): get_prices,
    ("PUT", "/paper/depth"): put_depth,
    ("PUT", "/paper/triggering"): put_triggering,
    ("POST", "/paper/paths"): start_path,
    ("DELETE", "/paper/paths"): stop_paths,
    ("POST", "/paper/faults"): add_fault,
    ("DELETE", "/paper/faults"): clear_faults,
    ("PUT", "/paper/funding"): put_funding,
    ("POST", "/paper/funding"): settle_funding,
    ("GET", "/paper/requests"): get_requests,
    ("DELETE", "/paper/requests"): clear_requests,
    ("PUT", "/paper/limits"): put_limits,
    ("GET", "/paper/usage"): get_usage,
    ("PUT", "/paper/ban"): ban_addresses,
    ("PUT", "/paper/statuses"): put_statuses,
    ("PUT", "/paper/latency"): put_latency,
    ("GET", "/paper/orders"): get_orders,
    ("PATCH", "/paper/orders/{apiKey}"): change_order,
    ("GET", "/paper/positions"): get_positions,
}
