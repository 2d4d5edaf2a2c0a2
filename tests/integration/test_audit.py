"""Test the audit trail through the handlers of the functions that write it and of the one that reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from purser.audit.store import DynamoAuditStore
from purser.errors import Unavailable
from purser.plans.model import CATALOG
from tests.support.aws import Aws
from tests.support.catalog import connect
from tests.support.events import Answered, call, claims
from tests.support.functions import forget_process, load_function, load_routes
from tests.support.ledger import faults
from tests.support.user_pool import UserPool

AUDIT, WALLET = "/v1/admin/audit", "/api/v3/fermata/wallet"
USERS, STRATEGY = "/v1/admin/account/user", "/v1/admin/strategy"
ANN = {"accountType": "individual", "profile": {"individual": {"name": {"firstName": "Ann", "lastName": "Lee"}}}}
RESULT = {"side": "LONG", "entryPrice": 100, "exitPrice": 110, "openedAt": "2026-01-01T00:00:00Z"}

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


@pytest.fixture(scope="module")
def pool(aws: Aws) -> UserPool:
    return UserPool()


@pytest.fixture(scope="module")
def handlers(aws: Aws, pool: UserPool) -> Iterator[Mapping[str, Handler]]:
    """The handlers of functions by the beginning of their paths."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("USER_POOL_ID", pool.id)
        forget_process()
        yield {
            WALLET: load_routes("wallet", "wallet_transaction"),
            STRATEGY: load_function("strategy_admin").handler,
            "/v1/admin": load_function("account_admin").handler,
            "/accounts": load_function("customer").handler,
            "/api/v3/tradingAccount/portfolio": load_function("portfolio").handler,
            "/api/v3/tradingAccount": load_function("trading_account").handler,
        }
    forget_process()


@dataclass
class Person:
    """A new user or admin, who sends requests to any of the functions."""

    handlers: Mapping[str, Handler]
    id: str = field(default_factory=lambda: str(uuid4()))
    groups: tuple[str, ...] = ()

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Answered:
        handler = next(handler for start, handler in self.handlers.items() if path.startswith(start))
        return call(handler, method, path, body, caller=claims(self.id, groups=self.groups), **more)

    def done(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[str, Any]:
        """Send a request that must succeed, and return its id and the data of the answer."""
        answer = self.ask(method, path, body, **more)
        assert answer.status == 200, answer.text
        is_desk = isinstance(answer.body, dict) and "success" in answer.body
        return answer.headers["x-request-id"], answer.body["data"] if is_desk else answer.body

    def wallet(self) -> str:
        _, created = self.done("POST", f"{WALLET}/create", {})
        return str(created["walletId"])

    def audited(self, **query: str) -> list[dict[str, Any]]:
        """Return the entries that an admin sees."""
        items: list[dict[str, Any]] = self.page(**query)["items"]
        return items

    def page(self, **query: str) -> dict[str, Any]:
        answer = self.ask("GET", AUDIT, query=query)
        assert answer.status == 200, answer.text
        page: dict[str, Any] = answer.body
        return page

    def acts(self, **query: str) -> list[tuple[str, str]]:
        """Return action and target of the entries of this actor, oldest first."""
        return [(entry["action"], entry["target"]) for entry in self.audited(actor=self.id, **query)[::-1]]


@pytest.fixture
def admin(handlers: Mapping[str, Handler]) -> Person:
    return Person(handlers, groups=("admin",))


@pytest.fixture
def user(handlers: Mapping[str, Handler], pool: UserPool) -> Person:
    return Person(handlers, pool.add()["id"])


def movement(wallet: str, amount: str = "5") -> dict[str, str]:
    return {"walletId": wallet, "asset": "USDT", "amount": amount, "externalRef": str(uuid4())}


def test_an_entry_names_actor_request_and_instant(admin: Person, user: Person) -> None:
    wallet = user.wallet()
    request_id, transaction = admin.done("POST", f"{WALLET}/deposit", movement(wallet))
    (entry,) = admin.audited(actor=admin.id)
    assert entry.pop("id")
    assert entry == {
        "at": transaction["createdAtDateTime"],
        "actor": admin.id,
        "action": "DEPOSIT",
        "target": f"transaction/{transaction['transactionId']}",
        "requestId": request_id,
    }


def test_every_movement_has_an_entry_for_the_owners_of_its_wallets(admin: Person, user: Person) -> None:
    other = Person(user.handlers)
    source, destination = user.wallet(), other.wallet()
    _, deposit = admin.done("POST", f"{WALLET}/deposit", movement(source))
    body = {"sourceWalletId": source, "destWalletId": destination, "asset": "USDT", "amount": "1"}
    transfer = user.ask("POST", f"{WALLET}/transfer", body).body["details"]
    _, withdrawal = other.done("POST", f"{WALLET}/withdraw", movement(destination, "1"))
    _, mistake = admin.done("POST", f"{WALLET}/deposit", movement(source))
    undo = {"transactionId": mistake["transactionId"], "reason": "mistake"}
    _, reversal = admin.done("POST", f"{WALLET}/transaction/reverse", undo)

    def target(transaction: Mapping[str, Any]) -> str:
        return f"transaction/{transaction['transactionId']}"

    def of(owner: Person) -> list[tuple[str, str, str]]:
        return [(e["actor"], e["action"], e["target"]) for e in admin.audited(userId=owner.id)[::-1]]

    assert of(user) == [
        (user.id, "WALLET_CREATE", f"wallet/{source}"),
        (admin.id, "DEPOSIT", target(deposit)),
        (user.id, "TRANSFER", target(transfer)),
        (admin.id, "DEPOSIT", target(mistake)),
        (admin.id, "REVERSAL", target(reversal)),
    ]
    assert of(other) == [
        (other.id, "WALLET_CREATE", f"wallet/{destination}"),
        (user.id, "TRANSFER", target(transfer)),
        (other.id, "WITHDRAWAL", target(withdrawal)),
    ]


def test_every_change_of_a_wallet_has_an_entry(admin: Person, user: Person) -> None:
    body = {"userId": user.id, "walletType": "DEALER", "allowNegative": True}
    _, dealer = admin.done("POST", f"{WALLET}/create", body)
    assert admin.acts() == [("WALLET_CREATE", f"wallet/{dealer['walletId']}")]
    for wallet in (user.wallet(), dealer["walletId"]):
        for change in ("freeze", "unfreeze", "close"):
            admin.done("POST", f"{WALLET}/{change}", {"walletId": wallet})
            assert admin.ask("POST", f"{WALLET}/{change}", {"walletId": wallet}).status == 400
        changes = [(f"WALLET_{change}", f"wallet/{wallet}") for change in ("FREEZE", "UNFREEZE", "CLOSE")]
        assert admin.acts()[-3:] == changes


def test_a_repeated_request_adds_no_entry(admin: Person, user: Person) -> None:
    wallet = user.wallet()
    deposit, by_key = movement(wallet), {"Idempotency-Key": str(uuid4())}
    for headers in (by_key, by_key, {}, {"Idempotency-Key": str(uuid4())}):
        admin.done("POST", f"{WALLET}/deposit", deposit, headers=headers)
    strategy = {"name": "Trend", "exchangeId": "BINANCE", "symbol": "BTC/USDT"}
    for _ in range(2):
        _, published = admin.done("POST", STRATEGY, strategy, headers=by_key)
    result = RESULT | {"id": str(uuid4()), "closedAt": "2026-01-02T00:00:00Z"}
    for _ in range(2):
        admin.done("POST", f"{STRATEGY}/{published['id']}/result", result)
    assert [action for action, _ in admin.acts()] == ["DEPOSIT", "STRATEGY_PUBLISH", "RESULT_PUBLISH"]


def test_concurrent_repeats_and_lost_answers_add_one_entry(admin: Person, user: Person) -> None:
    wallet = user.wallet()
    deposits = [movement(wallet) for _ in range(3)]
    with faults([None, "conflict", "lost", None, "throttle", "conflict"]), ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda body: admin.ask("POST", f"{WALLET}/deposit", body), deposits * 4))
    for body in deposits:
        admin.done("POST", f"{WALLET}/deposit", body)
    _, listed = user.done("GET", f"{WALLET}/transaction/list", query={"walletId": wallet})
    assert sorted(target for _, target in admin.acts()) == sorted(f"transaction/{t['transactionId']}" for t in listed)
    assert len(listed) == 3


def test_refused_changes_leave_no_entry(admin: Person, user: Person) -> None:
    wallet, unknown = user.wallet(), str(uuid4())
    refused = [
        admin.ask("POST", f"{WALLET}/withdraw", movement(wallet)),
        admin.ask("POST", f"{WALLET}/unfreeze", {"walletId": wallet}),
        admin.ask("POST", f"{WALLET}/freeze", {"walletId": unknown}),
        admin.ask("PUT", f"{STRATEGY}/{unknown}", {"active": False}),
        admin.ask("POST", f"{STRATEGY}/{unknown}/result", RESULT | {"closedAt": "2026-01-02T00:00:00Z"}),
        admin.ask("PUT", f"{USERS}/{unknown}/subscription", {"subscriptionId": CATALOG[0].id}),
        admin.ask("PUT", f"{USERS}/{user.id}/subscription", {"subscriptionId": unknown}),
        admin.ask("GET", f"{USERS}/overview/{unknown}"),
        admin.ask("GET", f"{WALLET}/get", query={"walletId": unknown}),
        admin.ask("GET", f"/accounts/{unknown}"),
    ]
    assert all(answer.status in (400, 404, 422) for answer in refused)
    admin.done("PUT", f"{USERS}/{user.id}/subscription", {"subscriptionId": None})  # there is none to revoke
    assert admin.acts() == []


def test_granting_and_revoking_a_plan_leaves_an_entry_each(admin: Person, user: Person) -> None:
    for plan in (CATALOG[0].id, CATALOG[1].id, None, None):
        admin.done("PUT", f"{USERS}/{user.id}/subscription", {"subscriptionId": plan})
    target = f"user/{user.id}"
    assert admin.acts(userId=user.id) == [("PLAN_GRANT", target), ("PLAN_GRANT", target), ("PLAN_REVOKE", target)]


def test_an_admin_who_disconnects_a_users_account_leaves_an_entry(admin: Person, user: Person) -> None:
    for person, expected in ((user, []), (admin, ["TRADING_ACCOUNT_DISCONNECT"])):
        body = {"tradingAccountId": connect(user.id).id}
        request_id, _ = person.done("POST", "/api/v3/tradingAccount/disconnect", body)
        refused = person.ask("POST", "/api/v3/tradingAccount/disconnect", body)
        assert refused.status == 409
        entries = admin.audited(actor=person.id, userId=user.id)
        assert [entry["action"] for entry in entries] == expected
    (entry,) = entries
    assert (entry["target"], entry["requestId"]) == (f"tradingAccount/{body['tradingAccountId']}", request_id)


def test_every_change_of_strategies_results_and_risk_profiles_has_an_entry(admin: Person) -> None:
    strategy_body = {"name": "Trend", "exchangeId": "BINANCE", "symbol": "BTC/USDT"}
    _, strategy = admin.done("POST", STRATEGY, strategy_body)
    admin.done("PUT", f"{STRATEGY}/{strategy['id']}", {"active": False})
    _, profile = admin.done("POST", f"{STRATEGY}/profile", {"name": "Careful", "percentage": 1})
    admin.done("PUT", f"{STRATEGY}/profile/{profile['id']}", {"percentage": 2})
    closed = RESULT | {"closedAt": "2026-01-02T00:00:00Z"}
    _, result = admin.done("POST", f"{STRATEGY}/{strategy['id']}/result", closed)
    assert admin.acts() == [
        ("STRATEGY_PUBLISH", f"strategy/{strategy['id']}"),
        ("STRATEGY_CHANGE", f"strategy/{strategy['id']}"),
        ("RISK_PROFILE_PUBLISH", f"riskProfile/{profile['id']}"),
        ("RISK_PROFILE_CHANGE", f"riskProfile/{profile['id']}"),
        ("RESULT_PUBLISH", f"strategy/{strategy['id']}/result/{result['id']}"),
    ]


@dataclass
class Reads:
    """Requests that read what a user has, with the entries that they leave when an admin sends them."""

    user: Person

    def __post_init__(self) -> None:
        self.wallet, self.account = self.user.wallet(), connect(self.user.id).id
        _, customer = self.user.done("POST", "/accounts", ANN)
        self.customer = customer["accountID"]

    def of_everybody(self) -> Iterator[tuple[str, dict[str, str], tuple[str, str]]]:
        """Yield path, query and entry of requests that users may send for their own data, too."""
        wallet, account = {"walletId": self.wallet}, {"tradingAccountId": self.account}
        yield f"{WALLET}/get", wallet, ("WALLET_READ", f"wallet/{self.wallet}")
        yield f"{WALLET}/entry/list", wallet, ("ENTRY_LIST", f"wallet/{self.wallet}")
        yield f"{WALLET}/transaction/list", wallet, ("TRANSACTION_LIST", f"wallet/{self.wallet}")
        yield f"/accounts/{self.customer}", {}, ("ACCOUNT_READ", f"account/{self.customer}")
        accounts, target = "/api/v3/tradingAccount", f"tradingAccount/{self.account}"
        yield f"{accounts}/list", account, ("TRADING_ACCOUNT_READ", target)
        yield f"{accounts}/list", {"userId": self.user.id}, ("TRADING_ACCOUNT_LIST", f"user/{self.user.id}")
        yield f"{accounts}/operation/list", account, ("OPERATION_LIST", target)
        yield f"{accounts}/portfolio/list", account | {"venue": "LEDGER"}, ("TRADING_ACCOUNT_READ", target)
        by_wallet = {"tradingAccountId": self.wallet, "venue": "BINANCE"}
        yield f"{accounts}/portfolio/list", by_wallet, ("WALLET_READ", f"wallet/{self.wallet}")


def test_every_read_of_a_users_data_by_an_admin_has_an_entry(admin: Person, user: Person) -> None:
    reads = list(Reads(user).of_everybody())
    for path, query, _ in reads:
        admin.done("GET", path, query=query)
    admin.done("GET", f"{USERS}/overview/{user.id}")
    expected = [entry for _, _, entry in reads] + [("USER_READ", f"user/{user.id}")]
    assert admin.acts() == expected
    assert admin.acts(userId=user.id) == expected


def test_lists_of_all_users_and_wallets_have_an_entry(admin: Person) -> None:
    admin.done("GET", f"{USERS}/list")
    admin.done("GET", f"{WALLET}/list")
    assert admin.acts() == [("USER_LIST", "users"), ("WALLET_LIST", "wallets")]


def test_reading_own_data_leaves_no_entry(admin: Person, user: Person) -> None:
    for person in (user, Person(user.handlers, groups=("admin",))):
        for path, query, _ in Reads(person).of_everybody():
            person.done("GET", path, query=query)
        assert {entry["action"] for entry in admin.audited(actor=person.id)} == {"WALLET_CREATE"}


def test_a_read_that_cannot_be_recorded_is_refused(
    admin: Person, user: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any) -> None:
        raise Unavailable

    reads = list(Reads(user).of_everybody())
    monkeypatch.setattr(DynamoAuditStore, "add", down)
    requests = [(path, query) for path, query, _ in reads]
    requests += [(f"{USERS}/overview/{user.id}", {}), (f"{USERS}/list", {}), (f"{WALLET}/list", {})]
    for path, query in requests:
        answer = admin.ask("GET", path, query=query)
        assert answer.status >= 500, path
        assert user.id not in answer.text
    assert user.ask("GET", f"{WALLET}/list").status == 200


def test_entries_are_paged_newest_first(admin: Person, user: Person) -> None:
    wallet = user.wallet()
    for _ in range(3):
        for change in ("freeze", "unfreeze"):
            admin.done("POST", f"{WALLET}/{change}", {"walletId": wallet})
    everything = admin.audited(actor=admin.id)
    assert [entry["at"] for entry in everything] == sorted((entry["at"] for entry in everything), reverse=True)
    for limit in ("1", "4", "6"):
        listed: list[Any] = []
        token: dict[str, str] = {}
        while True:
            page = admin.page(actor=admin.id, limit=limit, **token)
            assert 0 < len(page["items"]) <= int(limit)
            listed += page["items"]
            if page["nextToken"] is None:
                break
            token = {"nextToken": page["nextToken"]}
        assert listed == everything
    elsewhere = {"userId": user.id, "limit": "1", "nextToken": admin.page(actor=admin.id, limit="1")["nextToken"]}
    assert admin.ask("GET", AUDIT, query=elsewhere).status == 422


def test_entries_are_selected_by_actor_user_and_time(admin: Person, user: Person) -> None:
    other = Person(user.handlers)
    for owner in (user, other):
        admin.done("POST", f"{WALLET}/deposit", movement(owner.wallet()))
    (deposit,) = admin.audited(actor=admin.id, userId=user.id)
    assert deposit["action"] == "DEPOSIT"
    at = deposit["at"]
    assert deposit in admin.audited(**{"from": at, "to": at}, limit="1000")
    assert deposit in admin.audited(userId=user.id, **{"from": at})
    assert admin.audited(userId=user.id, to="2020-01-01T00:00:00Z") == []
    assert admin.audited(**{"from": "2100-01-01T01:00:00+01:00"}) == []
    assert admin.page(**{"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}) == {
        "items": [],
        "nextToken": None,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("from", "yesterday"),
        ("from", "2026-01-01"),
        ("to", "2026-01-01T00:00:00"),
        ("to", "99999999999999999999"),
        ("actor", ""),
        ("actor", "a#b"),
        ("userId", "x" * 129),
        ("limit", "0"),
        ("limit", "1001"),
        ("nextToken", "nonsense"),
    ],
)
def test_an_invalid_filter_is_refused(admin: Person, name: str, value: str) -> None:
    answer = admin.ask("GET", AUDIT, query={name: value})
    assert answer.status == 422
    (error,) = answer.body["errors"]
    assert (error["param"], error["location"]) == (name, "query")


def test_only_admins_read_the_trail(user: Person) -> None:
    answer = user.ask("GET", AUDIT, query={"limit": "nonsense"})
    assert (answer.status, answer.body) == (403, {"message": "Forbidden"})
