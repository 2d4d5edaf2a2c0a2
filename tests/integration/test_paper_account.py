"""Test the paper exchange through ccxt: authentication, accounts, markets, prices and account snapshots."""

import hashlib
import hmac
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from ccxt.base import errors

from local.doubles.binance import PaperExchange, Served
from local.doubles.binance.testing import ccxt_client

DAY = 86_400_000


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with PaperExchange() as exchange, exchange.serve() as served:
        served.control.limits(spot=1_000_000, futures=1_000_000, snapshots=1_000_000)
        yield served


def signed_get(served: Served, key: dict[str, str], path: str, **changes: str) -> requests.Response:
    """Send a signed request of which any part can be made wrong."""
    query = f"timestamp={changes.get('timestamp', time.time_ns() // 1_000_000)}"
    signature = hmac.new(changes.get("secret", key["secret"]).encode(), query.encode(), hashlib.sha256).hexdigest()
    headers = {"X-MBX-APIKEY": changes.get("api_key", key["apiKey"])}
    return requests.get(f"{served.url}{path}?{query}&signature={signature}", headers=headers, timeout=60)


def test_a_new_key_has_the_format_of_binance_and_its_own_secret(served: Served) -> None:
    one, two = served.control.key(), served.control.key()
    assert len(one["apiKey"]) == len(one["secret"]) == 64
    assert (one["apiKey"] + one["secret"]).isalnum()
    assert one["secret"] != two["secret"]


def test_spot_balance_is_exact(served: Served) -> None:
    key = served.control.key(spot={"USDT": "2383.52587258", "BTC": "0.5"})
    balance = ccxt_client(served.url, key).fetch_balance()
    assert balance["USDT"] == {"free": Decimal("2383.52587258"), "used": 0, "total": Decimal("2383.52587258")}
    assert balance["total"]["BTC"] == Decimal("0.5")
    assert balance["total"]["ETH"] == 0


def test_zero_balances_are_listed_unless_omitted(served: Served) -> None:
    client = ccxt_client(served.url, served.control.key(spot={"BTC": "1"}))
    assert len(client.privateGetAccount()["balances"]) > 40
    assert client.privateGetAccount({"omitZeroBalances": "true"})["balances"] == [
        {"asset": "BTC", "free": "1.00000000", "locked": "0.00000000"}
    ]


def test_futures_balance_is_exact_in_every_version_of_the_endpoint(served: Served) -> None:
    key = served.control.key(futures={"USDT": "5000", "BNB": "1.5"})
    client = ccxt_client(served.url, key, "swap")
    for version in ({}, {"useV2": True}):
        balance = client.fetch_balance(version)
        assert balance["USDT"]["total"] == balance["USDT"]["free"] == 5000
        assert balance["BNB"]["total"] == Decimal("1.5")
    rows = {row["asset"]: row for row in client.fapiPrivateV2GetBalance()}
    assert rows["USDT"]["balance"] == "5000.00000000"


def test_api_restrictions_show_the_permissions_of_the_key(served: Served) -> None:
    key = served.control.key(withdrawals=True, may_trade_futures=False, ips=["127.0.0.1"])
    restrictions = ccxt_client(served.url, key).sapi_get_account_apirestrictions()
    assert (restrictions["enableWithdrawals"], restrictions["enableFutures"], restrictions["ipRestrict"]) == (
        True,
        False,
        True,
    )
    served.control.change_key(key["apiKey"], withdrawals=False, futures=True, ips=[])
    restrictions = ccxt_client(served.url, key).sapi_get_account_apirestrictions()
    assert (restrictions["enableWithdrawals"], restrictions["enableFutures"], restrictions["ipRestrict"]) == (
        False,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"secret": "wrong"}, 400, -1022),
        ({"api_key": "short"}, 401, -2014),
        ({"api_key": "a" * 64}, 401, -2008),
        ({"timestamp": "1"}, 400, -1021),
        ({"timestamp": str(time.time_ns() // 1_000_000 + DAY)}, 400, -1021),
        ({"timestamp": "soon"}, 400, -1100),
    ],
)
@pytest.mark.parametrize("path", ["/api/v3/account", "/fapi/v3/account", "/sapi/v1/account/apiRestrictions"])
def test_requests_with_a_wrong_key_signature_or_time_are_refused(
    served: Served, changes: dict[str, str], status: int, code: int, path: str
) -> None:
    answer = signed_get(served, served.control.key(), path, **changes)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_changed_body_of_a_signed_request_is_refused(served: Served) -> None:
    key = served.control.key(spot={"USDT": "100"})
    body = f"symbol=BTCUSDT&side=BUY&type=MARKET&quoteOrderQty=10&timestamp={time.time_ns() // 1_000_000}"
    signature = hmac.new(key["secret"].encode(), body.encode(), hashlib.sha256).hexdigest()
    tampered = body.replace("=10&", "=90&") + f"&signature={signature}"
    headers = {"X-MBX-APIKEY": key["apiKey"]}
    answer = requests.post(served.url + "/api/v3/order", data=tampered, headers=headers, timeout=60)
    assert answer.json()["code"] == -1022


def test_requests_without_key_or_signature_are_refused(served: Served) -> None:
    answer = requests.get(served.url + "/api/v3/account", timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (401, -2014)
    headers = {"X-MBX-APIKEY": served.control.key()["apiKey"]}
    answer = requests.get(served.url + "/api/v3/account", headers=headers, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (400, -1102)


def test_a_revoked_key_and_a_key_for_other_addresses_are_refused(served: Served) -> None:
    key = served.control.key()
    ccxt_client(served.url, key).fetch_balance()
    served.control.change_key(key["apiKey"], revoked=True)
    with pytest.raises(errors.AuthenticationError):
        ccxt_client(served.url, key).fetch_balance()
    elsewhere = served.control.key(ips=["203.0.113.7"])
    with pytest.raises(errors.AuthenticationError):
        ccxt_client(served.url, elsewhere).fetch_balance()


def test_a_key_without_futures_reaches_spot_only(served: Served) -> None:
    key = served.control.key(may_trade_futures=False)
    ccxt_client(served.url, key).fetch_balance()
    with pytest.raises(errors.AuthenticationError):
        ccxt_client(served.url, key, "swap").fetch_balance()


def test_ccxt_reads_all_markets_with_their_limits(served: Served) -> None:
    markets = ccxt_client(served.url).load_markets()
    spot = [market for market in markets.values() if market["spot"]]
    perpetuals = [market for market in markets.values() if market["swap"]]
    dated = [market for market in markets.values() if market["future"]]
    assert len(spot) >= 60
    assert len(perpetuals) >= 40
    assert len(dated) == 1
    assert {market["quote"] for market in spot} == {"USDT", "USDC", "BTC", "FDUSD", "TRY"}
    assert not markets["WAVES/USDT"]["active"]
    bitcoin = markets["BTC/USDT:USDT"]
    assert (bitcoin["precision"]["price"], bitcoin["precision"]["amount"]) == (Decimal("0.1"), Decimal("0.001"))
    assert bitcoin["limits"]["cost"]["min"] == 100
    for market in markets.values():
        limits = market["limits"]
        assert 0 < limits["amount"]["min"] < limits["amount"]["max"]
        assert 0 < limits["price"]["min"] < limits["price"]["max"]
        assert limits["cost"]["min"] > 0


def test_exchange_info_can_be_limited_to_symbols(served: Served) -> None:
    client = ccxt_client(served.url)

    def names(info: Any) -> list[str]:
        return [symbol["symbol"] for symbol in info["symbols"]]

    assert names(client.publicGetExchangeInfo({"symbol": "ETHBTC"})) == ["ETHBTC"]
    assert names(client.publicGetExchangeInfo({"symbols": '["BTCUSDT","BNBUSDC"]'})) == ["BTCUSDT", "BNBUSDC"]
    with pytest.raises(errors.BadSymbol):
        client.publicGetExchangeInfo({"symbol": "NOPE"})


def test_a_price_applies_to_spot_and_futures_markets(served: Served) -> None:
    served.control.prices(BTC_USDT="19191.9", ETH_BTC="0.05")
    spot, swap = ccxt_client(served.url), ccxt_client(served.url, kind="swap")
    for client, symbol in ((spot, "BTC/USDT"), (swap, "BTC/USDT:USDT")):
        ticker = client.fetch_ticker(symbol)
        assert ticker["last"] == ticker["close"] == Decimal("19191.9")
        assert ticker["low"] <= ticker["last"] <= ticker["high"]
        assert ticker["change"] == ticker["last"] - ticker["open"]
    assert spot.fetch_ticker("ETH/BTC")["last"] == Decimal("0.05")
    assert swap.fetch_mark_price("BTC/USDT:USDT")["markPrice"] == Decimal("19191.9")
    assert swap.fetch_ticker("BTC/USDT:USDT-281229")["last"] == Decimal("19191.9")


def test_a_price_off_the_grid_is_the_mark_price_and_rounds_on_the_market(served: Served) -> None:
    served.control.prices(BTC_USDT="19945.58508151")
    swap = ccxt_client(served.url, kind="swap")
    assert swap.fetch_mark_price("BTC/USDT:USDT")["markPrice"] == Decimal("19945.58508151")
    assert swap.fetch_ticker("BTC/USDT:USDT")["last"] == Decimal("19945.6")


def test_all_tickers_and_prices_can_be_read_at_once(served: Served) -> None:
    spot, swap = ccxt_client(served.url), ccxt_client(served.url, kind="swap")
    assert len(spot.fetch_tickers()) >= 60
    assert len(swap.fetch_tickers()) >= 40
    prices = {row["symbol"]: row["price"] for row in spot.publicGetTickerPrice()}
    assert prices["USDCUSDT"] == "1.00000000"
    assert "WAVESUSDT" in prices, "a market that does not trade is listed with its last price"
    trading = {row["symbol"] for row in spot.publicGetTickerPrice({"symbolStatus": "TRADING"})}
    assert set(prices) - trading == {"WAVESUSDT", "NAVUSDT"}
    assert set(spot.fetch_last_prices(["BTC/USDT", "ETH/USDT"])) == {"BTC/USDT", "ETH/USDT"}


def test_unknown_symbols_are_refused(served: Served) -> None:
    client = ccxt_client(served.url)
    for call in (client.publicGetTicker24hr, client.publicGetTickerPrice, client.fapiPublicGetPremiumIndex):
        with pytest.raises(errors.BadSymbol):
            call({"symbol": "NOPEUSDT"})


def test_daily_candles_are_consistent_and_end_at_the_current_price(served: Served) -> None:
    served.control.prices(SOL_USDT="123.45")
    for kind, symbol in (("spot", "SOL/USDT"), ("swap", "SOL/USDT:USDT")):
        candles = ccxt_client(served.url, kind=kind).fetch_ohlcv(symbol, "1d", limit=30)
        assert len(candles) == 30
        assert [candle[0] % DAY for candle in candles] == [0] * 30
        assert candles[-1][4] == Decimal("123.45")
        assert all(low <= min(opened, closed) <= high for _, opened, high, low, closed, _ in candles)
        assert candles[-1][1] == candles[-2][4]
    client = ccxt_client(served.url)
    start = candles[-10][0]
    assert client.fetch_ohlcv("SOL/USDT", "1d", since=start, limit=3)[0][0] == start


def test_account_snapshots_show_the_known_days_newest_first(served: Served) -> None:
    today = datetime.now(UTC).date()
    history = {
        str(today - timedelta(days=days)): {"spot": {"BTC": "0.1", "USDT": str(days)}, "futures": {"USDT": "7"}}
        for days in (1, 2, 5, 29, 40)
    }
    client = ccxt_client(served.url, served.control.key(spot={"USDT": "3"}, history=history))
    shown = client.sapiGetAccountSnapshot({"type": "SPOT", "limit": 30})["snapshotVos"]
    balances = [{row["asset"]: row["free"] for row in day["data"]["balances"]} for day in shown]
    assert [Decimal(day["USDT"]) for day in balances] == [29, 5, 2, 1]
    ends = [datetime.fromtimestamp(int(day["updateTime"]) / 1000, UTC).date() for day in shown]
    assert ends[-1] == today - timedelta(days=1)
    assert all(Decimal(day["data"]["totalAssetOfBtc"]) > Decimal("0.1") for day in shown)
    futures = client.sapiGetAccountSnapshot({"type": "FUTURES", "limit": 30})["snapshotVos"]
    assert futures[0]["data"]["assets"][0]["walletBalance"] == "7.00000000"
    since = int(time.time() * 1000) // DAY - 3
    some = client.sapiGetAccountSnapshot({"type": "SPOT", "limit": 30, "startTime": since * DAY})["snapshotVos"]
    assert len(some) == 2


def test_the_balances_of_a_day_are_stored_when_it_ends(tmp_path: Path) -> None:
    clock = [1_790_000_000_000]
    with PaperExchange(tmp_path, clock=lambda: clock[0]) as exchange, exchange.serve() as served:
        key = served.control.key(spot={"USDT": "10"}, futures={"USDT": "20"})
        served.control.prices(BTC_USDT="20000")
    clock[0] += 3 * DAY
    with PaperExchange(tmp_path, clock=lambda: clock[0]) as exchange, exchange.serve() as served:
        client = ccxt_client(served.url, key)
        client.nonce = lambda: clock[0]
        days = client.sapiGetAccountSnapshot({"type": "SPOT"})["snapshotVos"]
        assert [day["data"]["balances"][0]["free"] for day in days] == ["10.00000000"] * 3
        served.control.prices(BTC_USDT="30000")
        candles = client.publicGetKlines({"symbol": "BTCUSDT", "interval": "1d", "limit": 4})
        assert [Decimal(candle[4]) for candle in candles] == [20000, 20000, 20000, 30000]
