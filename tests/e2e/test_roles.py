"""Who may do what, at every route of the desk and accounts APIs: people, admins, machines, nobody. Over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from local.account import client
from local.client import Running
from local.paper.client import PaperControl
from tests.support import local_system
from tests.support.desk_client import ANSWERS, parsed
from tests.support.local_system import PASSWORD, subject_of
from tests.support.samples import PLAN, ROUTES, Catalog, Request, Sample, Subject, routes
from tests.support.senders import HttpSender

CALLERS = ("nobody", "user", "other", "admin", "machine", "machine without the scope")
"""``user`` is whose things are asked for, unless they are the machine's."""

ACCOUNTS = "/api/v3/tradingAccount"
Told = int | tuple[int, int]
"""A status, on the desk with the errno of a refusal."""

STRANGER, NO_ROLE = (401, -190401), (403, -190403)
NOT_THEIRS = {"account": (403, -120003), "credential": NO_ROLE, "wallet": (403, -140003)}


@dataclass(frozen=True)
class Row:
    """What each caller is told. ``sample`` asks otherwise than the route's own sample does; ``as_machine``: of its."""

    route: str
    told: tuple[Told, ...]
    sample: Sample | None = None
    as_machine: bool = False

    @property
    def name(self) -> str:
        """Unlike any other row's."""
        asked = " otherwise" if self.sample else ""
        return self.route + asked + (" of a machine" if self.as_machine else "")


def desk(user: Told, other: Told, admin: Told) -> tuple[Told, ...]:
    """Of the desk: no machine has a place at it."""
    return (STRANGER, user, other, admin, STRANGER, STRANGER)


EVERYBODY = desk(200, 200, 200)
ADMINS = desk(NO_ROLE, NO_ROLE, 200)
OPEN: tuple[Told, ...] = (200,) * 6


def owners(kind: str, *, admins: bool) -> tuple[Told, ...]:
    """Who owns the thing, and admins where they may."""
    return desk(200, NOT_THEIRS[kind], 200 if admins else NOT_THEIRS[kind])


def by_account(it: Subject) -> dict[str, str]:
    return {"tradingAccountId": it.spot}


def doomed(it: Subject) -> dict[str, str]:
    """An account that may end; one that was refused to end is there for the next."""
    named = [account for account in it.do("GET", f"{ACCOUNTS}/list")["data"] if account["name"] == "Doomed"]
    if named:
        return {"tradingAccountId": named[0]["tradingAccountId"]}
    name = {"tradingAccountId": it.connect("SPOT")}
    it.do("POST", f"{ACCOUNTS}/update", name | {"name": "Doomed"})
    return name


NO_CHALLENGE = Sample(body={"email": "nobody@example.com", "session": "x" * 30, "challengeName": "SMS", "answer": "1"})

TABLE = (
    Row("GET /api/v3", OPEN),
    Row("GET /api/v3/health", OPEN),
    Row("POST /api/v3/auth/login", OPEN),
    Row("POST /api/v3/auth/token/refresh", OPEN),
    Row("POST /api/v3/auth/challenge", ((400, -190001),) * 6, NO_CHALLENGE),
    Row("POST /api/v3/auth/logout", EVERYBODY, Sample(body={})),
    Row("GET /api/v3/auth/user", EVERYBODY, Sample()),
    Row("POST /api/v3/credential/create", EVERYBODY),
    Row("POST /api/v3/credential/verify", owners("credential", admins=False)),
    Row("POST /api/v3/credential/rotate", owners("credential", admins=False)),
    Row("POST /api/v3/credential/revoke", owners("credential", admins=False)),
    Row("GET /api/v3/credential/list", EVERYBODY),
    Row("POST /api/v3/tradingAccount/connect", EVERYBODY),
    Row(
        "POST /api/v3/tradingAccount/connect",
        owners("credential", admins=False),
        Sample(
            body=lambda it: {"venue": "BINANCE", "credentialIds": [it.new_credential()]},
            then=lambda it, made: it.do("POST", f"{ACCOUNTS}/disconnect", _named(made)),
        ),
    ),
    Row("GET /api/v3/tradingAccount/list", EVERYBODY),
    Row("GET /api/v3/tradingAccount/list", owners("account", admins=True), Sample(query=by_account)),
    Row(
        "GET /api/v3/tradingAccount/list",
        desk(200, NO_ROLE, 200),
        Sample(query=lambda it: {"userId": it.user_id, "limit": "1000"}),
    ),
    Row("POST /api/v3/tradingAccount/update", owners("account", admins=False)),
    Row("POST /api/v3/tradingAccount/enable", owners("account", admins=False)),
    Row("POST /api/v3/tradingAccount/disable", owners("account", admins=False)),
    Row("POST /api/v3/tradingAccount/disconnect", owners("account", admins=True), Sample(body=doomed)),
    Row("GET /api/v3/tradingAccount/operation/list", EVERYBODY),
    Row("GET /api/v3/tradingAccount/operation/list", owners("account", admins=True), Sample(query=by_account)),
    Row("GET /api/v3/tradingAccount/portfolio/list", EVERYBODY),
    Row("GET /api/v3/tradingAccount/portfolio/list", owners("account", admins=True), Sample(query=by_account)),
    Row("POST /api/v3/fermata/wallet/create", EVERYBODY),
    Row("POST /api/v3/fermata/wallet/create", ADMINS, Sample(body={"allowNegative": True})),
    Row("GET /api/v3/fermata/wallet/get", owners("wallet", admins=True)),
    Row("GET /api/v3/fermata/wallet/list", EVERYBODY),
    Row("POST /api/v3/fermata/wallet/freeze", ADMINS),
    Row("POST /api/v3/fermata/wallet/unfreeze", ADMINS),
    Row("POST /api/v3/fermata/wallet/close", ADMINS),
    Row("POST /api/v3/fermata/wallet/deposit", ADMINS),
    Row("POST /api/v3/fermata/wallet/withdraw", owners("wallet", admins=True)),
    Row("POST /api/v3/fermata/wallet/transfer", owners("wallet", admins=True)),
    Row("POST /api/v3/fermata/wallet/transaction/reverse", ADMINS),
    Row("GET /api/v3/fermata/wallet/transaction/list", owners("wallet", admins=True)),
    Row("GET /api/v3/fermata/wallet/entry/list", owners("wallet", admins=True)),
    Row("POST /accounts", (401, 200, 200, 200, 200, 403)),
    Row("GET /accounts", (401, 200, 200, 200, 200, 403)),
    Row("GET /accounts/{accountID}", (401, 200, 403, 200, 403, 403)),
    Row("PATCH /accounts/{accountID}", (401, 200, 403, 403, 403, 403)),
    Row("DELETE /accounts/{accountID}", (401, 204, 403, 403, 403, 403)),
    Row("GET /accounts/{accountID}", (401, 403, 403, 200, 200, 403), as_machine=True),
    Row("PATCH /accounts/{accountID}", (401, 403, 403, 403, 200, 403), as_machine=True),
    Row("DELETE /accounts/{accountID}", (401, 403, 403, 403, 204, 403), as_machine=True),
)
SCOPES = {
    "POST /accounts": "accounts/accounts.write",
    "GET /accounts": "accounts/accounts.read",
    "GET /accounts/{accountID}": "accounts/profile.read",
    "PATCH /accounts/{accountID}": "accounts/profile.write",
    "DELETE /accounts/{accountID}": "accounts/profile.disconnect",
}


def _named(made: Any) -> dict[str, str]:
    return {"tradingAccountId": made["data"]["tradingAccountId"]}


def test_every_route_is_in_the_table() -> None:
    ours = {route for route in routes() if route.partition(" ")[2].startswith(("/api/v3", "/accounts"))}
    assert {row.route for row in TABLE} == ours
    assert len({row.name for row in TABLE}) >= len(ours)


@dataclass
class Cast:
    """The callers, each with things of its own."""

    system: Running
    subjects: Mapping[str, Subject]
    emails: Mapping[str, str]

    def token(self, caller: str, route: str) -> str:
        """A fresh token of a caller, for one request."""
        if caller == "nobody":
            return ""
        if caller in self.emails:
            return self.system.token(self.emails[caller])
        every = set(SCOPES.values())
        needed = SCOPES.get(route, "")
        granted = {needed} if needed and caller == "machine" else every - {needed}
        return self.machine(granted)

    def machine(self, scopes: set[str]) -> str:
        """A machine client's token for scopes."""
        known = self.system.stack["machineClients"][0]
        form = {"grant_type": "client_credentials", "client_id": known["id"], "client_secret": known["secret"]}
        answer = requests.post(
            f"{self.system.stack['url']}/oauth2/token", data=form | {"scope": " ".join(sorted(scopes))}, timeout=30
        )
        token: str = answer.json()["access_token"]
        return token


@pytest.fixture(scope="module")
def cast(system: Running, tokens: Mapping[str, str]) -> Iterator[Cast]:
    """New callers for each worker."""
    cognito, pool = client("cognito-idp", system.stack["awsUrl"]), system.stack["resources"]["UserPool"]["Ref"]
    emails = {caller: local_system.new_user(system) for caller in ("user", "other", "admin")}
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=emails["admin"], GroupName="admin")
    made = Cast(system, {}, emails)
    people = {caller: system.token(email) for caller, email in emails.items()}
    people["machine"] = made.machine(set(SCOPES.values()))
    paper, catalog, subjects, senders = PaperControl(system.stack["paperUrl"]), Catalog(), {}, []
    for caller, token in people.items():
        sender = HttpSender(system.stack["url"], {"user": token, "admin": people["admin"]})
        senders.append(sender)
        subject = Subject(sender, subject_of(token), emails.get(caller, ""), PASSWORD, paper, catalog)
        subjects[caller] = subject
    for caller in emails:
        assert subjects[caller].plan == PLAN
    yield Cast(system, subjects, emails)
    for sender in senders:
        sender.close()


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_who_is_told_what(cast: Cast, row: Row) -> None:
    sample = row.sample or ROUTES[row.route]
    owner = cast.subjects["machine" if row.as_machine else "user"]
    for caller, told in zip(CALLERS, row.told, strict=True):
        asked = sample.request(row.route, owner)
        token = cast.token(caller, row.route)
        # Of its own token: the sample's is its owner's.
        request = Request(asked.method, asked.path, asked.body, "nobody", token)
        status, headers, content = HttpSender.raw(owner.send, request)
        text = content.decode()
        assert (status, errno(text)) == (told if isinstance(told, tuple) else (told, 0)), (caller, text)
        assert headers["x-request-id"]
        path = asked.path.partition("?")[0]
        if path in ANSWERS:
            parsed(path, status, text)
        if caller == "other" and asked.method == "GET" and status == 200 and "?" not in asked.path:
            assert not [thing for thing in (owner.user_id, *things(owner)) if thing in text]
        if 200 <= status < 300 and caller in cast.subjects:
            sample.clean(cast.subjects[caller], json.loads(text) if text else None)


def errno(text: str) -> int:
    """That of an envelope; 0 where there is none."""
    body = json.loads(text) if text else None
    return int(body["errno"]) if isinstance(body, dict) and "errno" in body else 0


def things(owner: Subject) -> list[str]:
    """The ids of what an owner has made so far."""
    return [value for name, value in vars(owner).items() if name in ("spot", "wallet", "customer", "futures")]


def test_the_table_can_fail(cast: Cast) -> None:
    """A row that is wrong is found: what it says is compared."""
    wrong = Row("GET /api/v3/fermata/wallet/list", ADMINS)
    with pytest.raises(AssertionError):
        test_who_is_told_what(cast, wrong)
