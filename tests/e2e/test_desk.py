"""Test the life of trading accounts at the desk over HTTP, with a client that accepts documented answers only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from local.client import Running
from tests.support.desk_client import Client
from tests.support.local_system import eventually
from tests.support.paper import Paper

ACCOUNTS, CREDENTIALS = "/api/v3/tradingAccount", "/api/v3/credential"
KEYS = "/v1/priv/account/exchange/key"


@pytest.fixture
def user(base_url: str, new_user: Callable[[str], str]) -> Client:
    return Client(base_url, new_user("PROFESSIONAL"))


@pytest.fixture
def other(base_url: str, new_user: Callable[[str], str]) -> Client:
    return Client(base_url, new_user("PROFESSIONAL"))


@pytest.fixture
def admin(base_url: str, tokens: Mapping[str, str]) -> Client:
    return Client(base_url, tokens["admin"])


@pytest.fixture
def paper(paper_url: str) -> Paper:
    return Paper(paper_url)


def rest_orders(paper: Paper, key: dict[str, str]) -> None:
    """Place a limit order that rests, and a conditional order."""
    order = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.02", "price": "10000"}
    paper.signed(key, "POST", "/fapi/v1/order", symbol="BTCUSDT", **order)
    stop = {"side": "BUY", "type": "STOP_MARKET", "algoType": "CONDITIONAL", "quantity": "0.01"}
    paper.signed(key, "POST", "/fapi/v1/algoOrder", symbol="BTCUSDT", triggerPrice="900000", **stop)
    assert len(paper.open_orders(key["apiKey"])) == 2


def test_the_life_of_a_trading_account(user: Client, admin: Client, paper: Paper) -> None:
    key, new = (paper.key(spot={"USDT": "10"}, futures={"USDT": "5000"}) for _ in range(2))
    credential = user.post(
        f"{CREDENTIALS}/create", venue="BINANCE", credentialType="HMAC", apiKey=key["apiKey"], apiSecret=key["secret"]
    )
    assert credential.status == "CREATED"
    account = user.post(
        f"{ACCOUNTS}/connect",
        venue="BINANCE",
        credentialIds=[credential.credentialId],
        accountType="MARGIN",
        nickname="Desk",
    )
    name: dict[str, Any] = {"tradingAccountId": account.tradingAccountId}
    assert (account.status, account.userId) == ("ACTIVE", user.id)
    assert user.list(f"{ACCOUNTS}/list") == [account]
    assert user.key_ids() == [account.tradingAccountId]

    assert user.post(f"{ACCOUNTS}/disable", **name).status == "INACTIVE"
    assert user.v1("GET", f"{KEYS}/list").json()["items"][0]["active"] is False
    assert user.post(f"{ACCOUNTS}/enable", **name).status == "ACTIVE"
    assert user.post(f"{ACCOUNTS}/update", **name, nickname="Renamed").name == "Renamed"

    rotation = {"credentialId": credential.credentialId, "apiKey": new["apiKey"], "apiSecret": new["secret"]}
    assert user.post(f"{CREDENTIALS}/rotate", **rotation).status == "ACTIVE"
    paper.change_key(key["apiKey"], revoked=True)
    spot, futures = user.post(f"{CREDENTIALS}/verify", credentialIds=[credential.credentialId])
    assert (spot.status, spot.externalTradingAccountId, spot.error) == ("NEW", "SPOT", None)
    assert (futures.status, futures.tradingAccountId, futures.error) == ("ACTIVE", account.tradingAccountId, None)
    assert user.v1("GET", f"{KEYS}/{account.tradingAccountId}/balance").status_code == 200

    rest_orders(paper, new)
    disconnected = user.post(f"{ACCOUNTS}/disconnect", **name)
    assert (disconnected.status, disconnected.credentials) == ("DISCONNECTED", [])
    assert paper.open_orders(new["apiKey"]) == []
    assert user.list(f"{ACCOUNTS}/list") == user.key_ids() == user.list(f"{CREDENTIALS}/list") == []
    assert (
        user.list(f"{ACCOUNTS}/list", **name)
        == user.list(f"{ACCOUNTS}/list", accountStatus="DISCONNECTED")
        == [disconnected]
    )
    for act in ("enable", "disconnect"):
        assert user.refused(f"{ACCOUNTS}/{act}", **name)[:2] == (409, -120004)
    done = [(kind, "SUCCESS") for kind in ("CREDENTIAL_ROTATE", "UPDATE", "ENABLE", "DISABLE", "CONNECT")]
    # The orders are cancelled again in a minute, in case a request was just placing some.
    assert user.operations(account) == admin.operations(account) == [("DISCONNECT", "PENDING"), *done]

    anew = user.post(f"{ACCOUNTS}/connect", venue="BINANCE", apiKey=new["apiKey"], apiSecret=new["secret"])
    assert anew.tradingAccountId != account.tradingAccountId
    assert user.key_ids() == [anew.tradingAccountId]


def test_an_account_disconnects_while_the_exchange_is_down_and_its_orders_are_cancelled_later(
    user: Client, system: Running, paper: Paper
) -> None:
    key = paper.key(futures={"USDT": "5000"})
    connection: dict[str, Any] = {
        "venue": "BINANCE",
        "accountType": "MARGIN",
        "apiKey": key["apiKey"],
        "apiSecret": key["secret"],
    }
    account = user.post(f"{ACCOUNTS}/connect", **connection)
    rest_orders(paper, key)
    paper.fault("/fapi/v1/openOrders", "http_503", apiKey=key["apiKey"])

    disconnected = user.post(f"{ACCOUNTS}/disconnect", tradingAccountId=account.tradingAccountId)
    assert disconnected.status == "DISCONNECTED"
    assert user.list(f"{CREDENTIALS}/list") == []
    assert user.operations(account)[0] == ("DISCONNECT", "PENDING")
    assert len(paper.open_orders(key["apiKey"])) == 2

    # The message in the queue is delayed by a minute.
    assert not system.invoke("JobSweeper", {"detail": {"queueIsEmpty": True}}).get("error")
    eventually(lambda: paper.open_orders(key["apiKey"]) == [], what="the cancellation from the queue")
    assert user.refused(f"{ACCOUNTS}/enable", tradingAccountId=account.tradingAccountId)[0] == 409
    assert user.post(f"{ACCOUNTS}/connect", **connection).status == "ACTIVE"
    # Connecting again finishes it. Otherwise it waits for requests that may be placing orders.
    assert user.operations(account, operationType="DISCONNECT") == [("DISCONNECT", "SUCCESS")]


def test_one_of_many_concurrent_connections_with_one_key_succeeds(user: Client, paper: Paper) -> None:
    key = paper.key(spot={"USDT": "10"})
    connection: dict[str, Any] = {"venue": "BINANCE", "apiKey": key["apiKey"], "apiSecret": key["secret"]}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: user.send("POST", f"{ACCOUNTS}/connect", connection), range(8)))
    assert sorted(status for status, _ in answers) == [200] + [409] * 7
    assert {answer.errno for status, answer in answers if status != 200} == {-120006}
    assert len(user.operations(user.list(f"{ACCOUNTS}/list")[0])) == 1


def test_a_customer_stays_until_its_trading_account_is_disconnected(user: Client, paper: Paper) -> None:
    customer = {"accountType": "individual", "profile": {"individual": {"name": {"firstName": "A", "lastName": "B"}}}}
    customer_account = requests.post(f"{user.url}/accounts", json=customer, headers=user.headers, timeout=60).json()
    path, key = f"{user.url}/accounts/{customer_account['accountID']}", paper.key()
    connection: dict[str, Any] = {"venue": "BINANCE", "apiKey": key["apiKey"], "apiSecret": key["secret"]}
    account = user.post(f"{ACCOUNTS}/connect", **connection, accountID=customer_account["accountID"])
    assert requests.delete(path, headers=user.headers, timeout=60).status_code == 409
    user.post(f"{ACCOUNTS}/disconnect", tradingAccountId=account.tradingAccountId)
    assert requests.delete(path, headers=user.headers, timeout=60).status_code == 204
    assert user.refused(f"{ACCOUNTS}/connect", **connection, accountID=customer_account["accountID"])[:2] == (
        400,
        -120001,
    )
