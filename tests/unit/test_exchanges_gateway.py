"""The ccxt gateway against a scripted venue."""

import logging
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import purser
from purser.errors import (
    ExchangeAuthorizationFailed,
    ExchangeBadRequest,
    ExchangeError,
    ExchangeRateLimited,
    ExchangeSymbolInvalid,
    ExchangeUnavailable,
)
from purser.exchanges import transport
from purser.exchanges.ccxt_gateway import CcxtGateway, Pacers
from purser.exchanges.model import ApiCredential, AssetBalance, Prices, TradeType
from purser.exchanges.pacing import WeightPacer
from tests.support.budget import own_budget
from tests.support.venue import Reply, Venue, fault, serve

SPOT, FUTURES = TradeType.SPOT, TradeType.FUTURES
SECRET = "s" * 63 + "Z"
CREDENTIAL = ApiCredential("k" * 64, SECRET)

PERMISSIONS = {
    "ipRestrict": True,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableFutures": True,
    "enableSpotAndMarginTrading": True,
}
FUTURES_TICKER = {
    "symbol": "BTCUSDT",
    "priceChange": "-24.13",
    "priceChangePercent": "-0.123",
    "weightedAvgPrice": "19749.02184908",
    "lastPrice": "19669.28",
    "lastQty": "0.015",
    "openPrice": "19693.41",
    "highPrice": "19947.56",
    "lowPrice": "19442.76",
    "volume": "280360.89577",
    "quoteVolume": "5536853456.188337",
    "openTime": 1663254540000,
    "closeTime": 1663340989057,
}
USDC_PRICE = {"symbol": "USDCUSDT", "price": "1.00020000"}


def market(base: str, quote: str, **more: Any) -> dict[str, Any]:
    return {"symbol": base + quote, "status": "TRADING", "baseAsset": base, "quoteAsset": quote, **more}


def listing(*markets: dict[str, Any]) -> dict[str, Any]:
    return {"symbols": list(markets)}


@pytest.fixture
def venue() -> Iterator[Venue]:
    with serve() as venue:
        yield venue


@pytest.fixture
def gateway(venue: Venue) -> Iterator[CcxtGateway]:
    gateway = CcxtGateway(budget=own_budget(), endpoint=venue.url, timeout=60)
    yield gateway
    gateway.close()


def refusal_of(ask: Callable[[], object]) -> ExchangeError:
    with pytest.raises(ExchangeError) as refused:
        ask()
    return refused.value


def balance_refusal(venue: Venue, gateway: CcxtGateway, reply: Any) -> ExchangeError:
    venue["GET /api/v3/account"] = reply
    return refusal_of(lambda: gateway.account_balance(CREDENTIAL, SPOT))


# ---- ticker


def test_a_ticker_keeps_the_figures_of_the_venue(venue: Venue, gateway: CcxtGateway) -> None:
    venue["GET /fapi/v1/exchangeInfo"] = listing(market("BTC", "USDT", contractType="PERPETUAL"))
    venue["GET /fapi/v1/ticker/24hr"] = FUTURES_TICKER
    ticker = gateway.ticker("BTC/USDT", FUTURES)
    assert ticker.symbol == "BTC/USDT"
    assert ticker.timestamp == 1663340989057
    assert ticker.high == Decimal("19947.56")
    assert ticker.low == Decimal("19442.76")
    assert ticker.vwap == Decimal("19749.02184908")
    assert ticker.open == Decimal("19693.41")
    assert ticker.close == ticker.last == Decimal("19669.28")
    assert ticker.change == Decimal("-24.13")
    assert ticker.percentage == Decimal("-0.123")
    assert ticker.average == Decimal("19681.345")
    assert ticker.base_volume == Decimal("280360.89577")
    assert ticker.quote_volume == Decimal("5536853456.188337")


def test_a_ticker_is_read_once_within_its_lifetime(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("purser.exchanges.ccxt_gateway.TICKER_LIFETIME", 3600)
    gateway = CcxtGateway(budget=own_budget(), endpoint=venue.url, timeout=60)
    venue["GET /fapi/v1/exchangeInfo"] = listing(market("BTC", "USDT", contractType="PERPETUAL"))
    venue["GET /fapi/v1/ticker/24hr"] = FUTURES_TICKER
    for _ in range(20):
        gateway.ticker("BTC/USDT", FUTURES)
    gateway.close()
    assert venue.asked == ["GET /fapi/v1/exchangeInfo", "GET /fapi/v1/ticker/24hr"]


@pytest.mark.parametrize(
    "symbol", ["BT/CUSDT", "BTCU/SDT", "BTC/", "/BTCUSDT", "BTCUSDT", "BTC/USDT/", "btc/usdt", "OLD/USDT", "ETH/USDT"]
)
def test_an_unlisted_pair_is_invalid_and_the_list_is_read_once(venue: Venue, gateway: CcxtGateway, symbol: str) -> None:
    venue["GET /api/v3/exchangeInfo"] = listing(market("BTC", "USDT"), market("OLD", "USDT") | {"status": "BREAK"})
    for _ in range(3):
        with pytest.raises(ExchangeSymbolInvalid):
            gateway.ticker(symbol, SPOT)
    assert venue.asked == ["GET /api/v3/exchangeInfo"]


def test_a_futures_symbol_means_the_perpetual_contract(venue: Venue, gateway: CcxtGateway) -> None:
    dated = market("BTC", "USDT", contractType="CURRENT_QUARTER") | {"symbol": "BTCUSDT_251226"}
    venue["GET /fapi/v1/exchangeInfo"] = listing(dated, market("BTC", "USDT", contractType="PERPETUAL"), dated)
    venue["GET /fapi/v1/ticker/24hr"] = FUTURES_TICKER
    gateway.ticker("BTC/USDT", FUTURES)
    assert venue.queries[-1] == {"symbol": ["BTCUSDT"]}


def test_a_symbol_that_the_venue_has_delisted_is_invalid(venue: Venue, gateway: CcxtGateway) -> None:
    venue["GET /fapi/v1/exchangeInfo"] = listing(market("BTC", "USDT", contractType="PERPETUAL"))
    venue["GET /fapi/v1/ticker/24hr"] = fault(-1121, "Invalid symbol.")
    error = refusal_of(lambda: gateway.ticker("BTC/USDT", FUTURES))
    assert type(error) is ExchangeSymbolInvalid
    assert error.venue_code == "-1121"


# ---- prices and balances


def test_all_prices_are_read_in_one_request(venue: Venue, gateway: CcxtGateway) -> None:
    venue["GET /api/v3/ticker/price"] = [
        {"symbol": "BTCUSDT", "price": "19191.90000000"},
        {"symbol": "USDCUSDT", "price": "1.00020000"},
    ]
    prices = gateway.prices()
    assert prices.last("BTC", "USDT") == Decimal("19191.9")
    assert prices.last("USDC", "USDT") == Decimal("1.0002")
    assert venue.asked == ["GET /api/v3/ticker/price"]
    assert venue.queries[0]["symbolStatus"] == ["TRADING"]


@pytest.mark.parametrize("price", ["0.00000000", None])
def test_prices_without_that_of_usdc_are_an_outage(venue: Venue, gateway: CcxtGateway, price: str | None) -> None:
    usdc = [{"symbol": "USDCUSDT", "price": price}] if price else []
    venue["GET /api/v3/ticker/price"] = [{"symbol": "BTCUSDT", "price": "19191.90000000"}, *usdc]
    with pytest.raises(ExchangeUnavailable):
        gateway.prices()


def test_balances_keep_thirty_digits(venue: Venue, gateway: CcxtGateway) -> None:
    free, locked = "123456789012345678901.123456789", "0.000000000000000000000000000001"
    venue["GET /api/v3/account"] = {"balances": [{"asset": "USDT", "free": free, "locked": locked}]}
    (usdt,) = gateway.account_balance(CREDENTIAL, SPOT).balances
    assert usdt == AssetBalance("USDT", Decimal(free), Decimal(locked), usdt.total)
    assert str(usdt.total) == "123456789012345678901.123456789000000000000000000001"


def test_assets_keep_the_names_of_the_venue(venue: Venue, gateway: CcxtGateway) -> None:
    names = ["YOYO", "XBT", "BCHSV", "LDUSDT", "1000SATS", "USDT"]
    venue["GET /api/v3/account"] = {"balances": [{"asset": name, "free": "1", "locked": "0"} for name in names]}
    assert [balance.asset for balance in gateway.account_balance(CREDENTIAL, SPOT).balances] == names


def test_the_balance_of_a_futures_account_is_its_margin_balance(venue: Venue, gateway: CcxtGateway) -> None:
    asset = {"asset": "USDT", "walletBalance": "100", "unrealizedProfit": "-130.5", "marginBalance": "-30.5"}
    margin = {"initialMargin": "20", "availableBalance": "0", "updateTime": 1664901896193}
    venue["GET /fapi/v3/account"] = {"assets": [asset | margin], "positions": []}
    balance = gateway.account_balance(CREDENTIAL, FUTURES)
    assert balance.trade_type is FUTURES
    assert balance.balances == (AssetBalance("USDT", Decimal(0), Decimal(20), Decimal("-30.5")),)


@pytest.mark.parametrize(
    ("assets", "total", "expected"),
    [
        ({"USDT": "1000", "USDC": "500"}, "1000", None),  # single-asset mode: the totals are those of USDT
        ({"USDT": "1000", "BNFCR": "-400"}, "600", Decimal(600)),
        ({"USDC": "500", "BNFCR": "695"}, "1195", Decimal(1195)),
        ({"BTC": "0.1"}, "6500", Decimal(6500)),
    ],
)
def test_the_balance_of_a_multi_assets_account_has_the_total_of_the_venue(
    venue: Venue, gateway: CcxtGateway, assets: dict[str, str], total: str, expected: Decimal | None
) -> None:
    margin = {"initialMargin": "0", "availableBalance": "0", "updateTime": 1664901896193}
    rows = [{"asset": a, "walletBalance": n, "marginBalance": n, **margin} for a, n in assets.items()]
    venue["GET /fapi/v3/account"] = {"assets": rows, "totalMarginBalance": total}
    assert gateway.account_balance(CREDENTIAL, FUTURES).total_usd == expected


def test_a_balance_is_read_in_one_signed_request(venue: Venue, gateway: CcxtGateway) -> None:
    venue["GET /api/v3/account"] = {"balances": []}
    gateway.account_balance(CREDENTIAL, SPOT)
    assert venue.asked == ["GET /api/v3/account"]
    assert {"timestamp", "signature"} <= set(venue.queries[0])


# ---- keys


def test_a_key_is_checked_with_two_requests(venue: Venue, gateway: CcxtGateway) -> None:
    venue["GET /sapi/v1/account/apiRestrictions"] = PERMISSIONS
    venue["GET /fapi/v3/account"] = {"assets": []}
    check = gateway.check_key(CREDENTIAL, FUTURES)
    assert not check.may_withdraw
    assert check.balance.balances == ()
    assert len(venue.asked) == 2


@pytest.mark.parametrize("value", [None, "false", 0, "missing"])
def test_an_unclear_withdrawal_permission_is_an_outage(venue: Venue, gateway: CcxtGateway, value: Any) -> None:
    permissions = PERMISSIONS | {"enableWithdrawals": value}
    if value == "missing":
        del permissions["enableWithdrawals"]
    venue["GET /sapi/v1/account/apiRestrictions"] = permissions
    with pytest.raises(ExchangeUnavailable):
        gateway.check_key(CREDENTIAL, SPOT)


@pytest.mark.parametrize("bad", ["ключ", "a b", "a\r\nX-Other: 1", "", "\ud800", "-----BEGIN PRIVATE KEY-----"])
def test_a_credential_that_cannot_be_sent_is_refused_without_asking(
    venue: Venue, gateway: CcxtGateway, bad: str
) -> None:
    for credential in (ApiCredential(bad, SECRET), ApiCredential("k" * 64, bad)):
        with pytest.raises(ExchangeAuthorizationFailed):
            gateway.account_balance(credential, SPOT)
    assert venue.asked == []


# ---- cancelling


def order(symbol: str) -> dict[str, Any]:
    return {"symbol": symbol, "orderId": 1}


def test_cancelling_covers_every_kind_of_order_in_every_market(venue: Venue, gateway: CcxtGateway) -> None:
    done = {"code": 200, "msg": "The operation of cancel all open order is done."}
    venue["GET /fapi/v1/openOrders"] = [order("BTCUSDT"), order("ETHUSDT"), order("BTCUSDT")]
    venue["GET /fapi/v1/openAlgoOrders"] = [order("BTCUSDT")]
    venue["DELETE /fapi/v1/allOpenOrders"] = done
    venue["DELETE /fapi/v1/algoOpenOrders"] = done
    assert gateway.cancel_all_orders(CREDENTIAL, FUTURES) == 4
    asked = list(zip(venue.asked, (query.get("symbol", [""])[0] for query in venue.queries), strict=True))
    assert asked == [
        ("GET /fapi/v1/openOrders", ""),
        ("DELETE /fapi/v1/allOpenOrders", "BTCUSDT"),
        ("DELETE /fapi/v1/allOpenOrders", "ETHUSDT"),
        ("GET /fapi/v1/openAlgoOrders", ""),
        ("DELETE /fapi/v1/algoOpenOrders", "BTCUSDT"),
    ]


def test_without_open_orders_nothing_is_cancelled(venue: Venue, gateway: CcxtGateway) -> None:
    venue["GET /api/v3/openOrders"] = []
    assert gateway.cancel_all_orders(CREDENTIAL, SPOT) == 0
    assert venue.asked == ["GET /api/v3/openOrders"]


def test_an_order_that_is_already_closed_is_not_a_failure(venue: Venue, gateway: CcxtGateway) -> None:
    venue["GET /api/v3/openOrders"] = [order("BTCUSDT")]
    venue["DELETE /api/v3/openOrders"] = fault(-2011, "Unknown order sent.")
    assert gateway.cancel_all_orders(CREDENTIAL, SPOT) == 0


def test_a_market_that_refuses_to_cancel_does_not_stop_the_others(venue: Venue, gateway: CcxtGateway) -> None:
    venue["GET /api/v3/openOrders"] = [order("AAAUSDT"), order("BTCUSDT")]
    venue["DELETE /api/v3/openOrders"] = fault(-1013, "Market is closed.")
    error = refusal_of(lambda: gateway.cancel_all_orders(CREDENTIAL, SPOT))
    assert type(error) is ExchangeBadRequest
    assert venue.asked.count("DELETE /api/v3/openOrders") == 2


# ---- errors


@pytest.mark.parametrize("code", [-2015, -2014, -1022, -2008])
@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_rejected_key_is_an_authorization_failure(venue: Venue, gateway: CcxtGateway, code: int, status: int) -> None:
    error = balance_refusal(venue, gateway, fault(code, "Invalid API-key, IP, or permissions for action.", status))
    assert type(error) is ExchangeAuthorizationFailed
    assert error.venue_code == str(code)


def test_a_key_can_be_rejected_after_it_was_accepted(venue: Venue, gateway: CcxtGateway) -> None:
    venue["GET /api/v3/account"] = {"balances": []}
    gateway.account_balance(CREDENTIAL, SPOT)
    assert type(balance_refusal(venue, gateway, fault(-2015, "Invalid API-key.", 401))) is ExchangeAuthorizationFailed


@pytest.mark.parametrize("status", [401, 403, 407, 451, 400, 404, 302])
def test_a_status_without_an_error_code_of_the_venue_is_an_outage(
    venue: Venue, gateway: CcxtGateway, status: int
) -> None:
    page = Reply("<html>denied</html>", status, {"Content-Type": "text/html", "Location": "https://elsewhere.test/"})
    assert type(balance_refusal(venue, gateway, page)) is ExchangeUnavailable
    assert len(venue.asked) == 1, "no redirect is followed"


@pytest.mark.parametrize("reply", [fault(-1000, status=503), fault(-1121, status=500), Reply("", 502), Reply("{", 503)])
def test_a_5xx_is_an_outage_whatever_its_body(venue: Venue, gateway: CcxtGateway, reply: Reply) -> None:
    assert type(balance_refusal(venue, gateway, reply)) is ExchangeUnavailable


@pytest.mark.parametrize("code", [-1021, -1000, -1001, -1004, -1006, -1007, -1008, -1016])
def test_clock_errors_and_internal_errors_of_the_venue_are_an_outage(
    venue: Venue, gateway: CcxtGateway, code: int
) -> None:
    assert type(balance_refusal(venue, gateway, fault(code))) is ExchangeUnavailable


def test_a_refused_action_is_not_an_authorization_failure(venue: Venue, gateway: CcxtGateway) -> None:
    venue["GET /fapi/v3/account"] = fault(-4192, "Trade forbidden due to Cooling-off Period.")
    error = refusal_of(lambda: gateway.account_balance(CREDENTIAL, FUTURES))
    assert type(error) is ExchangeBadRequest
    assert error.venue_code == "-4192"
    assert str(error) == "exchange bad request: Trade forbidden due to Cooling-off Period."


def test_the_message_of_the_venue_is_truncated_and_printable(venue: Venue, gateway: CcxtGateway) -> None:
    error = balance_refusal(venue, gateway, fault(-1102, "a\nb\x00" + "x " * 5000))
    assert str(error).startswith("exchange bad request: abx x x")
    assert len(str(error)) < 250


@pytest.mark.parametrize("status", [429, 418])
@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("259200", 259200), (None, 60), ("soon", 60), ("-1", 60)])
def test_a_rate_limit_closes_the_venue_for_the_time_it_names(
    venue: Venue, gateway: CcxtGateway, status: int, header: str | None, seconds: int
) -> None:
    reply = fault(-1003, "Too much request weight used.", status, **({"Retry_After": header} if header else {}))
    error = balance_refusal(venue, gateway, reply)
    assert isinstance(error, ExchangeRateLimited)
    assert error.retry_after == seconds
    again = refusal_of(lambda: gateway.account_balance(CREDENTIAL, SPOT))
    assert isinstance(again, ExchangeRateLimited)
    assert seconds - 2 < again.retry_after <= seconds
    assert len(venue.asked) == 1, "while closed, nothing is sent"
    venue["GET /fapi/v3/account"] = {"assets": []}
    gateway.account_balance(CREDENTIAL, FUTURES)  # another limit


@pytest.mark.parametrize(
    ("reply", "closes"),
    [
        (fault(-1003, status=429), True),
        (fault(-1003, status=418), True),
        (fault(-1015, status=418), True),
        (Reply("<html>", 429), True),
        (Reply("", 418), True),
        (fault(-1015, "Too many new orders.", 429, Retry_After="7"), False),
        (fault(-1034, status=429), False),
    ],
    ids=lambda given: f"{given.status} {given.text}" if isinstance(given, Reply) else str(given),
)
def test_only_a_limit_of_the_whole_address_closes_the_venue(
    venue: Venue, gateway: CcxtGateway, reply: Reply, closes: bool
) -> None:
    error = balance_refusal(venue, gateway, reply)
    assert isinstance(error, ExchangeRateLimited)
    assert error.retry_after == float(reply.headers.get("Retry-After", 60))
    venue["GET /api/v3/ticker/price"] = [USDC_PRICE]
    if closes:
        assert isinstance(refusal_of(gateway.prices), ExchangeRateLimited)
    else:
        assert gateway.prices() == Prices({"USDCUSDT": Decimal("1.0002")})


@pytest.mark.parametrize(
    "body",
    [
        *("", "not json", "<html></html>", "[]", "{}", "null", '"text"', "[1]", "{"),
        *('{"balances": {}}', '{"balances": null}', '{"balances": [1]}', '{"balances": [{"asset": "USDT"}]}'),
        '{"balances": [{"asset": "USDT", "free": "NaN", "locked": "0"}]}',
        '{"balances": [{"asset": "USDT", "free": "x", "locked": "0"}]}',
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/html", "application/octet-stream"])
def test_an_unreadable_balance_is_an_outage_and_not_an_empty_balance(
    venue: Venue, gateway: CcxtGateway, body: str, content_type: str
) -> None:
    reply = Reply(body, headers={"Content-Type": content_type})
    assert isinstance(balance_refusal(venue, gateway, reply), ExchangeUnavailable)


@pytest.mark.parametrize("body", ["", "[]x", "{}", "[1]", "[{}]", '[{"symbol": "A", "price": 1.5}]', '"text"'])
def test_unreadable_prices_are_an_outage(venue: Venue, gateway: CcxtGateway, body: str) -> None:
    venue["GET /api/v3/ticker/price"] = Reply(body)
    with pytest.raises(ExchangeUnavailable):
        gateway.prices()


@pytest.mark.parametrize("body", ["", "{}", "<html></html>", "[1]"])
def test_an_unreadable_list_of_open_orders_is_an_outage(venue: Venue, gateway: CcxtGateway, body: str) -> None:
    venue["GET /api/v3/openOrders"] = Reply(body)
    with pytest.raises(ExchangeUnavailable):
        gateway.cancel_all_orders(CREDENTIAL, SPOT)


def test_a_venue_that_does_not_answer_in_time_is_an_outage(venue: Venue) -> None:
    venue["GET /api/v3/account"] = Reply({"balances": []}, delay=120)
    gateway = CcxtGateway(budget=own_budget(), endpoint=venue.url, timeout=0.5)
    assert type(refusal_of(lambda: gateway.account_balance(CREDENTIAL, SPOT))) is ExchangeUnavailable
    assert len(venue.asked) == 1, "nothing is sent twice"
    gateway.close()


def test_an_unreachable_venue_is_an_outage() -> None:
    gateway = CcxtGateway(budget=own_budget(), endpoint="http://127.0.0.1:9", timeout=1)
    assert type(refusal_of(gateway.prices)) is ExchangeUnavailable
    gateway.close()


# ---- the connection


def test_calls_share_one_connection(venue: Venue, gateway: CcxtGateway) -> None:
    venue["GET /api/v3/account"] = {"balances": []}
    for _ in range(5):
        gateway.account_balance(CREDENTIAL, SPOT)
    assert len(venue.connections) == 1


def test_an_idle_connection_is_not_used_again(
    venue: Venue, gateway: CcxtGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue["GET /api/v3/ticker/price"] = [USDC_PRICE]
    gateway.prices()
    monkeypatch.setattr(transport, "IDLE_LIMIT", -1.0)
    gateway.prices()
    assert len(venue.connections) == 2


def test_requests_spend_the_weight_that_the_venue_counts(venue: Venue) -> None:
    pacers: Pacers = {SPOT: WeightPacer(100), FUTURES: WeightPacer(100)}
    gateway = CcxtGateway(budget=own_budget(), endpoint=venue.url, pacers=lambda _: pacers)
    venue["GET /api/v3/ticker/price"] = [USDC_PRICE]
    venue["GET /api/v3/account"] = {"balances": []}
    venue["GET /fapi/v3/account"] = {"assets": []}
    gateway.prices()
    gateway.account_balance(CREDENTIAL, SPOT)
    gateway.account_balance(CREDENTIAL, FUTURES)
    assert (pacers[SPOT]._spent, pacers[FUTURES]._spent) == (24, 5)
    gateway.close()


# ---- secrets


@pytest.mark.parametrize(
    "reply",
    [
        *(fault(-2015, status=401), fault(-9999), fault(-1003, status=429), Reply("", 503), Reply("<html>", 403)),
        *(Reply("[", 200), Reply({"balances": []}, delay=120)),
    ],
)
def test_errors_and_logs_contain_nothing_of_a_signed_request(
    venue: Venue, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], reply: Reply
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway = CcxtGateway(budget=own_budget(), endpoint=venue.url, timeout=1)
    error = balance_refusal(venue, gateway, reply)
    assert error.__context__ is None
    assert error.__cause__ is None
    output = "".join(traceback.format_exception(error)) + repr(vars(error)) + caplog.text + "".join(capsys.readouterr())
    for hidden in (SECRET, CREDENTIAL.api_key, "signature", *venue.queries[0]["signature"]):
        assert hidden not in output
    gateway.close()


def test_importing_the_gateway_imports_no_ccxt() -> None:
    code = "import sys, purser.exchanges.ccxt_gateway; print(sorted({'ccxt', 'requests'} & set(sys.modules)))"
    home = str(Path(purser.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": home}, capture_output=True, check=True)
    assert done.stdout.split() == [b"[]"]
