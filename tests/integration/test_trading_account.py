"""Test trading accounts at the desk with DynamoDB Local, KMS (moto), ccxt and the paper exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from purser import errors, process
from purser.actor import Actor
from purser.aws.tables import Table
from purser.bootstrap.billing import subscriptions
from purser.bootstrap.people import customers
from purser.bootstrap.trading_accounts import desk, trading_accounts
from purser.customers.model import AccountType
from purser.customers.service import NewCustomer
from purser.disconnecting.store.cancellations import DynamoCancellationStore
from purser.exchanges.model import TradeType, Venue
from purser.plans.model import CATALOG
from purser.trading_accounts.model import StrategyType
from purser.trading_accounts.service import NewConnection
from tests.support.aws import Aws
from tests.support.aws_requests import aws_requests
from tests.support.desk_client import parsed
from tests.support.events import Answered, call, claims
from tests.support.functions import forget_process, load_function, setting
from tests.support.logs import logs
from tests.support.paper import Paper

ACCOUNTS, CREDENTIALS, KEYS = "/api/v3/tradingAccount", "/api/v3/credential", "/v1/priv/account/exchange/key"
BASIC, _, PROFESSIONAL, _ = CATALOG


@pytest.fixture(scope="module")
def handlers(aws: Aws, _paper_server: Paper) -> Iterator[dict[str, Any]]:
    forget_process()
    names = ("trading_account", "credential", "account_exchange")
    yield {name: load_function(name).handler for name in names}
    forget_process()


@dataclass
class User:
    """A user of the desk API."""

    handlers: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid4()))
    admin: bool = False

    def ask(self, method: str, path: str, body: Any = None, **given: Any) -> Answered:
        """Send a request, check that the answer is as documented, and return it."""
        name = {ACCOUNTS: "trading_account", CREDENTIALS: "credential"}.get(path.rpartition("/")[0], "trading_account")
        caller = claims(self.id, groups=["admin"] if self.admin else [])
        answer = call(self.handlers[name], method, path, body, caller=caller, **given)
        parsed(path, answer.status, answer.text)
        return answer

    def post(self, path: str, **body: Any) -> Any:
        answer = self.ask("POST", path, body)
        assert answer.status == 200, answer.text
        return answer.body["data"]

    def list(self, path: str = f"{ACCOUNTS}/list", **query: Any) -> Any:
        answer = self.ask("GET", path, query=query)
        assert answer.status == 200, answer.text
        return answer.body["data"]

    def refused(self, path: str, **body: Any) -> tuple[int, int]:
        answer = self.ask("POST", path, body)
        return answer.status, answer.body["errno"]

    def not_listed(self, path: str, **query: Any) -> tuple[int, int]:
        answer = self.ask("GET", path, query=query)
        return answer.status, answer.body["errno"]

    def connect(self, key: dict[str, str], **given: Any) -> Any:
        return self.post(f"{ACCOUNTS}/connect", **connection(key), **given)

    def act(self, act: str, account: Any, **given: Any) -> Any:
        return self.post(f"{ACCOUNTS}/{act}", tradingAccountId=account["tradingAccountId"], **given)

    def get(self, account: Any) -> Any:
        (found,) = self.list(tradingAccountId=account["tradingAccountId"])
        return found

    def operations(self, **query: Any) -> Sequence[tuple[str, str]]:
        found = self.list(f"{ACCOUNTS}/operation/list", **query)
        return [(each["operationType"], each["status"]) for each in found]

    def v1(self, method: str, path: str, body: Any = None) -> Answered:
        return call(self.handlers["account_exchange"], method, path, body, caller=claims(self.id))


def connection(key: dict[str, str]) -> dict[str, str]:
    return {"venue": "BINANCE", "apiKey": key["apiKey"], "apiSecret": key["secret"]}


def credential_body(key: dict[str, str], **given: Any) -> dict[str, Any]:
    return {"credentialType": "HMAC", **connection(key), **given}


def rest_order(paper: Paper, key: dict[str, str]) -> None:
    order = {"symbol": "BTCUSDC", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    paper.signed(key, "POST", "/api/v3/order", **order, price="15000")


@pytest.fixture
def someone(handlers: dict[str, Any], paper: Paper) -> Callable[..., User]:
    paper.prices(BTC_USDC="20000", USDC_USDT="1", BTC_USDT="20000")

    def make(*, plan: str = PROFESSIONAL.id, admin: bool = False) -> User:
        user = User(handlers, admin=admin)
        if plan:
            subscriptions().grant(user.id, plan)
        return user

    return make


@pytest.fixture
def user(someone: Callable[..., User]) -> User:
    return someone()


def test_the_quota_of_accounts_holds_also_for_larger_plans(someone: Callable[..., User], paper: Paper) -> None:
    user, admin = someone(), someone(admin=True)
    with setting(keys_per_user=1):
        first = user.connect(paper.key())
        assert user.refused(f"{ACCOUNTS}/connect", **connection(paper.key())) == (403, -120007)
        key = paper.key()
        body = {"exchangeId": "BINANCE", "tradeType": "SPOT", "strategyType": "MANUAL", "name": "x"}
        refused = user.v1("POST", KEYS, body | {"apiKey": key["apiKey"], "apiSecretKey": key["secret"]})
        assert (refused.status, refused.body) == (433, {"error": "exceed subscription max API key limit (2129a)"})
        user.act("disable", first)
        user.act("enable", first)
        user.act("disconnect", first)
        user.connect(paper.key())
        for _ in range(2):
            admin.connect(paper.key())


def test_concurrent_connections_do_not_exceed_the_quota(user: User, paper: Paper) -> None:
    def connect(key: dict[str, str]) -> bool:
        given = (Venue.BINANCE, TradeType.SPOT, StrategyType.MANUAL, "x", key["apiKey"], key["secret"])
        try:
            return bool(trading_accounts().connect(NewConnection(str(uuid4()), user.id, *given), most=2))
        except errors.KeyLimitExceeded:
            return False

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(connect, [paper.key() for _ in range(4)])) == 2
    assert len(user.list()) == 2


def test_an_account_is_the_same_on_desk_and_customer_api(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDT": "10"}, futures={"USDT": "10"})
    own_account = user.connect(key, nickname="Desk", accountType="MARGIN")
    assert (own_account["status"], own_account["accountType"], own_account["externalAccountType"]) == (
        "ACTIVE",
        "MARGIN",
        "FUTURES",
    )
    (listed,) = user.v1("GET", f"{KEYS}/list").body["items"]
    assert (listed["id"], listed["name"], listed["tradeType"], listed["strategyType"]) == (
        own_account["tradingAccountId"],
        "Desk",
        "FUTURES",
        "MANUAL",
    )
    body = {"exchangeId": "BINANCE", "strategyType": "MANUAL", "tradeType": "SPOT", "name": "Key"}
    added = user.v1("POST", KEYS, body | {"apiKey": key["apiKey"], "apiSecretKey": key["secret"]}).body
    assert [(a["tradingAccountId"], a["status"]) for a in user.list()] == [
        (own_account["tradingAccountId"], "ACTIVE"),
        (added["id"], "ACTIVE"),
    ]
    credentials = user.list(f"{CREDENTIALS}/list")
    assert {c["credentialId"]: c["status"] for c in credentials} == {
        own_account["tradingAccountId"]: "ACTIVE",
        added["id"]: "ACTIVE",
    }
    assert user.get({"tradingAccountId": added["id"]})["credentials"][0]["credentialId"] == added["id"]
    user.v1("PUT", f"{KEYS}/{added['id']}", {"active": False, "name": "New"})
    assert [(a["name"], a["status"]) for a in user.list(accountStatus="INACTIVE")] == [("New", "INACTIVE")]
    user.act("disconnect", own_account)
    assert [each["id"] for each in user.v1("GET", f"{KEYS}/list").body["items"]] == [added["id"]]
    user.v1("DELETE", f"{KEYS}/{added['id']}")
    assert user.list() == []
    assert user.list(f"{CREDENTIALS}/list") == []
    assert {a["tradingAccountId"] for a in user.list(accountStatus="DISCONNECTED")} == {
        own_account["tradingAccountId"],
        added["id"],
    }


def test_the_audit_trail_has_the_operations_of_both_apis(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDT": "10"})
    own_account = user.connect(key)
    for act in ("disable", "enable"):
        user.act(act, own_account)
    user.act("update", own_account, nickname="Other")
    user.v1("PUT", f"{KEYS}/{own_account['tradingAccountId']}", {"active": False, "name": "New"})
    user.v1("DELETE", f"{KEYS}/{own_account['tradingAccountId']}")
    done = ["CONNECT", "DISABLE", "ENABLE", "UPDATE", "DISABLE", "UPDATE", "DISCONNECT"]
    assert sorted(user.operations()) == sorted((kind, "SUCCESS") for kind in done)
    first = user.list(f"{ACCOUNTS}/operation/list", operationType="CONNECT")[0]
    assert (first["actorId"], first["userId"], first["tradingAccountId"]) == (
        user.id,
        user.id,
        own_account["tradingAccountId"],
    )
    assert first["createdAt"] == own_account["createdAt"]


def test_an_operation_has_the_id_of_its_request(user: User, paper: Paper) -> None:
    answer = user.ask("POST", f"{ACCOUNTS}/connect", connection(paper.key(spot={"USDT": "1"})))
    (operations,) = user.list(f"{ACCOUNTS}/operation/list")
    assert operations["requestId"] == answer.headers["x-request-id"]


def test_operations_are_filtered_and_paged(user: User, paper: Paper) -> None:
    one, two = user.connect(paper.key(spot={"USDT": "1"})), user.connect(paper.key(spot={"USDT": "1"}))
    for n in range(4):
        user.act("update", one, nickname=f"Name {n}")
    path = f"{ACCOUNTS}/operation/list"
    assert len(user.operations()) == 6
    assert user.operations(operationType="CONNECT") == [("CONNECT", "SUCCESS")] * 2
    assert user.operations(tradingAccountId=two["tradingAccountId"]) == [("CONNECT", "SUCCESS")]
    assert len(user.operations(tradingAccountId=one["tradingAccountId"], operationType="UPDATE")) == 4
    seen: list[str] = []
    query: dict[str, str] = {"limit": "4"}
    while True:
        page = user.ask("GET", path, query=query).body
        seen += [each["operationId"] for each in page["data"]]
        if not page["pagination"]["hasNext"]:
            break
        query["cursor"] = page["pagination"]["cursor"]
    assert seen == [each["operationId"] for each in user.list(path)]
    assert len(set(seen)) == 6
    every = user.list(path)
    times = [each["createdAt"] for each in every]
    assert times == sorted(times, reverse=True)
    middle = times[2]
    assert [e["createdAt"] for e in user.list(path, startTime=str(middle))] == [t for t in times if t >= middle]
    assert [e["createdAt"] for e in user.list(path, endTime=str(middle))] == [t for t in times if t <= middle]
    assert user.list(path, startTime=str(middle), endTime=str(middle - 1)) == []
    assert user.not_listed(path, cursor=query["cursor"], limit="4", operationType="UPDATE") == (400, -120001)


def test_a_page_of_operations_is_one_query(user: User, paper: Paper) -> None:
    user.connect(paper.key(spot={"USDT": "1"}))
    with aws_requests("dynamodb") as sent:
        user.list(f"{ACCOUNTS}/operation/list", operationType="CONNECT", startTime="1")
    assert sent == ["dynamodb.Query"]


def test_disconnecting_is_final_and_answers_as_documented(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDC": "1000"})
    own_account = user.connect(key, name="My Binance Account")
    rest_order(paper, key)
    disconnected = user.act("disconnect", own_account)
    assert paper.open_orders(key["apiKey"]) == []
    reference = {"tradingAccountId", "userId", "venue", "name", "accountType", "status", "createdAt", "updatedAt"}
    assert reference | {"disconnectedAt"} <= disconnected.keys()
    assert (disconnected["status"], disconnected["name"], disconnected["credentials"]) == (
        "DISCONNECTED",
        "My Binance Account",
        [],
    )
    assert disconnected["disconnectedAt"] == disconnected["updatedAt"]
    assert user.get(own_account) == disconnected
    assert user.list() == []
    for act in ("disconnect", "enable", "disable"):
        assert user.refused(f"{ACCOUNTS}/{act}", tradingAccountId=own_account["tradingAccountId"]) == (409, -120004)
    assert user.refused(f"{ACCOUNTS}/update", tradingAccountId=own_account["tradingAccountId"], name="x") == (
        409,
        -120004,
    )
    anew = user.connect(key)
    assert anew["tradingAccountId"] != own_account["tradingAccountId"]


def test_an_outage_delays_only_the_cancellation_of_orders(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDC": "1000"})
    own_account = user.connect(key)
    rest_order(paper, key)
    paper.fault("/api/v3/openOrders", "http_503", apiKey=key["apiKey"])
    assert user.act("disconnect", own_account)["status"] == "DISCONNECTED"
    assert user.operations(operationType="DISCONNECT") == [("DISCONNECT", "PENDING")]
    assert user.operations(tradingAccountId=own_account["tradingAccountId"])[0] == ("DISCONNECT", "PENDING")
    assert user.list(f"{CREDENTIALS}/list") == []
    from purser.bootstrap.trading_accounts import cancellations

    cancellations().resume(own_account["tradingAccountId"])
    assert paper.open_orders(key["apiKey"]) == []
    for query in ({}, {"operationType": "DISCONNECT"}, {"tradingAccountId": own_account["tradingAccountId"]}):
        assert user.operations(**query)[0] == ("DISCONNECT", "SUCCESS")


def test_a_failed_cancellation_is_a_failed_operation(user: User, paper: Paper, aws: Aws) -> None:
    key = paper.key(spot={"USDC": "1000"})
    own_account = user.connect(key)
    paper.fault("/api/v3/openOrders", "http_503", apiKey=key["apiKey"])
    user.act("disconnect", own_account)
    store = DynamoCancellationStore(Table(aws.tables["KEYS_TABLE"]))
    waiting = store.get(own_account["tradingAccountId"])
    assert waiting is not None
    store.expire(waiting)
    assert user.operations(operationType="DISCONNECT") == [("DISCONNECT", "FAILED")]


def test_connecting_makes_every_check_of_create_key(someone: Callable[..., User], paper: Paper) -> None:
    connect = f"{ACCOUNTS}/connect"
    without_plan = someone(plan="")
    key = paper.key(spot={"USDT": "10"})
    assert without_plan.refused(connect, **connection(key)) == (403, -120007)
    user = someone(plan=BASIC.id)
    assert user.refused(connect, **connection(key | {"secret": "wrong"})) == (502, -120005)
    assert user.refused(connect, **connection(paper.key(withdrawals=True))) == (502, -120005)
    assert user.refused(connect, **connection(paper.key(spot={"USDT": "9999999"}))) == (403, -120007)
    paper.fault("/api/v3/account", "http_503", apiKey=key["apiKey"])
    assert user.refused(connect, **connection(key)) == (503, -120005)
    paper.fault("/api/v3/account", "reject", code=-1015, apiKey=key["apiKey"])
    answer = user.ask("POST", connect, connection(key))
    assert (answer.status, answer.body["errno"]) == (429, -190429)
    assert int(answer.headers["retry-after"]) > 0
    only_spot = paper.key(may_trade_futures=False)
    assert user.refused(connect, **connection(only_spot), accountType="MARGIN") == (502, -120005)
    assert user.list() == user.list(f"{CREDENTIALS}/list") == []
    user.connect(key)
    assert user.refused(connect, **connection(key)) == (409, -120006)
    assert someone().refused(connect, **connection(key)) == (409, -120006)
    user.connect(paper.key())
    assert user.refused(connect, **connection(paper.key())) == (403, -120007)
    assert [kind for kind, _ in user.operations()] == ["CONNECT", "CONNECT"]


def test_an_idempotency_key_connects_once(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDT": "1"})
    asked = {"headers": {"Idempotency-Key": "once"}}
    first = user.ask("POST", f"{ACCOUNTS}/connect", connection(key), **asked)
    again = user.ask("POST", f"{ACCOUNTS}/connect", connection(key), **asked)
    assert (first.status, again.body) == (200, first.body)
    assert len(user.list()) == 1
    other = user.ask("POST", f"{ACCOUNTS}/connect", connection(paper.key()), **asked)
    assert (other.status, other.body["errno"]) == (400, -190409)


def test_an_account_whose_key_is_refused_is_unavailable_by_an_operation_of_the_system(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDT": "1"})
    own_account = user.connect(key)
    paper.change_key(key["apiKey"], revoked=True)
    for _ in range(2):
        assert user.v1("GET", f"{KEYS}/{own_account['tradingAccountId']}/balance").status == 433
    assert user.get(own_account)["status"] == "UNAVAILABLE"
    assert user.get(own_account)["credentials"][0]["status"] == "EXPIRED"
    assert user.list(accountStatus="UNAVAILABLE") == [user.get(own_account)]
    operations = user.list(f"{ACCOUNTS}/operation/list")
    assert [(each["operationType"], each["actorId"]) for each in operations] == [
        ("DISABLE", "system"),
        ("CONNECT", user.id),
    ]
    paper.change_key(key["apiKey"], revoked=False)
    assert user.v1("GET", f"{KEYS}/{own_account['tradingAccountId']}/balance").status == 200
    assert (user.get(own_account)["status"], user.get(own_account)["credentials"][0]["status"]) == (
        "ACTIVE",
        "ACTIVE",
    )
    assert [kind for kind, _ in user.operations()] == ["ENABLE", "DISABLE", "CONNECT"]


def test_enabling_needs_a_working_key_and_makes_its_credential_active(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDT": "1"})
    own_account = user.connect(key)
    user.act("disable", own_account)
    paper.change_key(key["apiKey"], revoked=True)
    assert user.refused(f"{ACCOUNTS}/enable", tradingAccountId=own_account["tradingAccountId"]) == (502, -120005)
    assert user.list(f"{CREDENTIALS}/list", credentialStatus="EXPIRED")
    paper.change_key(key["apiKey"], revoked=False)
    assert user.act("enable", own_account)["credentials"][0]["status"] == "ACTIVE"


def test_other_users_are_refused_and_admins_may_read_and_disconnect(someone: Callable[..., User], paper: Paper) -> None:
    user, other, admin = someone(), someone(), someone(admin=True)
    own_account, other_account = user.connect(paper.key()), other.connect(paper.key())
    name = {"tradingAccountId": own_account["tradingAccountId"]}
    for act in ("enable", "disable", "disconnect"):
        assert other.refused(f"{ACCOUNTS}/{act}", **name) == (403, -120003)
        assert other.refused(f"{ACCOUNTS}/{act}", tradingAccountId=str(uuid4())) == (404, -120002)
    assert other.refused(f"{ACCOUNTS}/update", **name, name="theirs") == (403, -120003)
    for path in (f"{ACCOUNTS}/list", f"{ACCOUNTS}/operation/list"):
        assert other.not_listed(path, **name) == (403, -120003)
        assert other.not_listed(path, tradingAccountId=str(uuid4())) == (404, -120002)
    assert other.not_listed(f"{ACCOUNTS}/list", userId=user.id) == (403, -190403)
    assert other.list(userId=other.id) == [other_account]
    assert admin.list() == []
    assert admin.list(userId=user.id) == admin.list(**name) == [own_account]
    assert admin.list(**name, userId=other.id) == []
    assert admin.operations(**name) == [("CONNECT", "SUCCESS")]
    for act in ("enable", "disable"):
        assert admin.refused(f"{ACCOUNTS}/{act}", **name) == (403, -120003)
    assert admin.act("disconnect", own_account)["userId"] == user.id
    assert admin.get(own_account)["status"] == "DISCONNECTED"
    assert user.list(f"{ACCOUNTS}/operation/list")[0]["actorId"] == admin.id
    assert admin.refused(f"{ACCOUNTS}/disconnect", **name) == (409, -120004)
    assert other.refused(f"{ACCOUNTS}/disconnect", **name) == (403, -120003)


def test_accounts_are_paged_and_filtered(user: User, paper: Paper) -> None:
    account_ids = [user.connect(paper.key())["tradingAccountId"] for _ in range(3)]
    first = user.ask("GET", f"{ACCOUNTS}/list", query={"limit": "2"}).body
    assert first["pagination"] == {"offset": 0, "limit": 2, "total": 3, "cursor": None, "hasNext": True}
    rest = user.ask("GET", f"{ACCOUNTS}/list", query={"limit": "2", "offset": "2"}).body
    assert [each["tradingAccountId"] for each in first["data"] + rest["data"]] == account_ids
    assert rest["pagination"]["hasNext"] is False
    assert len(user.list(venue="BINANCE", accountStatus="ACTIVE")) == 3
    assert user.list(accountStatus="LOCKED") == []


BAD_CONNECTIONS: list[dict[str, Any]] = [
    {},
    {"venue": "KRAKEN"},
    {"accountType": "CREDIT"},
    {"accountType": "FUTURES"},
    {"apiKey": ""},
    {"apiKey": "a b"},
    {"apiKey": "x" * 257},
    {"apiSecret": "ü"},
    {"apiSecret": 5},
    {"apiSecret": None},
    {"apiKey": None, "apiSecret": None},
    {"credentialIds": [str(uuid4())]},
    {"apiKey": None, "apiSecret": None, "credentialIds": []},
    {"apiKey": None, "apiSecret": None, "credentialIds": ["1"]},
    {"apiKey": None, "apiSecret": None, "credentialIds": [str(uuid4()), str(uuid4())]},
    {"nickname": ""},
    {"nickname": "x" * 65},
    {"name": "a\nb"},
    {"accountID": "1"},
    {"accountID": str(uuid4())},
]


@pytest.mark.parametrize("fault", BAD_CONNECTIONS)
def test_an_invalid_connection_is_refused_before_the_exchange_is_asked(
    user: User, paper: Paper, fault: dict[str, Any]
) -> None:
    paper.clear_requests()
    body = {"venue": "BINANCE", "apiKey": "a", "apiSecret": "b"} | fault if fault else {}
    answer = user.ask("POST", f"{ACCOUNTS}/connect", body)
    assert (answer.status, answer.body["errno"]) == (400, -120001)
    assert paper.requests() == []
    assert user.list() == []


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("list", {"tradingAccountId": "1"}),
        ("list", {"venue": "KRAKEN"}),
        ("list", {"accountStatus": "OPEN"}),
        ("list", {"limit": "1001"}),
        ("list", {"offset": "-1"}),
        ("list", {"userId": "a b"}),
        ("list", {"tenantId": "t"}),
        ("operation/list", {"operationType": "LOGIN"}),
        ("operation/list", {"startTime": "-1"}),
        ("operation/list", {"endTime": "99999999999999"}),
        ("operation/list", {"cursor": "forged"}),
        ("operation/list", {"limit": "0"}),
    ],
)
def test_invalid_queries_are_refused(user: User, path: str, query: dict[str, str]) -> None:
    assert user.not_listed(f"{ACCOUNTS}/{path}", **query) == (400, -120001)


@pytest.mark.parametrize("act", ["update", "enable", "disable", "disconnect"])
@pytest.mark.parametrize("body", [{}, {"tradingAccountId": 1}, {"tradingAccountId": "1"}, {"tradingAccountId": None}])
def test_invalid_ids_are_refused(user: User, act: str, body: dict[str, Any]) -> None:
    assert user.refused(f"{ACCOUNTS}/{act}", **body) == (400, -120001)
    assert user.refused(f"{ACCOUNTS}/update", tradingAccountId=str(uuid4())) == (400, -120001)


def customer_of(user: User) -> str:
    details = {"profile": {"individual": {"name": {"firstName": "Ada", "lastName": "Lovelace"}}}}
    return customers().create(NewCustomer(str(uuid4()), user.id, AccountType.INDIVIDUAL, details)).id


def test_a_customer_cannot_be_disconnected_while_an_account_of_it_is_connected(
    someone: Callable[..., User], paper: Paper
) -> None:
    user, other = someone(), someone()
    customer = customer_of(user)
    assert other.refused(f"{ACCOUNTS}/connect", **connection(paper.key()), accountID=customer) == (400, -120001)
    own_account = user.connect(paper.key(), accountID=customer)
    with pytest.raises(errors.AccountInUse):
        customers().disconnect(user.id, customer)
    user.act("disconnect", own_account)
    customers().disconnect(user.id, customer)
    assert user.refused(f"{ACCOUNTS}/connect", **connection(paper.key()), accountID=customer) == (400, -120001)


def test_of_concurrent_connecting_and_disconnecting_of_a_customer_one_is_refused(user: User, paper: Paper) -> None:
    for n in range(12):
        customer, key, id = customer_of(user), paper.key(), str(uuid4())
        where = (Venue.BINANCE, TradeType.SPOT, StrategyType.MANUAL, "x")
        asked = NewConnection(id, user.id, *where, key["apiKey"], key["secret"], customer_id=customer)

        def connect(asked: NewConnection = asked) -> bool:
            try:
                desk().connect(asked, Actor(user.id))
                return True
            except errors.InvalidInput:
                return False

        def disconnect(customer: str = customer) -> bool:
            try:
                customers().disconnect(user.id, customer)
                return True
            except errors.AccountInUse:
                return False

        with ThreadPoolExecutor(2) as pool:
            first, second = (connect, disconnect) if n % 2 else (disconnect, connect)
            tries = pool.submit(first), pool.submit(second)
        connected = any(account.id == id for account in trading_accounts().of(user.id))
        disconnected = customers().get(Actor(user.id), customer).disconnected_at is not None
        assert connected != disconnected, tries
        if connected:
            trading_accounts().disconnect(user.id, id)


def test_the_write_that_connects_checks_that_the_customer_is_active(user: User, paper: Paper) -> None:
    customer, key = customer_of(user), paper.key()
    service = desk()
    service._has_customer = lambda *_: True  # The customer is disconnected after this check.
    customers().disconnect(user.id, customer)
    try:
        assert user.refused(f"{ACCOUNTS}/connect", **connection(key), accountID=customer) == (400, -120001)
    finally:
        process.forget(desk)
    assert user.list() == user.list(f"{CREDENTIALS}/list") == user.operations() == []
    user.connect(key)


def test_no_secret_is_in_an_answer_or_log(user: User, paper: Paper, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "purser")
    key = paper.key(spot={"USDT": "1"})
    with logs() as logged:
        texts = user.ask("POST", f"{ACCOUNTS}/connect", connection(key) | {"apiPassphrase": "pass-phrase"}).text
        own_account = user.list()[0]
        paper.fault("/api/v3/openOrders", "http_503", apiKey=key["apiKey"])
        texts += user.ask("POST", f"{ACCOUNTS}/disconnect", {"tradingAccountId": own_account["tradingAccountId"]}).text
        texts += user.ask("GET", f"{ACCOUNTS}/operation/list").text
    assert "left to the queue" in caplog.text
    texts += logged.text + caplog.text
    assert key["secret"] not in texts
    assert "pass-phrase" not in texts


def test_suspending_and_resuming_are_operations_of_the_system(user: User, paper: Paper) -> None:
    from purser.bootstrap.billing import enforcement

    own_account = user.connect(paper.key())
    subscriptions().grant(user.id, None)
    enforcement().enforce(user.id)
    assert user.get(own_account)["status"] == "INACTIVE"
    subscriptions().grant(user.id, BASIC.id)
    enforcement().enforce(user.id)
    assert user.get(own_account)["status"] == "ACTIVE"
    operations = user.list(f"{ACCOUNTS}/operation/list")
    assert [(each["operationType"], each["actorId"]) for each in operations][:2] == [
        ("ENABLE", "system"),
        ("DISABLE", "system"),
    ]


@pytest.mark.parametrize(
    ("given", "trade_type"),
    [
        ({}, "SPOT"),
        ({"externalTradingAccountId": "SPOT"}, "SPOT"),
        ({"externalTradingAccountId": "FUTURES"}, "FUTURES"),
        ({"externalTradingAccountId": "FUTURES", "accountType": "MARGIN"}, "FUTURES"),
    ],
)
def test_the_external_id_chooses_the_account_that_is_connected(
    user: User, paper: Paper, given: dict[str, str], trade_type: str
) -> None:
    body = {**connection(paper.key()), **given}
    body = body if "accountType" in given else {name: value for name, value in body.items() if name != "accountType"}
    account = user.post(f"{ACCOUNTS}/connect", **body)
    assert (account["externalTradingAccountId"], account["externalAccountType"]) == (trade_type, trade_type)


@pytest.mark.parametrize(
    "given",
    [
        {"externalTradingAccountId": "12345"},
        {"externalTradingAccountId": "FUTURES", "accountType": "SPOT"},
        {"externalTradingAccountId": "SPOT", "accountType": "MARGIN"},
        {"dealerAccountId": str(uuid4())},
    ],
)
def test_a_parameter_that_names_another_account_is_refused(user: User, paper: Paper, given: dict[str, str]) -> None:
    assert user.refused(f"{ACCOUNTS}/connect", **(connection(paper.key()) | given)) == (400, -120001)
    assert user.list() == []


def test_operations_are_paged_by_offset_to_their_end(user: User, paper: Paper) -> None:
    own_account = user.connect(paper.key())
    for act in ("disable", "enable", "disable"):
        user.act(act, own_account)
    path = f"{ACCOUNTS}/operation/list"
    everything = user.list(path)
    pages = [user.ask("GET", path, query={"limit": "1", "offset": str(offset)}).body for offset in range(5)]
    assert [row for page in pages for row in page["data"]] == everything
    assert [(page["pagination"]["offset"], page["pagination"]["hasNext"]) for page in pages] == [
        (0, True), (1, True), (2, True), (3, False), (4, False),
    ]  # fmt: skip
    after_the_second = pages[1]["pagination"]["cursor"]
    assert user.list(path, cursor=after_the_second, offset="1") == everything[2:]
