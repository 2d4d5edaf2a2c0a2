"""Test the whole system over HTTP and its commands: first steps, demo data, races, and what must stay secret."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from local.client import Running
from local.demo.people import PASSWORDS, email_of
from local.demo.strategies import STRATEGIES
from local.doubles.binance.client import PaperControl
from local.places import ROOT
from tests.support.local_system import DEMO_DAYS, command, descendants, eventually, listening
from tests.support.paper import is_open

KEYS = "/v1/priv/account/exchange/key"
LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


@pytest.fixture
def call(base_url: str) -> Callable[..., requests.Response]:
    """Return a function that calls the gateway: ``call("GET", path, token)``."""

    def ask(method: str, path: str, token: str = "", **given: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.request(method, base_url + path, headers=headers, timeout=60, **given)

    return ask


@pytest.fixture
def paper_key(paper_url: str) -> dict[str, str]:
    """Return a new key at the paper exchange that is worth 500 USD."""
    return PaperControl(paper_url).key(spot={"USDC": "500"})


def connect(call: Callable[..., requests.Response], token: str, key: Mapping[str, str], **given: Any) -> Any:
    body = {
        "exchangeId": "BINANCE",
        "strategyType": "MANUAL",
        "tradeType": "SPOT",
        "name": "Paper",
        "apiKey": key["apiKey"],
        "apiSecretKey": key["secret"],
    }
    return call("POST", KEYS, token, json=body | given)


def test_a_new_user_connects_a_key_and_gets_a_snapshot_that_nobody_else_sees(
    call: Callable[..., requests.Response],
    system: Running,
    new_user: Callable[[str], str],
    tokens: Mapping[str, str],
    paper_key: dict[str, str],
) -> None:
    user = new_user("BASIC")
    answer = connect(call, user, paper_key)
    assert answer.status_code == 200, answer.text
    key = f"{KEYS}/{answer.json()['id']}"

    assert call("GET", f"{key}/balance", user).json()["total"]["USDC"] == 500

    planned = system.invoke("BalanceSnapshotPlanner", {"detail": {}})
    assert not planned["error"]
    today = json.loads(planned["output"])["date"]

    def snapshot() -> list[Any]:
        history = call("GET", f"{key}/balance/history", user).json(parse_float=Decimal)["items"]
        return [item for item in history if item["date"] == today]

    assert eventually(snapshot, what="today's snapshot") == [{"date": today, "totalUSD": 500}]

    tampered = user[:-6] + ("A" if user[-6] != "A" else "B") + user[-5:]
    for path in (f"{key}/balance", f"{key}/balance/history"):
        assert call("GET", path).status_code == 401
        assert call("GET", path, tampered).status_code == 401
        assert call("GET", path, tokens["other"]).status_code == 404


@pytest.mark.parametrize("trade_type", ["SPOT", "FUTURES"])
def test_the_history_of_a_new_key_has_its_past_days(
    call: Callable[..., requests.Response], new_user: Callable[[str], str], paper_url: str, trade_type: str
) -> None:
    today = datetime.now(UTC).date()
    days = [(today - timedelta(days=ago)).isoformat() for ago in (2, 3, 5, 29)]
    history = {day: {trade_type.lower(): {"USDC": f"{100 + n}"}} for n, day in enumerate(days)}
    key = PaperControl(paper_url).key(spot={"USDC": "500"}, futures={"USDC": "500"}, history=history)
    user = new_user("BASIC")
    answer = connect(call, user, key, tradeType=trade_type)
    assert answer.status_code == 200, answer.text

    def past() -> list[Any]:
        answer_of_history = call("GET", f"{KEYS}/{answer.json()['id']}/balance/history", user)
        items = answer_of_history.json(parse_float=Decimal)["items"]
        return items if len(items) > len(days) else []

    # Another day may have ended at the exchange meanwhile.
    found = [item for item in eventually(past, what="the past days") if item["date"] in days]
    assert found == [{"date": day, "totalUSD": 100 + n} for n, day in enumerate(days)]


def test_every_api_accepts_the_token_of_a_login(call: Callable[..., requests.Response]) -> None:
    body = {"email": email_of("demo"), "password": PASSWORDS["demo"]}
    session = call("POST", "/api/v3/auth/login", json=body).json()["data"]
    for path in (f"{KEYS}/list", "/api/v3/auth/user"):
        assert call("GET", path, session["accessToken"]).status_code == 200, path


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{KEYS}/list", {"message": "Unauthorized"}),
        ("/api/v3/auth/user", {"data": None, "success": False, "errno": -190401, "error": "Unauthorized"}),
    ],
)
@pytest.mark.parametrize("token", ["", "nonsense"])
def test_a_missing_or_invalid_token_answers_401_in_the_format_of_the_api(
    call: Callable[..., requests.Response], path: str, body: Any, token: str
) -> None:
    answer = call("GET", path, token)
    assert answer.status_code == 401
    assert answer.headers["x-request-id"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.json() == body


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/nothing/here", {"message": "route not found"}),
        ("/nothing", {"message": "route not found"}),
        ("/api/v3/nothing", {"data": None, "success": False, "errno": -190404, "error": "route not found"}),
        ("/accounts/x/nothing", None),
    ],
)
def test_an_unknown_route_answers_404_and_repeats_nothing_of_the_request(base_url: str, path: str, body: Any) -> None:
    for sent in ("Bearer seen-only-by-me", "AWS4-HMAC-SHA256 seen-only-by-me"):
        answer = requests.get(base_url + path, headers={"Authorization": sent, "X-Own": "seen-only-by-me"}, timeout=60)
        assert answer.status_code == 404
        assert (answer.json() if answer.content else None) == body
        assert answer.headers["x-request-id"]
        assert "seen-only-by-me" not in answer.text + str(answer.headers)


@pytest.mark.usefixtures("demo_data")
def test_the_demo_data_is_complete(call: Callable[..., requests.Response], tokens: Mapping[str, str]) -> None:
    demo = tokens["demo"]
    assert call("GET", "/v1/priv/account/subscription", demo).json()["SubscriptionType"]["name"] == "PROFESSIONAL"
    keys = call("GET", f"{KEYS}/list", demo).json()["items"]
    assert [(key["tradeType"], key["strategyType"], key["active"]) for key in keys] == [
        ("SPOT", "MANUAL", True),
        ("FUTURES", "MANUAL", True),
    ]
    for key in keys:
        history = call("GET", f"{KEYS}/{key['id']}/balance/history?limit=1000", demo).json()["items"]
        days = [item["date"] for item in history]
        assert len(days) >= 90
        assert days == sorted(set(days), reverse=True)
        assert all(0 < item["totalUSD"] < 10_000 for item in history)
    for strategy_id, name in STRATEGIES:
        path = f"/v1/pub/strategy/{strategy_id}/history?interval=1d&limit={DEMO_DAYS + 1}"
        past = call("GET", path).json()["items"][1:]
        assert len(past) == DEMO_DAYS, name
        assert all(row["trades"] for row in past), name


@pytest.mark.usefixtures("demo_data")
def test_the_first_page_links_every_part_and_shows_the_demo_users(
    call: Callable[..., requests.Response], base_url: str
) -> None:
    answer = call("GET", "/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    links = re.findall(r'href="([^"]+)"', answer.text)
    port = int(base_url.rpartition(":")[2])
    assert links == [base_url, f"{base_url}/v1/docs", *(f"http://127.0.0.1:{port + more}" for more in (1, 2))]
    for link in links:
        assert requests.get(link, timeout=60).headers["Content-Type"].startswith("text/html"), link
    for text in (*PASSWORDS.values(), *map(email_of, PASSWORDS), "Demo data: complete."):
        assert text in answer.text
    assert call("HEAD", "/").text == ""
    assert call("POST", "/").status_code == 404


@pytest.mark.parametrize(("path", "title"), [("/checkout/success", "Paid"), ("/checkout/cancel", "Not paid")])
def test_a_checkout_leads_back_to_pages_of_the_system(
    call: Callable[..., requests.Response], new_user: Callable[[str], str], path: str, title: str, base_url: str
) -> None:
    plan = call("GET", "/v1/pub/subscription/list").json()["items"][0]["id"]
    page = call(
        "POST", "/v1/priv/account/subscription/stripe/checkout", new_user(""), json={"subscriptionId": plan}
    ).json()
    assert base_url + path in (page["successUrl"], page["cancelUrl"])
    assert f"<h1>{title}</h1>" in call("GET", path).text


def test_commands_print_results_or_one_line_of_error(system: Running, tmp_path: Path) -> None:
    state = system.folder

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    token = run("token", "--user", "demo", "--state", state)
    assert (token.returncode, token.stderr, token.stdout.count(".")) == (0, "", 2)
    assert token.stdout.strip().count("\n") == 0

    event = ROOT / "events/balance_snapshot_planner.json"
    planned = run("invoke", "--function", "BalanceSnapshotPlanner", "--event", event, "--state", state)
    assert planned.returncode == 0, planned.stderr
    assert "planned" in json.loads(planned.stdout)

    without_event = run("invoke", "--function", "JobSweeper", "--state", state, "--event")
    assert without_event.returncode == 0, without_event.stderr

    new = {"name": "By command", "exchangeId": "BINANCE", "symbol": "SOL/USDT"}
    strategy = system.post("admin", "/v1/admin/strategy", new)["id"]
    sent = run("signal", "--strategy", strategy, "--side", "SHORT", "--state", state)
    assert (json.loads(sent.stdout)["status"], json.loads(sent.stdout)["reason"]) == ("REFUSED", "NO_STOP")
    exiting = run("signal", "--strategy", strategy, "--side", "EXIT", "--state", state)
    assert json.loads(exiting.stdout)["reason"] == "NOTHING_OPEN"

    for refused in (
        run("signal", "--strategy", "unknown", "--side", "EXIT", "--state", state),
        run("signal", "--strategy", strategy, "--side", "UP", "--state", state),
        run("token", "--user", "nobody", "--state", state),
        run("invoke", "--function", "Nothing", "--state", state),
        run("token", "--state", tmp_path),
        run("run", "--port", "abc", "--state", tmp_path),
        run("run", "--port", "65532", "--state", tmp_path),
        run("invoke", "--function", "--event", event, "--state", state),
        run("nonsense"),
    ):
        assert refused.returncode in (1, 2)
        assert refused.stdout == ""
        assert refused.stderr.count("\n") == 1


def test_nothing_listens_beyond_loopback(system: Running) -> None:
    addresses = listening(descendants(system.stack["pid"]))
    assert addresses
    assert addresses <= LOOPBACK


def test_the_secret_of_a_key_is_in_no_answer_file_or_command_line(
    call: Callable[..., requests.Response], system: Running, new_user: Callable[[str], str], paper_key: dict[str, str]
) -> None:
    user = new_user("PROFESSIONAL")
    secret = paper_key["secret"]
    connected = connect(call, user, paper_key)
    refused = connect(call, user, paper_key, strategyType="AUTOMATED")
    assert (connected.status_code, refused.status_code) == (200, 422)
    assert secret not in connected.text + refused.text
    system.invoke("BalanceSnapshotPlanner", {"detail": {}})
    assert call("DELETE", f"{KEYS}/{connected.json()['id']}", user).status_code == 204
    assert list(_holding(secret.encode(), system.folder, system.stack["pid"])) == []


def _holding(secret: bytes, folder: Path, pid: int) -> Iterator[str]:
    """Yield the files and command lines of the system that contain a secret."""
    for path in folder.rglob("*"):
        if path.is_file() and secret in path.read_bytes():
            yield str(path)
    for process in descendants(pid):
        path = Path(f"/proc/{process}/cmdline")
        if path.exists() and secret in path.read_bytes():
            yield str(path)


def test_of_six_keys_connected_at_once_the_plan_allows_five(
    call: Callable[..., requests.Response], paper_url: str, new_user: Callable[[str], str]
) -> None:
    token, paper = new_user("PROFESSIONAL"), PaperControl(paper_url)
    keys = [paper.key(spot={"USDC": "10"}) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda key: connect(call, token, key), keys))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [433]
    refused = next(answer for answer in answers if answer.status_code == 433)
    assert refused.json() == {"error": "exceed subscription max API key limit (2129a)"}
    assert len(call("GET", f"{KEYS}/list", token).json()["items"]) == 5


def test_one_key_connected_twice_at_once_is_connected_once(
    call: Callable[..., requests.Response], paper_key: dict[str, str], new_user: Callable[[str], str]
) -> None:
    token = new_user("PROFESSIONAL")
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda key: connect(call, token, key), [paper_key] * 2))
    assert sorted(answer.status_code for answer in answers) == [200, 433]
    assert len(call("GET", f"{KEYS}/list", token).json()["items"]) == 1


def test_a_manual_order_is_placed_with_its_exits_and_closed_again(
    call: Callable[..., requests.Response], paper_url: str, new_user: Callable[[str], str]
) -> None:
    token, paper = new_user("PROFESSIONAL"), PaperControl(paper_url)
    key = paper.key(futures={"USDC": "10", "USDT": "900"})
    key_id = connect(call, token, key, tradeType="FUTURES").json()["id"]
    last = Decimal(str(call("GET", "/v1/pub/exchange/ticker?symbol=ETH/USDT").json()["last"]))
    around = [int(last * Decimal(factor)) for factor in ("0.95", "1.05", "1.06")]
    body: dict[str, object] = {
        "symbol": "ETH/USDT",
        "type": "MARKET",
        "side": "BUY",
        "amount": "0.1",
        "takeProfitPrices": around[1:],
    }
    body |= {"stopTriggerPrice": around[0], "stopTriggerType": "MARKET"}
    placed = call("POST", f"/v1/priv/exchange/order/{key_id}", token, json=body)
    assert [order["type"] for order in placed.json()] == ["market", "take_profit", "take_profit", "stop_market"]
    (position,) = paper.positions(key["apiKey"])
    assert Decimal(position["positionAmt"]) == Decimal("0.1")
    closed = call("DELETE", f"/v1/priv/exchange/position/{key_id}", token, json={"symbol": "ETH/USDT"})
    assert closed.status_code == 204
    assert paper.positions(key["apiKey"]) == []
    assert not [order for order in paper.orders(key["apiKey"]) if is_open(order)]


def test_the_portfolio_lists_trading_accounts_and_wallets(
    call: Callable[..., requests.Response], paper_url: str, new_user: Callable[[str], str], tokens: Mapping[str, str]
) -> None:
    path = "/api/v3/tradingAccount/portfolio/list"
    token, paper = new_user("PROFESSIONAL"), PaperControl(paper_url)
    spot, dead = paper.key(spot={"USDC": "20"}), paper.key(spot={"USDC": "30"})
    futures = paper.key(futures={"USDC": "10", "USDT": "900"})
    given: list[dict[str, str]] = [{}, {}, {"tradeType": "FUTURES"}]
    keys = [
        connect(call, token, key, **more).json()["id"] for key, more in zip((spot, dead, futures), given, strict=True)
    ]
    order = {"symbol": "ETH/USDT", "type": "MARKET", "side": "BUY", "amount": "0.1"}
    last = Decimal(str(call("GET", "/v1/pub/exchange/ticker?symbol=ETH/USDT").json()["last"]))
    order |= {"stopTriggerPrice": str(int(last * Decimal("0.9"))), "stopTriggerType": "MARKET"}
    placed = call("POST", f"/v1/priv/exchange/order/{keys[2]}", token, json=order)
    assert placed.status_code == 200, placed.text
    wallet = call("POST", "/api/v3/fermata/wallet/create", token, json={}).json()["data"]["walletId"]
    deposit = {"walletId": wallet, "asset": "USDC", "amount": "7.000000000000000001", "externalRef": wallet}
    call("POST", "/api/v3/fermata/wallet/deposit", tokens["admin"], json=deposit)
    paper.change_key(dead["apiKey"], revoked=True)

    answer = call("GET", path, token)
    assert answer.status_code == 200, answer.text
    assert answer.json()["pagination"]["total"] == 4
    rows = {row["tradingAccountId"]: row for row in answer.json()["data"]}
    assert list(rows) == [*keys, wallet]
    assert [row["error"] and row["error"]["errno"] for row in rows.values()] == [None, -120005, None, None]
    assert rows[keys[0]]["summary"]["equity"] == "20"
    (position,) = rows[keys[2]]["positions"]
    assert (position["instrumentId"], position["quantity"]) == ("BINANCE:ETH/USDT", "0.1")
    assert [balance["total"] for balance in rows[wallet]["balances"]] == [deposit["amount"]]
    listed = call("GET", f"{KEYS}/list", token).json()["items"]
    assert {key["id"]: key["apiKeyStatus"] for key in listed}[keys[1]] == "UNAUTHORIZED"
    assert call("GET", f"{path}?tradingAccountId={wallet}", tokens["other"]).json()["errno"] == -120003
    assert call("GET", path).status_code == 401
