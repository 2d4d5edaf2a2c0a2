"""Test the control API of the paper exchange, its limits and faults, and its state after a restart or kill."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from ccxt.base import errors

from local.doubles.binance import ControlRefused, PaperControl, PaperExchange, Served
from local.doubles.binance.limits import Limits
from local.doubles.binance.testing import ccxt_client
from local.doubles.binance.wire import WireError
from tests.support.local_system import eventually

ROOT = Path(__file__).parents[2]
SYMBOL = "BTC/USDT:USDT"


@pytest.fixture
def served() -> Iterator[Served]:
    with PaperExchange() as exchange, exchange.serve() as served:
        served.control.prices(BTC_USDT="20000")
        yield served


@pytest.fixture
def key(served: Served) -> dict[str, str]:
    return served.control.key(spot={"USDT": "1000"}, futures={"USDT": "1000"})


def weight_after(served: Served, path: str) -> int:
    return int(requests.get(served.url + path, timeout=60).headers["X-MBX-USED-WEIGHT-1M"])


def test_requests_have_the_weights_of_binance(served: Served) -> None:
    served.control.limits(spot=6000)
    assert weight_after(served, "/api/v3/ping") == 1
    assert weight_after(served, "/api/v3/ticker/24hr") == 81
    assert weight_after(served, "/api/v3/ticker/price") == 85
    assert weight_after(served, "/api/v3/ticker/24hr?symbol=BTCUSDT") == 87
    assert weight_after(served, "/api/v3/exchangeInfo") == 107
    assert weight_after(served, "/fapi/v1/ticker/24hr") == 40
    candles = "/fapi/v1/klines?symbol=BTCUSDT&interval=1d"
    assert weight_after(served, f"{candles}&limit=99") == 41
    assert weight_after(served, f"{candles}&limit=100") == 43
    assert weight_after(served, candles) == 48
    assert weight_after(served, f"{candles}&limit=1001") == 58


def test_requests_beyond_the_limit_get_429_and_then_418_with_growing_waits(served: Served, key: dict[str, str]) -> None:
    served.control.limits(futures=10)
    client = ccxt_client(served.url, key, "swap")
    client.fapiPrivateV3GetAccount()
    client.fapiPrivateV3GetAccount()
    with pytest.raises(errors.DDoSProtection, match="429"):
        client.fapiPrivateV3GetAccount()
    answers = [requests.get(served.url + "/fapi/v1/ping", timeout=60) for _ in range(15)]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [429] * 4 + [418] * 11
    assert int(answers[0].headers["X-MBX-USED-WEIGHT-1M"]) > 10
    waits = [int(answer.headers["Retry-After"]) for answer in answers]
    assert 0 < waits[0] <= 60
    assert waits[4] in (119, 120)
    assert waits[-1] > 400
    ccxt_client(served.url, key).privateGetAccount()
    served.control.limits(futures=100)
    client.fapiPrivateV3GetAccount()


def test_an_order_has_no_weight_and_counts_for_its_account(served: Served, key: dict[str, str]) -> None:
    served.control.limits(futures=1000)
    client = ccxt_client(served.url, key, "swap")
    client.load_markets()
    before = weight_after(served, "/fapi/v1/ping")
    for count in (1, 2):
        client.create_order(SYMBOL, "market", "buy", "0.01")
        headers = client.last_response_headers
        assert headers["X-MBX-USED-WEIGHT-1M"] == str(before)
        assert (headers["X-MBX-ORDER-COUNT-10S"], headers["X-MBX-ORDER-COUNT-1M"]) == (str(count), str(count))
    other = ccxt_client(served.url, served.control.key(futures={"USDT": "1000"}), "swap")
    other.load_markets()
    other.create_order(SYMBOL, "market", "buy", "0.01")
    assert other.last_response_headers["X-MBX-ORDER-COUNT-1M"] == "1"


def test_orders_beyond_the_limits_of_an_account_get_1015_until_the_window_is_over() -> None:
    limits, start = Limits(), 1_800_000_000_000

    def place(orders: int, now: int) -> dict[str, int]:
        return [limits.count_orders("key", "futures", 1, now) for _ in range(orders)][-1]

    def is_refused(now: int) -> bool:
        with pytest.raises(WireError) as refusal:
            place(1, now)
        return (refusal.value.code, refusal.value.status) == (-1015, 429)

    for window in range(4):
        assert place(300, start + 10_000 * window) == {"10S": 300, "1M": 300 * (window + 1)}
        assert is_refused(start + 10_000 * window + 9_999)
    assert is_refused(start + 59_999)
    assert place(1, start + 60_000) == {"10S": 1, "1M": 1}
    assert limits.count_orders("key", "spot", 1, start) == {"10S": 1, "1D": 1}
    assert limits.count_orders("other", "futures", 5, start) == {"10S": 5, "1M": 1}, "a batch"


def test_account_snapshots_have_their_own_limit(served: Served, key: dict[str, str]) -> None:
    client = ccxt_client(served.url, key)
    served.control.limits(snapshots=2400, spot=20)
    client.sapiGetAccountSnapshot({"type": "SPOT"})
    client.privateGetAccount()
    served.control.limits(snapshots=2399)
    with pytest.raises(errors.DDoSProtection):
        client.sapiGetAccountSnapshot({"type": "FUTURES"})
    client.privateGetAccount()


def test_an_order_exists_after_the_fault_timeout_after(served: Served, key: dict[str, str]) -> None:
    client = ccxt_client(served.url, key, "swap")
    client.load_markets()
    served.control.fault("/fapi/v1/order", "timeout_after", method="POST")
    with pytest.raises(errors.NetworkError):
        client.create_order(SYMBOL, "market", "buy", "0.01", None, {"clientOrderId": "once"})
    assert client.fetch_order("", SYMBOL, {"clientOrderId": "once"})["status"] == "closed"


def test_no_order_exists_after_the_fault_timeout_before(served: Served, key: dict[str, str]) -> None:
    client = ccxt_client(served.url, key, "swap")
    client.load_markets()
    served.control.fault("/fapi/v1/order", "timeout_before", method="POST")
    with pytest.raises(errors.NetworkError):
        client.create_order(SYMBOL, "market", "buy", "0.01", None, {"clientOrderId": "never"})
    with pytest.raises(errors.OrderNotFound):
        client.fetch_order("", SYMBOL, {"clientOrderId": "never"})


@pytest.mark.parametrize(
    ("kind", "details", "error"),
    [
        ("http_503", {}, errors.ExchangeNotAvailable),
        ("rate_limit", {}, errors.DDoSProtection),
        ("rate_limit", {"code": 418}, errors.DDoSProtection),
        ("reject", {}, errors.InsufficientFunds),
        ("reject", {"code": -2015}, errors.AuthenticationError),
        ("reject", {"code": -1003}, errors.RateLimitExceeded),
    ],
)
def test_ccxt_raises_the_error_of_each_fault(
    served: Served, key: dict[str, str], kind: str, details: dict[str, int], error: type[Exception]
) -> None:
    client = ccxt_client(served.url, key, "swap")
    client.load_markets()
    served.control.fault("/fapi", kind, times=2, **details)
    for _ in range(2):
        with pytest.raises(error):
            client.create_order(SYMBOL, "market", "buy", "0.01")
    assert client.create_order(SYMBOL, "market", "buy", "0.01")["status"] == "closed"


def test_readings_that_lag_show_the_account_as_it_was(served: Served, key: dict[str, str]) -> None:
    client = ccxt_client(served.url, key, "swap")
    client.load_markets()
    served.control.fault("/fapi", "lag", times=4, apiKey=key["apiKey"])
    client.create_order(SYMBOL, "market", "buy", "0.01", None, {"clientOrderId": "late"})
    with pytest.raises(errors.OrderNotFound):
        client.fetch_order("", SYMBOL, {"clientOrderId": "late"})
    assert client.fetch_my_trades(SYMBOL) == []
    assert client.fapiPrivateGetOpenOrders() == []
    assert client.fapiPrivateV3GetPositionRisk() == []
    assert client.fetch_order("", SYMBOL, {"clientOrderId": "late"})["status"] == "closed"
    assert len(client.fapiPrivateV3GetPositionRisk()) == 1
    with pytest.raises(ControlRefused, match="apiKey"):
        served.control.fault("/fapi", "lag")


def test_a_fault_affects_only_its_key_and_path(served: Served, key: dict[str, str]) -> None:
    other = served.control.key()
    served.control.fault("/api/v3/account", "http_503", times=9, apiKey=key["apiKey"], skip=1)
    ccxt_client(served.url, other).privateGetAccount()
    ccxt_client(served.url, key).privateGetAccount()
    with pytest.raises(errors.ExchangeNotAvailable):
        ccxt_client(served.url, key).privateGetAccount()
    ccxt_client(served.url, key).publicGetTime()
    served.control.clear_faults()
    ccxt_client(served.url, key).privateGetAccount()


def test_a_fault_does_not_affect_paths_with_the_same_beginning(served: Served) -> None:
    served.control.fault("/api/v3/ticker/price", "http_503")
    served.control.fault("/fapi/v1/t", "http_503")
    assert requests.get(served.url + "/fapi/v1/time", timeout=60).status_code == 200
    assert requests.get(served.url + "/api/v3/ticker/price?symbol=BTCUSDT", timeout=60).status_code == 503


def test_a_slow_request_does_not_delay_others(served: Served) -> None:
    served.control.fault("/api/v3/time", "slow", delayMs=120_000)

    def ask() -> None:
        with suppress(requests.ConnectionError):  # The exchange ends before it answers.
            requests.get(served.url + "/api/v3/time", timeout=300)

    slow = threading.Thread(target=ask, daemon=True)
    slow.start()
    eventually(lambda: any(request["path"] == "/api/v3/time" for request in served.control.requests()))
    assert requests.get(served.url + "/api/v3/ping", timeout=60).ok
    assert slow.is_alive()


def test_a_slow_request_takes_the_configured_time(served: Served) -> None:
    served.control.fault("/api/v3/time", "slow", delayMs=100)
    started = time.monotonic()
    assert requests.get(served.url + "/api/v3/time", timeout=60).ok
    assert time.monotonic() - started >= 0.1


def test_latency_delays_every_request(served: Served) -> None:
    served.control.latency(50)
    started = time.monotonic()
    requests.get(served.url + "/api/v3/ping", timeout=60)
    assert time.monotonic() - started >= 0.05


def test_requests_are_listed_in_order_without_signatures(served: Served, key: dict[str, str]) -> None:
    client = ccxt_client(served.url, key)
    client.publicGetTime()
    client.privateGetAccount({"omitZeroBalances": "true"})
    first, second = served.control.requests()
    assert (first["method"], first["path"], first["apiKey"]) == ("GET", "/api/v3/time", None)
    assert (second["path"], second["apiKey"], second["status"]) == ("/api/v3/account", key["apiKey"], 200)
    assert second["params"]["omitZeroBalances"] == "true"
    assert "signature" not in second["params"]
    served.control.clear_requests()
    assert served.control.requests() == []


def test_an_order_can_be_dated_and_told_otherwise(served: Served, key: dict[str, str]) -> None:
    api_key, client, long_ago = key["apiKey"], ccxt_client(served.url, key), 1_700_000_000_000
    client.create_order("BTC/USDT", "market", "buy", "0.01")
    (order,) = served.control.orders(api_key)
    served.control.change_order(api_key, orderId=order["orderId"], moment=long_ago)
    assert [trade["time"] for trade in client.privateGetMyTrades({"symbol": "BTCUSDT"})] == [long_ago]
    fields = {"status": "NEW_ADL", "price": None}
    served.control.change_order(api_key, orderId=order["orderId"], fields=fields)
    (row,) = served.control.orders(api_key)
    assert (row["time"], row["status"]) == (long_ago, "NEW_ADL")
    assert row.keys() == order.keys() - {"price"}
    served.control.change_order(api_key, orderId=order["orderId"], fields={})
    assert served.control.orders(api_key) == [
        order | {"time": long_ago, "updateTime": long_ago, "workingTime": long_ago}
    ]
    with pytest.raises(ControlRefused, match="not an order of this key"):
        served.control.change_order(api_key, algoId=order["orderId"])


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/paper/keys", {"balances": {"spot": {"USDT": "lots"}}}, "balances.spot.USDT"),
        ("POST", "/paper/keys", {"balances": {"spot": {"USDT": -1}}}, "balances.spot.USDT"),
        ("POST", "/paper/keys", {"balances": {"spot": {"NOPE": "1"}}}, "balances.spot.NOPE"),
        ("POST", "/paper/keys", {"balances": {"margin": {}}}, "balances.margin"),
        ("POST", "/paper/keys", {"withdrawals": "yes"}, "withdrawals"),
        ("POST", "/paper/keys", {"withdrawal": True}, "withdrawal"),
        ("POST", "/paper/keys", {"ips": "127.0.0.1"}, "ips"),
        ("POST", "/paper/keys", {"history": {"2999-01-01": {}}}, "history.2999-01-01"),
        ("POST", "/paper/keys", {"history": {"2020-02-30": {}}}, "history.2020-02-30"),
        ("PATCH", "/paper/keys/nobody", {"revoked": True}, "apiKey"),
        ("PUT", "/paper/prices", {"NOPE/USDT": "1"}, "NOPE/USDT"),
        ("PUT", "/paper/prices", {"BTC/USDT": "0"}, "BTC/USDT"),
        ("PUT", "/paper/prices", {"BTC/USDT": "NaN"}, "BTC/USDT"),
        ("PUT", "/paper/prices", {"BTC/USDT": True}, "BTC/USDT"),
        ("POST", "/paper/paths", {"symbol": "BTC/USDT", "prices": []}, "prices"),
        ("POST", "/paper/paths", {"symbol": "BTC/USDT", "prices": ["1", "x"]}, "prices[1]"),
        ("POST", "/paper/faults", {"path": "/api", "kind": "flood"}, "kind"),
        ("POST", "/paper/faults", {"path": "api", "kind": "slow"}, "path"),
        ("POST", "/paper/faults", {"path": "/api", "kind": "slow", "times": 0}, "times"),
        ("PUT", "/paper/limits", {"spot": 0}, "spot"),
        ("PUT", "/paper/limits", {"margin": 1}, "margin"),
        ("PUT", "/paper/latency", {}, "ms"),
        ("GET", "/paper/orders", None, "apiKey"),
        ("GET", "/paper/positions", None, "apiKey"),
        ("PATCH", "/paper/orders/nobody", {"orderId": 1}, "apiKey"),
        ("PATCH", "/paper/orders/nobody", {"moment": 1}, "orderId"),
        ("PATCH", "/paper/orders/nobody", {"algoId": 1, "fields": []}, "fields"),
    ],
)
def test_the_control_api_names_the_invalid_field(served: Served, method: str, path: str, body: Any, field: str) -> None:
    with pytest.raises(ControlRefused) as refused:
        served.control.call(method, path, body)
    assert (refused.value.status, refused.value.field) == (400, field)


def test_the_control_api_accepts_only_json_objects(served: Served) -> None:
    for body in ("[]", "nonsense", '"text"'):
        answer = requests.put(served.url + "/paper/prices", data=body, timeout=60)
        assert (answer.status_code, answer.json()["field"]) == (400, "body")
    assert requests.get(served.url + "/paper/nothing", timeout=60).status_code == 404


def test_the_control_api_accepts_numbers_as_json_numbers(served: Served) -> None:
    requests.put(served.url + "/paper/prices", data='{"BTC/USDT": 19191.9}', timeout=60)
    assert served.control.call("GET", "/paper/prices")["BTC/USDT"] == "19191.9"


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Host": "evil.example:3001"}, {"Origin": "https://evil.example"}, {"Origin": "null"}],
)
def test_the_control_api_and_the_page_refuse_other_hosts_and_origins(served: Served, headers: dict[str, str]) -> None:
    assert requests.get(served.url, headers=headers, timeout=60).status_code == 403
    answer = requests.post(served.url + "/paper/keys", data="{}", headers=headers, timeout=60)
    assert answer.status_code == 403
    assert "secret" not in answer.text


def test_unknown_paths_and_invalid_requests_are_refused(served: Served) -> None:
    answer = requests.get(served.url + "/api/v3/nothing", timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (404, -5000)
    assert requests.post(served.url + "/api/v3/order", data=b"\xff\xfe", timeout=60).status_code == 400
    answer = requests.get(served.url + "/api/v3/ticker/price?symbol=BTCUSDT&symbol=ETHUSDT", timeout=60)
    assert answer.json()["code"] == -1101


@pytest.mark.parametrize("garbage", [b"hello\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n"])
def test_malformed_http_is_refused(served: Served, garbage: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])), timeout=60) as connection:
        connection.sendall(garbage)
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    assert requests.get(served.url + "/api/v3/ping", timeout=60).json() == {}


def holdings(served: Served, key: dict[str, str]) -> dict[str, Any]:
    """Return everything that must be the same after a restart."""
    orders, positions = served.control.orders(key["apiKey"]), served.control.positions(key["apiKey"])
    spot = ccxt_client(served.url, key).privateGetAccount({"omitZeroBalances": "true"})["balances"]
    trades = ccxt_client(served.url, key).fapiPrivateGetUserTrades({"symbol": "BTCUSDT"})
    return {"orders": orders, "positions": positions, "spot": spot, "trades": trades}


def trade_a_little(served: Served, key: dict[str, str]) -> None:
    swap, spot = ccxt_client(served.url, key, "swap"), ccxt_client(served.url, key)
    swap.set_leverage(5, SYMBOL)
    swap.create_order(SYMBOL, "market", "buy", "0.05")
    swap.create_order(SYMBOL, "market", "sell", "0.05", None, {"trailingPercent": "1", "reduceOnly": True})
    swap.create_order(SYMBOL, "limit", "sell", "0.05", "25000", {"reduceOnly": True})
    spot.create_order("BTC/USDT", "limit", "buy", "0.01", "19000")
    served.control.prices(BTC_USDT="21000")


def test_orders_positions_balances_and_trades_survive_a_restart(tmp_path: Path) -> None:
    with PaperExchange(tmp_path) as exchange, exchange.serve() as served:
        served.control.prices(BTC_USDT="20000")
        key = served.control.key(spot={"USDT": "1000"}, futures={"USDT": "1000"})
        trade_a_little(served, key)
        before = holdings(served, key)
    with PaperExchange(tmp_path) as exchange, exchange.serve() as served:
        assert holdings(served, key) == before
        served.control.prices(BTC_USDT="20790")
        assert served.control.positions(key["apiKey"]) == []
        new = ccxt_client(served.url, key, "swap").create_order(SYMBOL, "limit", "buy", "0.01", "20000")
        assert new["id"] not in [str(order.get("orderId")) for order in before["orders"]]


def test_secrets_of_keys_are_not_on_disk_and_the_seed_is_private(tmp_path: Path) -> None:
    with PaperExchange(tmp_path) as exchange, exchange.serve() as served:
        key = served.control.key(spot={"USDT": "1000"})
        ccxt_client(served.url, key).fetch_balance()
        files = list(tmp_path.iterdir())
        assert tmp_path / "state.sqlite3" in files
        assert not [file for file in files if key["secret"].encode() in file.read_bytes()]
        assert stat.S_IMODE((tmp_path / "seed").stat().st_mode) == 0o600


@contextmanager
def process(state: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], Served]]:
    """Run ``python -m local.doubles.binance`` as the local system starts it."""
    command = [sys.executable, "-m", "local.doubles.binance", "--port", str(port), "--state", str(state)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            url = running.stdout.readline().split()[-1]
            yield running, Served(url, PaperControl(url))
        finally:
            running.kill()


def test_everything_that_was_answered_survives_a_kill(tmp_path: Path) -> None:
    with process(tmp_path) as (running, served):
        served.control.prices(BTC_USDT="20000")
        key = served.control.key(spot={"USDT": "1000"}, futures={"USDT": "1000"})
        trade_a_little(served, key)
        before = holdings(served, key)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    with process(tmp_path) as (running, served):
        assert holdings(served, key) == before
        running.terminate()
        assert running.wait(5) == 0


def test_a_second_process_reports_a_state_or_port_in_use(tmp_path: Path) -> None:
    with process(tmp_path / "one") as (_, served):
        port = served.url.rpartition(":")[2]
        for state, words in ((tmp_path / "one", "state.sqlite3"), (tmp_path / "two", "Address already in use")):
            command = [sys.executable, "-m", "local.doubles.binance", "--port", port, "--state", str(state)]
            second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
            assert second.returncode == 1
            assert words in second.stderr
            assert "Traceback" not in second.stderr


def test_concurrent_orders_are_all_filled(served: Served, key: dict[str, str]) -> None:
    served.control.limits(spot=1_000_000)

    def buy() -> None:
        client = ccxt_client(served.url, key)
        for _ in range(10):
            client.create_order("BTC/USDT", "market", "buy", "0.001")

    threads = [threading.Thread(target=buy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    balance = ccxt_client(served.url, key).fetch_balance()["total"]
    assert (balance["USDT"], json.dumps(float(balance["BTC"]))) == (200, "0.03996")
