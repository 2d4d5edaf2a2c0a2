"""A strict client of the desk API: it accepts no missing field, no unknown field and no unknown value.

The field lists are those of contract.md ("Required fields and enumerations").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import requests
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, TypeAdapter, model_validator

from tests.support.local_system import subject_of
from tests.support.samples import ACCOUNTS, KEYS

T = TypeVar("T")


def _uuid(value: str) -> str:
    assert str(UUID(value)) == value
    return value


Id = Annotated[str, AfterValidator(_uuid)]
Amount = Annotated[str, StringConstraints(pattern=r"^-?\d+(\.\d+)?$")]


class Strict(BaseModel):
    """A model that accepts no other types and no unknown fields. Both notations of an instant must agree."""

    model_config = ConfigDict(strict=True, extra="forbid")

    @model_validator(mode="after")
    def _instants_agree(self) -> Strict:
        for name in type(self).model_fields:
            text = getattr(self, name + "DateTime", None)
            if text is not None:
                assert text.endswith("Z")
                unit = 1 if name == "expiresAt" else 1000
                assert math.floor(datetime.fromisoformat(text).timestamp() * unit) == getattr(self, name), name
        return self


class Made(Strict):
    """Anything with a time of creation."""

    createdAt: int
    createdAtDateTime: str


class Kept(Made):
    """Anything with a time of its last change."""

    updatedAt: int
    updatedAtDateTime: str


class Credential(Kept):
    """A credential."""

    credentialId: Id
    userId: str
    venue: Literal["BINANCE"]
    credentialType: Literal["API_KEY", "TOKEN", "HMAC", "OAUTH", "RSA", "ED25519"]
    nickname: str
    status: Literal["CREATED", "ACTIVE", "EXPIRED", "REVOKED"]
    revokedAt: int = 0
    revokedAtDateTime: str | None = None


class Trouble(Strict):
    """The error of one item of a list."""

    errno: int
    error: str


class TradingAccount(Kept):
    """A trading account."""

    tradingAccountId: Id
    externalTradingAccountId: Literal["SPOT", "FUTURES"]
    userId: str
    venue: Literal["BINANCE"]
    name: str
    nickname: str
    accountType: Literal["SPOT", "MARGIN", "CREDIT"]
    externalAccountType: str
    credentials: list[Credential]
    status: Literal["NEW", "CREATED", "ACTIVE", "INACTIVE", "LOCKED", "DISCONNECTED", "UNAVAILABLE"]
    positionMode: Literal["HEDGE", "NETTING"] = "NETTING"
    collateralMode: Literal["CROSS", "ISOLATED"] = "CROSS"
    marginMode: Literal["ISOLATED", "CROSS"] = "CROSS"
    disconnectedAt: int = 0
    disconnectedAtDateTime: str | None = None

    @model_validator(mode="after")
    def _names_agree(self) -> TradingAccount:
        assert self.name == self.nickname
        assert (self.status == "DISCONNECTED") == bool(self.disconnectedAt)
        return self


class Verified(TradingAccount):
    """An account as verified at the exchange."""

    status: Literal["NEW", "ACTIVE", "UNAVAILABLE"]
    error: Trouble | None


class Operation(Made):
    """An operation."""

    operationId: Id
    tradingAccountId: Id
    userId: str
    operationType: Literal[
        "CONNECT", "DISCONNECT", "ENABLE", "DISABLE", "UPDATE", "CREDENTIAL_REVOKE", "CREDENTIAL_ROTATE"
    ]
    status: Literal["PENDING", "SUCCESS", "FAILED"]
    actorId: str
    requestId: str | None


class Wallet(Kept):
    """A wallet."""

    walletId: Id
    walletType: Literal["DEALER", "CLIENT", "EXCHANGE", "ACCOUNTING"]
    status: Literal["ACTIVE", "FROZEN", "CLOSED"]
    allowNegative: bool
    metadata: dict[str, str]
    accountID: Id | None


class Entry(Made):
    """An entry."""

    entryId: str
    transactionId: Id
    walletId: Id
    asset: str
    amount: Amount


class Transaction(Made):
    """A transaction."""

    transactionId: Id
    type: Literal["DEPOSIT", "WITHDRAWAL", "TRANSFER", "REVERSAL"]
    entries: list[Entry]
    externalRef: str | None
    reverses: str | None
    reason: str | None


class Balance(Strict):
    """The balance of one asset."""

    securitySymbol: str
    securityType: Literal["STOCK", "CRYPTO", "CURRENCY", "COMMODITY", "INDEX", "BOND", "OPTION", "FUTURES", "PERPETUAL"]
    tradingAccountId: Id
    status: Literal["ACTIVE", "LOCKED"]
    free: Amount
    locked: Amount
    borrowed: Amount
    total: Amount
    net: Amount
    updatedAt: int
    updatedAtDateTime: str


class Position(Kept):
    """An open position."""

    positionId: Id
    securitySymbol: str
    tradingAccountId: Id
    instrumentId: Annotated[str, StringConstraints(pattern=r"^[A-Z]+:[A-Z0-9]+/[A-Z0-9]+$")]
    securityType: Literal["PERPETUAL"]
    status: Literal["OPEN", "CLOSED"]
    positionSide: Literal["LONG", "SHORT"]
    quantity: Amount
    entryPrice: Amount
    currentPrice: Amount
    unrealizedPnl: Amount


class Summary(Strict):
    """The figures of a portfolio."""

    tradingAccountId: Id
    currency: str
    leverage: int | None
    equity: Amount
    margin: Amount
    marginLoan: Amount
    marginUsage: Amount
    marginRequirement: Amount
    marginLevel: Amount
    credit: Amount
    riskExposure: Amount
    maxRiskExposure: Amount
    riskExposureRate: Amount


class Portfolio(Strict):
    """A portfolio."""

    tradingAccountId: Id
    venue: Literal["BINANCE", "FERMATA"]
    positions: list[Position]
    balances: list[Balance]
    summary: Summary
    error: Trouble | None
    updatedAt: int
    updatedAtDateTime: str


class User(Strict):
    """The signed-in user."""

    id: Id
    email: str
    role: str
    createdAt: str
    updatedAt: str


class Session(Strict):
    """A session, whose ``expiresAt`` is in seconds."""

    accessToken: str
    refreshToken: str
    tokenType: Literal["Bearer"]
    expiresIn: int
    expiresAt: int
    expiresAtDateTime: str
    user: User


class Envelope(Strict, Generic[T]):
    """The envelope of a successful answer."""

    data: T
    success: Literal[True]
    errno: Literal[0]
    error: None


class Transferred(Envelope[Literal["ok"]]):
    """The answer to transfer."""

    details: Transaction


class Pagination(Strict):
    """The position of a page in its list."""

    offset: int
    limit: int
    total: int | None
    cursor: str | None
    hasNext: bool


class Listed(Envelope[list[T]], Generic[T]):
    """A page of a list."""

    pagination: Pagination


class Refused(Strict):
    """The envelope of a refusal."""

    data: None
    success: Literal[False]
    errno: Annotated[int, AfterValidator(lambda errno: errno if errno < 0 else 1 / 0)]
    error: str


BASE, WALLETS = "/api/v3", "/api/v3/fermata/wallet"
ANSWERS: dict[str, Any] = {
    f"{BASE}/credential/create": Envelope[Credential],
    f"{BASE}/credential/rotate": Envelope[Credential],
    f"{BASE}/credential/revoke": Envelope[Credential],
    f"{BASE}/credential/verify": Envelope[list[Verified]],
    f"{BASE}/credential/list": Listed[Credential],
    f"{BASE}/tradingAccount/list": Listed[TradingAccount],
    f"{BASE}/tradingAccount/operation/list": Listed[Operation],
    f"{BASE}/tradingAccount/portfolio/list": Listed[Portfolio],
    f"{BASE}/auth/login": Envelope[Session],
    f"{BASE}/auth/token/refresh": Envelope[Session],
    f"{BASE}/auth/user": Envelope[User],
    f"{BASE}/auth/logout": Envelope[Literal["ok"]],
    **{
        f"{BASE}/tradingAccount/{act}": Envelope[TradingAccount]
        for act in ("connect", "update", "enable", "disable", "disconnect")
    },
    **{f"{WALLETS}/{act}": Envelope[Wallet] for act in ("create", "get", "freeze", "unfreeze", "close")},
    **{f"{WALLETS}/{act}": Envelope[Transaction] for act in ("deposit", "withdraw", "transaction/reverse")},
    f"{WALLETS}/list": Listed[Wallet],
    f"{WALLETS}/transfer": Transferred,
    f"{WALLETS}/transaction/list": Listed[Transaction],
    f"{WALLETS}/entry/list": Listed[Entry],
}
"""The answer of each path with 200."""


def parsed(path: str, status: int, text: str) -> Any:
    """Return an answer as a strict client reads it, or raise a validation error."""
    model = ANSWERS[path] if status == 200 else Refused
    return TypeAdapter(model).validate_json(text)


class Client:
    """A client of the desk that validates every answer."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.id = url, subject_of(token)
        self.headers = {"Authorization": f"Bearer {token}"}

    def send(self, method: str, path: str, body: Any = None, **given: Any) -> tuple[int, Any]:
        """Send a request, and return the status and the parsed answer."""
        headers = self.headers | given.pop("headers", {})
        answer = requests.request(method, self.url + path, json=body, headers=headers, timeout=60, **given)
        assert answer.headers["x-request-id"]
        return answer.status_code, parsed(path, answer.status_code, answer.text)

    def post(self, path: str, headers: Mapping[str, str] | None = None, **body: Any) -> Any:
        """Send a POST that must succeed, and return the data."""
        status, answer = self.send("POST", path, body, headers=headers or {})
        assert status == 200, answer
        return answer.data

    def list(self, path: str, **query: Any) -> Any:
        """Send a GET that must succeed, and return the data."""
        status, answer = self.send("GET", path, params=query)
        assert status == 200, answer
        return answer.data

    def refused(self, path: str, **body: Any) -> tuple[int, int, str]:
        """Send a POST that must be refused, and return status, errno and text."""
        status, answer = self.send("POST", path, body)
        return status, answer.errno, answer.error

    def v1(self, method: str, path: str) -> requests.Response:
        """Return an answer of the customer API."""
        return requests.request(method, self.url + path, headers=self.headers, timeout=60)

    def key_ids(self) -> Sequence[str]:
        """Return the ids of the trading accounts that the customer API lists."""
        return [each["id"] for each in self.v1("GET", f"{KEYS}/list").json()["items"]]

    def operations(self, account: Any, **query: Any) -> Sequence[tuple[str, str]]:
        """Return the operations of an account, newest first."""
        found = self.list(f"{ACCOUNTS}/operation/list", tradingAccountId=account.tradingAccountId, **query)
        return [(each.operationType, each.status) for each in found]
