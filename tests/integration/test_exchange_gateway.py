"""Test the ccxt gateway against the paper exchange, with signed requests in the format of Binance."""

import hashlib
import hmac
import logging
import time
import traceback
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from local.doubles.binance import PaperExchange
from purser.errors import (
    ExchangeAuthorizationFailed,
    ExchangeBadRequest,
    ExchangeError,
    ExchangeRateLimited,
    ExchangeSymbolInvalid,
    ExchangeUnavailable,
)
from purser.exchanges import transport
from purser.exchanges.ccxt_gateway import CcxtGateway
from purser.exchanges.model import AccountBalance, ApiCredential, AssetBalance, TradeType
from purser.exchanges.valuation import value_usd
from tests.support.budget import own_budget
from tests.support.local_system import eventually
from tests.support.paper import is_open

SPOT, FUTURES = TradeType.SPOT, TradeType.FUTURES
BOTH = pytest.mark.parametrize("trade_type", TradeType)
ACCOUNT_PATH = {SPOT: "/api/v3/account", FUTURES: "/fapi/v3/account"}


class Paper:
    """The control API of a paper exchange, and orders that the owner of a key places directly."""

    def __init__(self, url: str) -> None:
        self.url = url

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, self.url + path, json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def key(self, **description: Any) -> ApiCredential:
        answer = self.control("POST", "/paper/keys", description)
        return ApiCredential(answer["apiKey"], answer["secret"])

    def change_key(self, credential: ApiCredential, **description: Any) -> None:
        self.control("PATCH", f"/paper/keys/{credential.api_key}", description)

    def fault(self, path: str, kind: str, **more: Any) -> None:
        self.control("POST", "/paper/faults", {"path": path, "times": 1, "kind": kind, **more})

    def asked(self) -> list[str]:
        return [f"{request['method']} {request['path']}" for request in self.control("GET", "/paper/requests")]

    def open_orders(self, credential: ApiCredential) -> list[dict[str, Any]]:
        orders = self.control("GET", f"/paper/orders?apiKey={credential.api_key}")
        return [order for order in orders if is_open(order)]

    def order(self, credential: ApiCredential, path: str, **order: Any) -> None:
        query = urllib.parse.urlencode(order | {"timestamp": int(time.time() * 1000)})
        signature = hmac.new(credential.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        headers = {"X-MBX-APIKEY": credential.api_key, "Content-Type": "application/x-www-form-urlencoded"}
        answer = requests.post(f"{self.url}{path}", f"{query}&signature={signature}", headers=headers, timeout=60)
        answer.raise_for_status()


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[Paper]:
    with PaperExchange(tmp_path) as exchange, exchange.serve() as served:
        yield Paper(served.url)


@pytest.fixture
def gateway(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> Iterator[CcxtGateway]:
    monkeypatch.setattr(transport, "SOON_S", 60)
    gateway = CcxtGateway(budget=own_budget(), endpoint=paper.url, timeout=60)
    yield gateway
    gateway.close()


def balance_of(balance: AccountBalance, asset: str) -> AssetBalance:
    return next(found for found in balance.balances if found.asset == asset)


def refusal_of(ask: Callable[[], object]) -> ExchangeError:
    with pytest.raises(ExchangeError) as refused:
        ask()
    return refused.value


# ---- valid keys


@BOTH
def test_checking_a_key_returns_its_balance_and_permissions(
    paper: Paper, gateway: CcxtGateway, trade_type: TradeType
) -> None:
    credential = paper.key(balances={"spot": {"USDT": "2383.52587258"}, "futures": {"USDT": "17.00000001"}})
    check = gateway.check_key(credential, trade_type)
    assert not check.may_withdraw
    total = Decimal("2383.52587258" if trade_type is SPOT else "17.00000001")
    assert balance_of(check.balance, "USDT") == AssetBalance("USDT", total, Decimal(0), total)
    assert paper.asked() == ["GET /sapi/v1/account/apiRestrictions", f"GET {ACCOUNT_PATH[trade_type]}"]


def test_balances_with_many_digits_are_exact(paper: Paper, gateway: CcxtGateway) -> None:
    amount = "99999999999999999999.12345678"
    credential = paper.key(balances={"spot": {"BTC": amount}})
    assert balance_of(gateway.account_balance(credential, SPOT), "BTC").total == Decimal(amount)


def test_a_balance_is_valued_exactly_at_the_prices_of_the_exchange(paper: Paper, gateway: CcxtGateway) -> None:
    paper.control("PUT", "/paper/prices", {"BTC/USDT": "19191.9", "USDC/USDT": "1.0002"})
    credential = paper.key(balances={"spot": {"USDT": "1000.2", "BTC": "0.5", "USDC": "7"}})
    valuation = value_usd(gateway.account_balance(credential, SPOT), gateway.prices())
    assert valuation.unpriced == ()
    exact = Decimal("0.5") * Decimal("19191.9") / Decimal("1.0002") + 1000 + 7
    assert valuation.total_usd == exact.quantize(Decimal("1E-8"))


def test_strange_assets_are_valued_and_markets_that_do_not_trade_have_no_price(
    paper: Paper, gateway: CcxtGateway
) -> None:
    paper.control("PUT", "/paper/prices", {"BTC/USDT": "20000", "USDC/USDT": "1", "USDT/TRY": "40"})
    credential = paper.key(balances={"spot": {"TRY": "42100", "LDUSDT": "3", "LDBTC": "0.1", "NAV": "100000"}})
    valuation = value_usd(gateway.account_balance(credential, SPOT), gateway.prices())
    assert (valuation.total_usd, valuation.unpriced) == (Decimal("3055.5"), ("NAV",))
    listed = requests.get(f"{paper.url}/api/v3/ticker/price", timeout=60).json()
    assert "NAVUSDT" in {row["symbol"] for row in listed}
    day = 86_400_000
    assert gateway.daily_closes("NAV/USDT", 1_700_000_000_000, 1_700_000_000_000 + 9 * day) == {}


@pytest.mark.parametrize(
    ("futures", "total"),
    [
        ({"USDC": "500", "BNFCR": "695"}, Decimal(1195)),
        ({"USDT": "1000", "BNFCR": "-400"}, Decimal(600)),
        ({"LDUSDT": "7", "BTC": "0.1"}, Decimal(2007)),
    ],
)
def test_a_multi_assets_account_is_worth_what_the_venue_totals(
    paper: Paper, gateway: CcxtGateway, futures: dict[str, str], total: Decimal
) -> None:
    paper.control("PUT", "/paper/prices", {"BTC/USDT": "20000", "USDC/USDT": "1"})
    credential = paper.key(multiAssets=True, balances={"futures": futures})
    valuation = value_usd(gateway.account_balance(credential, FUTURES), gateway.prices())
    assert (valuation.total_usd, valuation.unpriced) == (total, ())


def test_a_key_with_the_permission_to_withdraw_is_recognized(paper: Paper, gateway: CcxtGateway) -> None:
    assert gateway.check_key(paper.key(withdrawals=True), SPOT).may_withdraw
    assert not gateway.check_key(paper.key(withdrawals=False), SPOT).may_withdraw


def test_concurrent_reads_return_the_balance_of_their_own_key(paper: Paper, gateway: CcxtGateway) -> None:
    keys = [paper.key(balances={"spot": {"USDT": str(number)}}) for number in range(1, 25)]
    with ThreadPoolExecutor(8) as pool:
        balances = pool.map(lambda key: balance_of(gateway.account_balance(key, SPOT), "USDT").total, keys)
        assert list(balances) == list(range(1, 25))


# ---- refused keys


@BOTH
def test_a_wrong_secret_is_an_authorization_failure(paper: Paper, gateway: CcxtGateway, trade_type: TradeType) -> None:
    credential = ApiCredential(paper.key().api_key, "w" * 64)
    error = refusal_of(lambda: gateway.account_balance(credential, trade_type))
    assert (type(error), error.venue_code) == (ExchangeAuthorizationFailed, "-1022")
    assert type(refusal_of(lambda: gateway.check_key(credential, trade_type))) is ExchangeAuthorizationFailed


@BOTH
@pytest.mark.parametrize(("api_key", "code"), [("x" * 64, "-2008"), ("short", "-2014")])
def test_an_unknown_key_is_an_authorization_failure(
    gateway: CcxtGateway, trade_type: TradeType, api_key: str, code: str
) -> None:
    error = refusal_of(lambda: gateway.account_balance(ApiCredential(api_key, "s" * 64), trade_type))
    assert (type(error), error.venue_code) == (ExchangeAuthorizationFailed, code)


@BOTH
def test_a_revoked_key_is_an_authorization_failure(paper: Paper, gateway: CcxtGateway, trade_type: TradeType) -> None:
    credential = paper.key(balances={"spot": {"USDT": "1"}})
    gateway.account_balance(credential, trade_type)
    paper.change_key(credential, revoked=True)
    error = refusal_of(lambda: gateway.account_balance(credential, trade_type))
    assert (type(error), error.venue_code) == (ExchangeAuthorizationFailed, "-2008")


def test_a_key_without_the_permission_for_futures_is_an_authorization_failure_for_futures_only(
    paper: Paper, gateway: CcxtGateway
) -> None:
    credential = paper.key(futures=False, balances={"spot": {"USDT": "1"}})
    assert type(refusal_of(lambda: gateway.check_key(credential, FUTURES))) is ExchangeAuthorizationFailed
    gateway.check_key(credential, SPOT)


def test_a_key_for_other_ip_addresses_is_an_authorization_failure(paper: Paper, gateway: CcxtGateway) -> None:
    credential = paper.key(ips=["203.0.113.7"])
    assert type(refusal_of(lambda: gateway.account_balance(credential, SPOT))) is ExchangeAuthorizationFailed


# ---- markets


@BOTH
def test_a_ticker_has_exact_prices_and_the_current_time(
    paper: Paper, gateway: CcxtGateway, trade_type: TradeType
) -> None:
    paper.control("PUT", "/paper/prices", {"BTC/USDT": "19191.9"})
    ticker = gateway.ticker("BTC/USDT", trade_type)
    assert (ticker.symbol, ticker.last, ticker.close) == ("BTC/USDT", Decimal("19191.9"), Decimal("19191.9"))
    assert ticker.open is not None
    assert ticker.last is not None
    assert ticker.change == ticker.last - ticker.open
    assert abs(time.time() * 1000 - ticker.timestamp) < 60_000


@BOTH
@pytest.mark.parametrize("symbol", ["BT/CUSDT", "NO/SUCH", "btc/usdt"])
def test_an_unlisted_symbol_is_invalid(gateway: CcxtGateway, trade_type: TradeType, symbol: str) -> None:
    with pytest.raises(ExchangeSymbolInvalid):
        gateway.ticker(symbol, trade_type)


def test_a_symbol_that_the_venue_refuses_is_invalid(paper: Paper, gateway: CcxtGateway) -> None:
    paper.fault("/fapi/v1/ticker/24hr", "reject", code=-1121)
    error = refusal_of(lambda: gateway.ticker("BTC/USDT", FUTURES))
    assert (type(error), error.venue_code) == (ExchangeSymbolInvalid, "-1121")


# ---- outages and limits


@BOTH
@pytest.mark.parametrize(("kind", "sent"), [("http_503", 1), ("timeout_before", 2), ("timeout_after", 2)])
def test_an_outage_is_a_retryable_error(
    paper: Paper, gateway: CcxtGateway, trade_type: TradeType, kind: str, sent: int
) -> None:
    credential = paper.key(balances={"spot": {"USDT": "1"}, "futures": {"USDT": "1"}})
    paper.fault(ACCOUNT_PATH[trade_type], kind, times=sent)
    assert type(refusal_of(lambda: gateway.account_balance(credential, trade_type))) is ExchangeUnavailable
    assert len(paper.asked()) == sent
    assert balance_of(gateway.account_balance(credential, trade_type), "USDT").total == 1


@BOTH
@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after"])
def test_a_read_whose_connection_is_dropped_is_sent_once_more(
    paper: Paper, gateway: CcxtGateway, trade_type: TradeType, kind: str
) -> None:
    credential = paper.key(balances={"spot": {"USDT": "1"}, "futures": {"USDT": "1"}})
    paper.fault(ACCOUNT_PATH[trade_type], kind)
    assert balance_of(gateway.account_balance(credential, trade_type), "USDT").total == 1
    assert len(paper.asked()) == 2


def test_a_read_whose_connection_is_dropped_late_is_not_sent_again(
    paper: Paper, gateway: CcxtGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "SOON_S", 0)
    credential = paper.key()
    paper.fault("/api/v3/account", "timeout_before")
    assert type(refusal_of(lambda: gateway.account_balance(credential, SPOT))) is ExchangeUnavailable
    assert len(paper.asked()) == 1


def test_a_slow_venue_is_unavailable(paper: Paper) -> None:
    credential = paper.key()
    paper.fault("/api/v3/account", "slow", delayMs=120_000)
    gateway = CcxtGateway(budget=own_budget(), endpoint=paper.url, timeout=0.5)
    assert type(refusal_of(lambda: gateway.account_balance(credential, SPOT))) is ExchangeUnavailable
    gateway.close()


@BOTH
def test_a_wrong_clock_is_unavailable_and_not_an_authorization_failure(
    paper: Paper, gateway: CcxtGateway, trade_type: TradeType
) -> None:
    paper.fault(ACCOUNT_PATH[trade_type], "reject", code=-1021)
    assert type(refusal_of(lambda: gateway.account_balance(paper.key(), trade_type))) is ExchangeUnavailable


@pytest.mark.parametrize("code", [None, 418])
def test_a_rate_limit_stops_all_requests_for_the_time_that_the_venue_asks_for(
    paper: Paper, gateway: CcxtGateway, code: int | None
) -> None:
    credential = paper.key()
    paper.fault("/api/v3/account", "rate_limit", code=code, delayMs=1000)
    error = refusal_of(lambda: gateway.account_balance(credential, SPOT))
    assert isinstance(error, ExchangeRateLimited)
    assert error.retry_after == 1
    asked = len(paper.asked())
    assert isinstance(refusal_of(gateway.prices), ExchangeRateLimited)
    assert len(paper.asked()) == asked, "nothing is sent meanwhile"

    def open_again() -> bool:
        with suppress(ExchangeRateLimited):
            gateway.account_balance(credential, SPOT)
            return True
        return False

    assert eventually(open_again)


def test_exceeding_the_weight_limit_is_a_rate_limit(paper: Paper, gateway: CcxtGateway) -> None:
    paper.control("PUT", "/paper/limits", {"spot": 10})
    gateway.prices()
    error = refusal_of(lambda: gateway.account_balance(paper.key(), SPOT))
    assert isinstance(error, ExchangeRateLimited)
    assert 0 < error.retry_after <= 60


# ---- cancelling


def limit(symbol: str, price: str, quantity: str) -> dict[str, str]:
    return {
        "symbol": symbol,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": price,
        "quantity": quantity,
    }


def test_cancelling_cancels_all_spot_orders_of_the_key_only(paper: Paper, gateway: CcxtGateway) -> None:
    paper.control("PUT", "/paper/prices", {"BTC/USDT": "20000", "ETH/USDT": "1300"})
    credential = paper.key(balances={"spot": {"USDT": "10000"}})
    bystander = paper.key(balances={"spot": {"USDT": "10000"}})
    for customer in (credential, bystander):
        paper.order(customer, "/api/v3/order", **limit("BTCUSDT", "18000", "0.1"))
        paper.order(customer, "/api/v3/order", **limit("BTCUSDT", "18001", "0.1"))
        paper.order(customer, "/api/v3/order", **limit("ETHUSDT", "1200", "1"))
    assert gateway.cancel_all_orders(credential, SPOT) == 3
    assert paper.open_orders(credential) == []
    assert len(paper.open_orders(bystander)) == 3
    assert gateway.cancel_all_orders(credential, SPOT) == 0
    assert balance_of(gateway.account_balance(credential, SPOT), "USDT").free == 10000


def test_cancelling_cancels_all_futures_orders_and_keeps_the_position(paper: Paper, gateway: CcxtGateway) -> None:
    paper.control("PUT", "/paper/prices", {"BTC/USDT": "20000", "ETH/USDT": "1300"})
    credential = paper.key(balances={"futures": {"USDT": "10000"}})
    paper.order(credential, "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.010")
    paper.order(credential, "/fapi/v1/order", **limit("ETHUSDT", "1200", "1"))
    paper.order(
        credential,
        "/fapi/v1/algoOrder",
        algoType="CONDITIONAL",
        symbol="BTCUSDT",
        side="SELL",
        type="STOP_MARKET",
        quantity="0.010",
        triggerPrice="19000",
        reduceOnly="true",
    )
    assert gateway.cancel_all_orders(credential, FUTURES) == 2
    assert paper.open_orders(credential) == []
    assert len(paper.control("GET", f"/paper/positions?apiKey={credential.api_key}")) == 1
    assert gateway.cancel_all_orders(credential, FUTURES) == 0
    balance = balance_of(gateway.account_balance(credential, FUTURES), "USDT")
    paper.control("PUT", "/paper/prices", {"BTC/USDT": "21000"})
    assert balance_of(gateway.account_balance(credential, FUTURES), "USDT").total == balance.total + 10


def test_cancelling_can_be_repeated_after_a_timeout(paper: Paper, gateway: CcxtGateway) -> None:
    credential = paper.key(balances={"spot": {"USDT": "10000"}})
    paper.control("PUT", "/paper/prices", {"BTC/USDT": "20000"})
    paper.order(credential, "/api/v3/order", **limit("BTCUSDT", "18000", "0.1"))
    paper.fault("/api/v3/openOrders", "timeout_after", method="DELETE")
    assert type(refusal_of(lambda: gateway.cancel_all_orders(credential, SPOT))) is ExchangeUnavailable
    assert paper.asked().count("DELETE /api/v3/openOrders") == 1, "only reads are sent twice"
    assert gateway.cancel_all_orders(credential, SPOT) == 0
    assert paper.open_orders(credential) == []


# ---- secrets


@pytest.mark.parametrize("kind", ["http_503", "rate_limit", "reject", "timeout_before", "timeout_after"])
def test_key_and_secret_are_in_no_log_and_no_error(
    paper: Paper,
    gateway: CcxtGateway,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    credential = paper.key(balances={"spot": {"USDT": "1"}})
    gateway.account_balance(credential, SPOT)
    paper.fault("/api/v3/account", kind, times=2)
    error = refusal_of(lambda: gateway.account_balance(credential, SPOT))
    output = "".join(traceback.format_exception(error)) + caplog.text + "".join(capsys.readouterr())
    assert credential.secret not in output
    assert credential.api_key not in output
    assert "signature" not in output
    if kind == "reject":
        assert type(error) in (ExchangeBadRequest, ExchangeUnavailable)
