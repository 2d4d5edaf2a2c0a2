"""A day at the desk, over HTTP: trading accounts and wallets, every answer read as a strict client reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import requests

from local.client import Running
from tests.support.desk_client import parsed
from tests.support.local_system import eventually, subject_of
from tests.support.paper import Paper

ACCOUNTS, CREDENTIALS, WALLETS = "/api/v3/tradingAccount", "/api/v3/credential", "/api/v3/fermata/wallet"
KEYS = "/v1/priv/account/exchange/key"


class Client:
    """A client of the desk that is strict about what it reads."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.id = url, subject_of(token)
        self._headers = {"Authorization": f"Bearer {token}"}

    def send(self, method: str, path: str, body: Any = None, **given: Any) -> tuple[int, Any]:
        """The status, and the answer as it was parsed."""
        headers = self._headers | given.pop("headers", {})
        answer = requests.request(method, self.url + path, json=body, headers=headers, timeout=60, **given)
        assert answer.headers["x-request-id"]
        return answer.status_code, parsed(path, answer.status_code, answer.text)

    def post(self, path: str, headers: Mapping[str, str] | None = None, **body: Any) -> Any:
        """The data of an answer of success."""
        status, answer = self.send("POST", path, body, headers=headers or {})
        assert status == 200, answer
        return answer.data

    def list(self, path: str, **query: Any) -> Any:
        """A list, or the one thing, that a GET answers."""
        status, answer = self.send("GET", path, params=query)
        assert status == 200, answer
        return answer.data

    def refused(self, path: str, **body: Any) -> tuple[int, int, str]:
        """How a POST is refused."""
        status, answer = self.send("POST", path, body)
        return status, answer.errno, answer.error

    def v1(self, method: str, path: str) -> requests.Response:
        """An answer of the customer API."""
        return requests.request(method, self.url + path, headers=self._headers, timeout=60)

    def key_ids(self) -> list[str]:
        """What the customer API lists."""
        return [each["id"] for each in self.v1("GET", f"{KEYS}/list").json()["items"]]

    def operations(self, account: Any, **query: Any) -> list[tuple[str, str]]:
        """What was done to an account, newest first."""
        found = self.list(f"{ACCOUNTS}/operation/list", tradingAccountId=account.tradingAccountId, **query)
        return [(each.operationType, each.status) for each in found]


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
    """An order that rests, and a conditional one."""
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
    name = {"tradingAccountId": account.tradingAccountId}
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
    (verified,) = user.post(f"{CREDENTIALS}/verify", credentialIds=[credential.credentialId])
    assert (verified.accountTypes, verified.error, verified.status) == (["SPOT", "MARGIN"], None, "ACTIVE")
    assert user.v1("GET", f"{KEYS}/{account.tradingAccountId}/balance").status_code == 200

    rest_orders(paper, new)
    ended = user.post(f"{ACCOUNTS}/disconnect", **name)
    assert (ended.status, ended.credentials) == ("DISCONNECTED", [])
    assert paper.open_orders(new["apiKey"]) == []
    assert user.list(f"{ACCOUNTS}/list") == user.key_ids() == user.list(f"{CREDENTIALS}/list") == []
    assert (
        user.list(f"{ACCOUNTS}/list", **name) == user.list(f"{ACCOUNTS}/list", accountStatus="DISCONNECTED") == [ended]
    )
    for act in ("enable", "disconnect"):
        assert user.refused(f"{ACCOUNTS}/{act}", **name)[:2] == (409, -120004)
    done = ("DISCONNECT", "CREDENTIAL_ROTATE", "UPDATE", "ENABLE", "DISABLE", "CONNECT")
    assert user.operations(account) == admin.operations(account) == [(kind, "SUCCESS") for kind in done]

    anew = user.post(f"{ACCOUNTS}/connect", venue="BINANCE", apiKey=new["apiKey"], apiSecret=new["secret"])
    assert anew.tradingAccountId != account.tradingAccountId
    assert user.key_ids() == [anew.tradingAccountId]


def test_an_exchange_that_is_down_keeps_nobody(user: Client, system: Running, paper: Paper) -> None:
    key = paper.key(futures={"USDT": "5000"})
    connection = {"venue": "BINANCE", "accountType": "MARGIN", "apiKey": key["apiKey"], "apiSecret": key["secret"]}
    account = user.post(f"{ACCOUNTS}/connect", **connection)
    rest_orders(paper, key)
    paper.fault("/fapi/v1/openOrders", "http_503", apiKey=key["apiKey"])

    ended = user.post(f"{ACCOUNTS}/disconnect", tradingAccountId=account.tradingAccountId)
    assert ended.status == "DISCONNECTED"
    assert user.list(f"{CREDENTIALS}/list") == []
    assert user.operations(account)[0] == ("DISCONNECT", "PENDING")
    assert len(paper.open_orders(key["apiKey"])) == 2

    def settled() -> bool:
        return user.operations(account, operationType="DISCONNECT") == [("DISCONNECT", "SUCCESS")]

    # The queue's own message comes after a minute.
    assert not system.invoke("JobSweeper", {"detail": {"queueIsEmpty": True}}).get("error")
    eventually(settled, 90, "the cancellation from the queue")
    assert paper.open_orders(key["apiKey"]) == []
    assert user.refused(f"{ACCOUNTS}/enable", tradingAccountId=account.tradingAccountId)[0] == 409
    assert user.post(f"{ACCOUNTS}/connect", **connection).status == "ACTIVE"


def test_the_same_connection_at_once(user: Client, paper: Paper) -> None:
    key = paper.key(spot={"USDT": "10"})
    connection = {"venue": "BINANCE", "apiKey": key["apiKey"], "apiSecret": key["secret"]}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: user.send("POST", f"{ACCOUNTS}/connect", connection), range(8)))
    assert sorted(status for status, _ in answers) == [200] + [409] * 7
    assert {answer.errno for status, answer in answers if status != 200} == {-120006}
    assert len(user.operations(user.list(f"{ACCOUNTS}/list")[0])) == 1


def test_a_customer_and_its_trading_account(user: Client, paper: Paper) -> None:
    customer = {"accountType": "individual", "profile": {"individual": {"name": {"firstName": "A", "lastName": "B"}}}}
    made = requests.post(f"{user.url}/accounts", json=customer, headers=user._headers, timeout=30).json()
    path, key = f"{user.url}/accounts/{made['accountID']}", paper.key()
    connection = {"venue": "BINANCE", "apiKey": key["apiKey"], "apiSecret": key["secret"]}
    account = user.post(f"{ACCOUNTS}/connect", **connection, accountID=made["accountID"])
    assert requests.delete(path, headers=user._headers, timeout=30).status_code == 409
    user.post(f"{ACCOUNTS}/disconnect", tradingAccountId=account.tradingAccountId)
    assert requests.delete(path, headers=user._headers, timeout=30).status_code == 204
    assert user.refused(f"{ACCOUNTS}/connect", **connection, accountID=made["accountID"])[:2] == (400, -120001)


def test_wallets(user: Client, other: Client, admin: Client) -> None:
    mine, theirs = user.post(f"{WALLETS}/create", nickname="Mine"), other.post(f"{WALLETS}/create")
    assert (mine.walletType, mine.status, mine.allowNegative) == ("CLIENT", "ACTIVE", False)
    name, exact = {"walletId": mine.walletId}, "1000000.000000000000000001"
    deposit = {"asset": "USDT", "amount": exact, "externalRef": str(uuid4())}
    made = admin.post(f"{WALLETS}/deposit", **name, **deposit)
    assert admin.post(f"{WALLETS}/deposit", **name, **deposit) == made
    assert {entry.amount for entry in made.entries} == {exact, f"-{exact}"}

    transfer = {"sourceWalletId": mine.walletId, "destWalletId": theirs.walletId, "asset": "USDT"}
    sent = {"headers": {"Idempotency-Key": str(uuid4())}}
    status, moved = user.send("POST", f"{WALLETS}/transfer", transfer | {"amount": "1000000"}, **sent)
    assert (status, moved.details.type) == (200, "TRANSFER")
    assert user.send("POST", f"{WALLETS}/transfer", transfer | {"amount": "1000000.0"}, **sent) == (200, moved)
    short = user.refused(f"{WALLETS}/transfer", **transfer, amount="2")
    assert short == (400, -140004, "Insufficient available balance: 0.000000000000000001 USDT < 2 USDT")
    assert other.refused(f"{WALLETS}/transfer", **transfer, amount="1")[:2] == (403, -140003)

    assert admin.post(f"{WALLETS}/freeze", **name).status == "FROZEN"
    assert user.refused(f"{WALLETS}/transfer", **transfer, amount="1")[:2] == (400, -140009)
    assert admin.refused(f"{WALLETS}/freeze", **name)[:2] == (400, -140005)
    assert admin.post(f"{WALLETS}/unfreeze", **name).status == "ACTIVE"
    assert admin.refused(f"{WALLETS}/unfreeze", **name)[:2] == (400, -140006)

    undone = admin.post(
        f"{WALLETS}/transaction/reverse", transactionId=moved.details.transactionId, reason="sent by mistake"
    )
    assert (undone.type, undone.reverses) == ("REVERSAL", moved.details.transactionId)
    entries = user.list(f"{WALLETS}/entry/list", **name)
    assert [entry.amount for entry in entries] == ["1000000", "-1000000", exact]
    transactions = user.list(f"{WALLETS}/transaction/list", **name, asset="USDT")
    assert [made.type for made in transactions] == ["REVERSAL", "TRANSFER", "DEPOSIT"]
    assert user.list(f"{WALLETS}/list") == [user.list(f"{WALLETS}/get", **name)]

    refused = admin.refused(f"{WALLETS}/close", **name)
    assert refused == (400, -140007, "Cannot close wallet with non-zero balance")
    withdrawn = user.post(f"{WALLETS}/withdraw", **name, asset="USDT", amount=exact, externalRef=str(uuid4()))
    assert withdrawn.type == "WITHDRAWAL"
    assert admin.post(f"{WALLETS}/close", **name).status == "CLOSED"
    assert admin.refused(f"{WALLETS}/close", **name)[:2] == (400, -140008)
    late = {"asset": "USDT", "amount": "1", "externalRef": str(uuid4())}
    assert admin.refused(f"{WALLETS}/deposit", **name, **late)[:2] == (400, -140008)


def test_a_full_balance_is_sent_once(user: Client, other: Client, admin: Client) -> None:
    mine, theirs = user.post(f"{WALLETS}/create"), other.post(f"{WALLETS}/create")
    funding = {"walletId": mine.walletId, "asset": "USDT", "amount": "7", "externalRef": str(uuid4())}
    admin.post(f"{WALLETS}/deposit", **funding)
    transfer = {"sourceWalletId": mine.walletId, "destWalletId": theirs.walletId, "asset": "USDT", "amount": "7"}

    def send(_: int) -> tuple[int, int]:
        status, answer = user.send("POST", f"{WALLETS}/transfer", transfer, headers={"Idempotency-Key": str(uuid4())})
        return status, answer.errno

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(send, range(12)))
    assert answers == [(200, 0)] + [(400, -140004)] * 11
    assert [entry.amount for entry in other.list(f"{WALLETS}/entry/list", walletId=theirs.walletId)] == ["7"]
