"""Test AccountAdmin with its handler, Cognito (moto) and DynamoDB Local."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from purser.billing.model import PaidSubscription, PaymentType, Status, Subscription
from purser.bootstrap.adapters import table
from purser.bootstrap.billing import subscriptions
from purser.http.paging import page_token
from purser.plans.model import CATALOG
from purser.trading_accounts.model import AccountValuation, TradingAccount
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from purser.users.cognito import CognitoDirectory
from tests.support.accounts import sealed_credential, trading_account
from tests.support.aws import Aws
from tests.support.events import Answered, call, claims
from tests.support.functions import forget_process, load_function
from tests.support.user_pool import UserPool

USERS = "/v1/admin/account/user"
NOT_FOUND = {"message": "route not found"}
USER = {"id", "email", "status", "enabled", "createdAt", "updatedAt"}


@pytest.fixture(scope="module")
def pool(aws: Aws) -> UserPool:
    return UserPool()


@pytest.fixture(scope="module")
def function(aws: Aws, pool: UserPool) -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("USER_POOL_ID", pool.id)
        forget_process()
        yield load_function("account_admin")
    forget_process()


@pytest.fixture
def ask(function: ModuleType) -> Callable[..., Answered]:
    """Return a function that sends a request, by default as an admin."""
    admin = claims(str(uuid4()), groups=["other", "admin"])
    return lambda *request, caller=admin, **more: call(function.handler, *request, caller=caller, **more)


@pytest.fixture
def user(pool: UserPool) -> dict[str, str]:
    return pool.add()


def connect(user_id: str, version: int = 0) -> TradingAccount:
    """Connect a trading account in the store."""
    at = 1_663_340_989_057
    worth = AccountValuation(Decimal("1000.5"), at)
    secrets = {"api_key": uuid4().hex, "credential_id": str(uuid4())}
    account = trading_account(str(uuid4()), user_id, **secrets, created_at=at, updated_at=at, valuation=worth)
    DynamoTradingAccountStore(table("keys_table")).connect(
        account, sealed_credential(account, b"sealed-secret"), version
    )
    return account


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"{USERS}/list?limit=nonsense", None),
        ("GET", f"{USERS}/overview/nonsense", None),
        ("PUT", f"{USERS}/nonsense/subscription", {"subscriptionId": "nonsense"}),
        ("PUT", f"{USERS}/nonsense/subscription", "{not json"),
    ],
)
def test_only_admins_may_use_the_admin_routes(ask: Callable[..., Answered], method: str, path: str, body: Any) -> None:
    path, _, query = path.partition("?")
    given = {"query": dict([query.split("=")])} if query else {}
    for groups in ([], ["administrators"], ["user"]):
        answer = ask(method, path, body, caller=claims(groups=groups), **given)
        assert (answer.status, answer.body) == (403, {"message": "Forbidden"})
    nobody = ask(method, path, body, caller=None, **given)
    assert (nobody.status, nobody.body) == (401, {"message": "Unauthorized"})
    assert ask(method, path, body, **given).status in (400, 422)


def test_users_are_listed_in_pages(pool: UserPool, ask: Callable[..., Answered]) -> None:
    added = [pool.add()["email"] for _ in range(3)]
    everyone = ask("GET", f"{USERS}/list", query={"limit": "1000"}).body
    assert everyone["nextToken"] is None
    assert {user["email"] for user in everyone["items"]} >= set(added)
    assert all(set(user) == USER for user in everyone["items"])

    listed, token = [], None
    while True:
        page = ask("GET", f"{USERS}/list", query={"limit": "2"} | ({"nextToken": token} if token else {})).body
        assert len(page["items"]) <= 2
        listed += page["items"]
        token = page["nextToken"]
        if not token:
            break
    assert listed == everyone["items"]


def test_a_page_may_be_larger_than_a_page_of_cognito(aws: Aws) -> None:
    pool = UserPool()
    for i in range(130):
        pool.cognito.admin_create_user(UserPoolId=pool.id, Username=f"u{i}@example.com", MessageAction="SUPPRESS")
    directory = CognitoDirectory(pool.id)
    first = directory.page(100, None)
    rest = directory.page(100, first.position)
    assert (len(first.users), len(rest.users), rest.position) == (100, 30, None)
    assert len({user.id for user in (*first.users, *rest.users)}) == 130
    assert len(directory.page(130, None).users) == 130


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "ten", "", "1e3"])
def test_an_invalid_limit_is_refused(ask: Callable[..., Answered], limit: str) -> None:
    answer = ask("GET", f"{USERS}/list", query={"limit": limit})
    assert answer.status == 422
    [fault] = answer.body["errors"]
    assert (fault["param"], fault["location"]) == ("limit", "query")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        "é",
        "x" * 4097,
        page_token("another-list", "x"),
        page_token("users", "not one of Cognito's"),
        page_token("users", "eyJwYXJhbWV0ZXJDaGVja3N1bSI6IDF9"),
    ],
)
def test_an_invalid_page_token_is_refused(ask: Callable[..., Answered], token: str) -> None:
    answer = ask("GET", f"{USERS}/list", query={"nextToken": token})
    assert answer.status == 422
    [fault] = answer.body["errors"]
    assert (fault["param"], fault["location"]) == ("nextToken", "query")


def test_the_overview_shows_the_user_with_subscription_and_keys_but_no_secret(
    ask: Callable[..., Answered], user: dict[str, str]
) -> None:
    bare = ask("GET", f"{USERS}/overview/{user['id']}")
    assert bare.status == 200
    assert set(bare.body["user"]) == USER
    assert bare.body["user"]["email"] == user["email"]
    assert bare.body["subscription"] is None
    assert bare.body["exchangeKeys"] == []

    account = connect(user["id"])
    ask("PUT", f"{USERS}/{user['id']}/subscription", {"subscriptionId": CATALOG[0].id})
    full = ask("GET", f"{USERS}/overview/{user['id'].upper()}")
    assert full.body["subscription"]["SubscriptionType"]["name"] == "BASIC"
    [key] = full.body["exchangeKeys"]
    assert key == {
        "id": account.id,
        "exchangeId": "BINANCE",
        "tradeType": "SPOT",
        "strategyType": "MANUAL",
        "active": True,
        "name": "Default",
        "apiKeyStatus": "AUTHORIZED",
        "createdAt": "2022-09-16T15:09:49.057Z",
        "updatedAt": "2022-09-16T15:09:49.057Z",
    }
    for secret in (account.api_key, "sealed", account.credential_id):
        assert secret not in full.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "overview/{}", None), ("PUT", "{}/subscription", {"subscriptionId": CATALOG[0].id})],
)
def test_an_unknown_user_is_not_found(ask: Callable[..., Answered], method: str, path: str, body: Any) -> None:
    unknown = str(uuid4())
    answer = ask(method, f"{USERS}/{path.format(unknown)}", body)
    assert (answer.status, answer.body) == (404, NOT_FOUND)
    assert subscriptions().of(unknown) is None


@pytest.mark.parametrize("plan", CATALOG, ids=lambda plan: plan.name)
def test_every_plan_can_be_granted(ask: Callable[..., Answered], user: dict[str, str], plan: Any) -> None:
    path = f"{USERS}/{user['id']}/subscription"
    granted = ask("PUT", path, {"subscriptionId": plan.id.upper()})
    assert granted.status == 200
    assert granted.body == {
        "paymentType": "ADMIN",
        "SubscriptionType": {
            "id": plan.id,
            "name": plan.name,
            "maxBalanceUSD": int(plan.max_balance_usd),
            "maxApiKey": plan.max_api_key,
            "strategyAutomated": plan.strategy_automated,
        },
    }
    assert subscriptions().plan_of(user["id"]) == plan


def test_a_grant_is_taken_back(ask: Callable[..., Answered], user: dict[str, str]) -> None:
    path = f"{USERS}/{user['id']}/subscription"
    for plan_id in (CATALOG[1].id, None, None):
        answer = ask("PUT", path, {"subscriptionId": plan_id})
        assert answer.status == 200
    assert (answer.body, answer.text) == (None, "null")
    assert subscriptions().of(user["id"]) is None


def test_revoking_a_grant_keeps_a_paid_plan(ask: Callable[..., Answered], user: dict[str, str]) -> None:
    paid = PaidSubscription(user["id"], "cus_1", "sub_1", Status.ACTIVE, CATALOG[1], None, 1, 1)
    subscriptions()._store.put_paid(paid)
    for plan_id, rules in ((CATALOG[2].id, "ADMIN"), (CATALOG[0].id, "STRIPE"), (None, "STRIPE")):
        answer = ask("PUT", f"{USERS}/{user['id']}/subscription", {"subscriptionId": plan_id})
        assert (answer.status, answer.body["paymentType"]) == (200, rules)
    ruling = subscriptions().of(user["id"])
    assert ruling == Subscription(user["id"], CATALOG[1], PaymentType.STRIPE, 1, 1)


@pytest.mark.parametrize(
    ("body", "msg"),
    [
        ({}, "must be provided"),
        ({"subscriptionId": "BASIC"}, "must be UUID"),
        ({"subscriptionId": 5}, "must be string"),
        ({"subscriptionId": ""}, "must be UUID"),
        ({"subscriptionId": str(uuid4())}, "must be valid subscription id"),
    ],
)
def test_an_invalid_plan_is_refused(ask: Callable[..., Answered], user: dict[str, str], body: Any, msg: str) -> None:
    answer = ask("PUT", f"{USERS}/{user['id']}/subscription", body)
    assert answer.status == 422
    error = {"value": body.get("subscriptionId"), "msg": msg, "param": "subscriptionId", "location": "body"}
    assert answer.body == {"errors": [error]}


@pytest.mark.parametrize(
    ("code", "status"), [("TooManyRequestsException", 429), ("InternalErrorException", 503), ("AccessDenied", 500)]
)
def test_errors_of_cognito_are_mapped_and_not_repeated(
    ask: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    class Cognito:
        def list_users(self, **_: Any) -> Any:
            raise ClientError({"Error": {"Code": code, "Message": "arn:aws:secret"}}, "ListUsers")

    monkeypatch.setattr("purser.users.cognito.cognito", Cognito)
    for path in ("list", f"overview/{uuid4()}"):
        answer = ask("GET", f"{USERS}/{path}")
        assert (answer.status, set(answer.body)) == (status, {"message"})
        assert "arn" not in answer.text


def test_search_input_cannot_change_the_cognito_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Cognito:
        def list_users(self, **request: Any) -> Any:
            asked.append(request["Filter"])
            return {"Users": []}

    monkeypatch.setattr("purser.users.cognito.cognito", Cognito)
    assert CognitoDirectory("pool").find('x" or email ^= "\\') is None
    assert asked == ['sub = "x\\" or email ^= \\"\\\\"']


def test_a_grant_is_enforced_immediately(function: ModuleType, user: dict[str, str]) -> None:
    admin = claims(str(uuid4()), groups=["admin"])
    handler = function.handler

    def grant(plan_id: str | None) -> list[bool]:
        path = f"{USERS}/{user['id']}/subscription"
        assert call(handler, "PUT", path, {"subscriptionId": plan_id}, caller=admin).status == 200
        keys = call(handler, "GET", f"{USERS}/overview/{user['id']}", caller=admin).body["exchangeKeys"]
        return [key["active"] for key in keys]

    assert grant(CATALOG[0].id) == []
    connected = DynamoTradingAccountStore(table("keys_table")).connected(user["id"])
    connect(user["id"], connected.version)
    assert grant(CATALOG[0].id) == [True]
    assert grant(None) == [False]
    assert grant(CATALOG[0].id) == [True]
