"""The answers that each caller gets, with at least one row for every route of the desk, accounts and admin APIs.

A few routes of the customer API are here as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.samples import Sample, Subject

CALLERS = ("nobody", "user", "other", "admin", "machine", "machine without the scope")
"""``user`` owns the requested entities, unless the machine does. ``nobody`` has no token, or an invalid one."""

ACCOUNTS = "/api/v3/tradingAccount"
Expected = int | tuple[int, int]
"""A status; errors at the desk have an errno, too."""

STRANGER, NO_ROLE = (401, -190401), (403, -190403)
NOT_THEIRS: dict[str, Expected] = {"account": (403, -120003), "credential": NO_ROLE, "wallet": (403, -140003)}
UNKNOWN: dict[str, Expected] = {
    "tradingAccountId": (404, -120002),
    "credentialId": (404, -130002),
    "credentialIds": (404, -130002),
    "walletId": (404, -140002),
    "sourceWalletId": (404, -140002),
    "transactionId": (404, -140002),
    "path": 404,
}
"""The answer for an unknown id to callers who may use the route, by the place of the id in the request."""


@dataclass(frozen=True)
class Shown:
    """A list that shows an entity of the owner (an attribute of the subject) to exactly these callers."""

    thing: str
    to: tuple[str, ...] = ("user",)


@dataclass(frozen=True)
class Row:
    """The answer to each caller. ``sample`` replaces the one of the route. ``as_machine``: the machine is the owner."""

    route: str
    expected: tuple[Expected, ...]
    sample: Sample | None = None
    as_machine: bool = False
    shown: Shown | None = None
    note: str = ""

    @property
    def name(self) -> str:
        """Return the unique name of the row."""
        return " ".join(filter(None, (self.route, self.note, "of a machine" if self.as_machine else "")))

    def of(self, caller: str) -> Expected:
        """Return the answer that a caller gets."""
        return self.expected[CALLERS.index(caller)]

    def of_unknown(self, caller: str, named: str) -> Expected:
        """Return the answer that a caller gets for an unknown id; without the role, the same as for a known one."""
        expected = self.of(caller)
        is_for_admins = not self.as_machine and self.of("user") in (NO_ROLE, 403)
        has_role = caller == "admin" if is_for_admins else caller != "machine without the scope"
        return UNKNOWN[named] if has_role and expected not in (STRANGER, 401) else expected


def desk(user: Expected, other: Expected, admin: Expected) -> tuple[Expected, ...]:
    """Return the answers of the desk, which refuses machines."""
    return (STRANGER, user, other, admin, STRANGER, STRANGER)


def customer(user: Expected, other: Expected, admin: Expected) -> tuple[Expected, ...]:
    """Return the answers of the customer API, which refuses machines."""
    return (401, user, other, admin, 401, 401)


EVERYBODY = desk(200, 200, 200)
ADMINS = desk(NO_ROLE, NO_ROLE, 200)
OPEN: tuple[Expected, ...] = (200,) * 6
CUSTOMER_ADMINS = customer(403, 403, 200)
OWN = customer(200, 200, 200)
OWNER_ALONE = customer(200, 404, 404)


def owners(kind: str, *, admins: bool) -> tuple[Expected, ...]:
    """Return the answers of a route for owners and, where they are allowed, admins."""
    return desk(200, NOT_THEIRS[kind], 200 if admins else NOT_THEIRS[kind])


def by_account(it: Subject) -> dict[str, str]:
    return {"tradingAccountId": it.spot}


def by_wallet(it: Subject) -> dict[str, str]:
    return {"tradingAccountId": it.wallet}


def kept(it: Subject) -> dict[str, Any]:
    return {"venue": "BINANCE", "credentialIds": [it.new_credential()]}


def _disconnect(it: Subject, account: Any) -> None:
    it.do("POST", f"{ACCOUNTS}/disconnect", {"tradingAccountId": account["data"]["tradingAccountId"]})


ALL = Sample(query={"limit": "1000"})
NO_CHALLENGE = Sample(body={"email": "nobody@example.com", "session": "x" * 30, "challengeName": "SMS", "answer": "1"})

DESK = (
    Row("GET /api/v3", OPEN),
    Row("GET /api/v3/health", OPEN),
    Row("POST /api/v3/auth/login", OPEN),
    Row("POST /api/v3/auth/token/refresh", OPEN),
    Row("POST /api/v3/auth/challenge", ((400, -190001),) * 6, NO_CHALLENGE),
    Row("POST /api/v3/auth/logout", EVERYBODY, Sample(body={})),
    Row("GET /api/v3/auth/user", EVERYBODY, Sample(), shown=Shown("user_id")),
    Row("POST /api/v3/credential/create", EVERYBODY),
    Row("POST /api/v3/credential/verify", owners("credential", admins=False)),
    Row("POST /api/v3/credential/rotate", owners("credential", admins=False)),
    Row("POST /api/v3/credential/revoke", owners("credential", admins=False)),
    Row("GET /api/v3/credential/list", EVERYBODY, ALL, shown=Shown("spot")),
    Row("POST /api/v3/tradingAccount/connect", EVERYBODY),
    Row(
        "POST /api/v3/tradingAccount/connect",
        owners("credential", admins=False),
        Sample(body=kept, then=_disconnect),
        note="with a credential",
    ),
    Row("GET /api/v3/tradingAccount/list", EVERYBODY, ALL, shown=Shown("spot")),
    Row("GET /api/v3/tradingAccount/list", owners("account", admins=True), Sample(query=by_account), note="of one"),
    Row(
        "GET /api/v3/tradingAccount/list",
        desk(200, NO_ROLE, 200),
        Sample(query=lambda it: {"userId": it.user_id, "limit": "1000"}),
        shown=Shown("spot", to=("user", "admin")),
        note="of a user",
    ),
    Row("POST /api/v3/tradingAccount/update", owners("account", admins=False)),
    Row("POST /api/v3/tradingAccount/enable", owners("account", admins=False)),
    Row("POST /api/v3/tradingAccount/disable", owners("account", admins=False)),
    Row("POST /api/v3/tradingAccount/disconnect", owners("account", admins=True)),
    Row("GET /api/v3/tradingAccount/operation/list", EVERYBODY, ALL, shown=Shown("spot")),
    Row(
        "GET /api/v3/tradingAccount/operation/list",
        owners("account", admins=True),
        Sample(query=by_account),
        note="of an account",
    ),
    Row("GET /api/v3/tradingAccount/portfolio/list", EVERYBODY, ALL, shown=Shown("wallet")),
    Row(
        "GET /api/v3/tradingAccount/portfolio/list",
        owners("account", admins=True),
        Sample(query=by_account),
        note="of an account",
    ),
    Row(
        "GET /api/v3/tradingAccount/portfolio/list",
        owners("account", admins=True),
        Sample(query=by_wallet),
        note="of a wallet",
    ),
    Row("POST /api/v3/fermata/wallet/create", EVERYBODY),
    *(
        Row("POST /api/v3/fermata/wallet/create", ADMINS, Sample(body=body), note=f"with {next(iter(body))}")
        for body in ({"allowNegative": True}, {"walletType": "DEALER"})
    ),
    Row(
        "POST /api/v3/fermata/wallet/create",
        desk(200, NO_ROLE, 200),
        Sample(body=lambda it: {"userId": it.user_id}),
        note="with userId",
    ),
    Row("GET /api/v3/fermata/wallet/get", owners("wallet", admins=True)),
    Row("GET /api/v3/fermata/wallet/list", EVERYBODY, ALL, shown=Shown("wallet", to=("user", "admin"))),
    Row("POST /api/v3/fermata/wallet/freeze", ADMINS),
    Row("POST /api/v3/fermata/wallet/unfreeze", ADMINS),
    Row("POST /api/v3/fermata/wallet/close", ADMINS),
    Row("POST /api/v3/fermata/wallet/deposit", ADMINS),
    Row("POST /api/v3/fermata/wallet/withdraw", owners("wallet", admins=True)),
    Row("POST /api/v3/fermata/wallet/transfer", owners("wallet", admins=True)),
    Row("POST /api/v3/fermata/wallet/transaction/reverse", ADMINS),
    Row("GET /api/v3/fermata/wallet/transaction/list", owners("wallet", admins=True)),
    Row("GET /api/v3/fermata/wallet/entry/list", owners("wallet", admins=True)),
)
CUSTOMERS = (
    Row("POST /accounts", (401, 200, 200, 200, 200, 403)),
    Row("GET /accounts", (401, 200, 200, 200, 200, 403), shown=Shown("customer")),
    Row("GET /accounts/{accountID}", (401, 200, 403, 200, 403, 403)),
    Row("PATCH /accounts/{accountID}", (401, 200, 403, 403, 403, 403)),
    Row("DELETE /accounts/{accountID}", (401, 204, 403, 403, 403, 403)),
    Row("GET /accounts", (401, 200, 200, 200, 200, 403), as_machine=True, shown=Shown("customer", to=("machine",))),
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
"""The scope that a machine client needs for a route."""

OF_ADMINS = (
    Row("GET /v1/admin/account/user/list", CUSTOMER_ADMINS),
    Row("GET /v1/admin/account/user/overview/{id}", CUSTOMER_ADMINS, shown=Shown("spot", to=("admin",))),
    Row("PUT /v1/admin/account/user/{id}/subscription", CUSTOMER_ADMINS),
    Row("GET /v1/admin/audit", CUSTOMER_ADMINS),
    Row("POST /v1/admin/strategy/profile", CUSTOMER_ADMINS),
    Row("PUT /v1/admin/strategy/profile/{id}", CUSTOMER_ADMINS),
    Row("POST /v1/admin/strategy", CUSTOMER_ADMINS),
    Row("PUT /v1/admin/strategy/{id}", CUSTOMER_ADMINS),
    Row("POST /v1/admin/strategy/{id}/result", CUSTOMER_ADMINS),
    Row("POST /v1/admin/strategy/{id}/signal", CUSTOMER_ADMINS),
    Row("GET /v1/admin/strategy/{id}/signal/list", CUSTOMER_ADMINS),
    Row("POST /v1/admin/strategy/{id}/secret", CUSTOMER_ADMINS),
    Row("PUT /v1/admin/strategy/{id}/mode", CUSTOMER_ADMINS),
    Row("PUT /v1/admin/trading/mode", CUSTOMER_ADMINS),
)
OF_PEOPLE = (
    Row("GET /v1/priv/account/profile", OWN),
    Row("PUT /v1/priv/account/profile", OWN),
    Row("GET /v1/priv/account/exchange/key/list", OWN, shown=Shown("spot")),
    Row("GET /v1/priv/account/exchange/key/{id}/balance", OWNER_ALONE),
    Row("PUT /v1/priv/account/exchange/key/{id}", OWNER_ALONE),
    Row("DELETE /v1/priv/account/exchange/key/{id}", customer(204, 404, 404)),
    Row("GET /v1/priv/strategy/follow/exchange/key/{id}", OWNER_ALONE),
    Row("GET /v1/priv/strategy/follow/{id}/execution/list", OWNER_ALONE),
)
TABLE = DESK + CUSTOMERS + OF_ADMINS + OF_PEOPLE
