"""The desk API as its published clients in Python and Go know it: their parameters, and the answers that they read.

All of it is typed by hand from the clients' field lists and the OpenAPI document beside the Go client. A field is held
to the strictest of the three. Go demands that each required key is there, times in RFC 3339, and integers of 32 bits
but for times. Python demands types, UUIDs, enumerations and patterns. The document says which fields may be null. All
keep fields that they do not know.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

T = TypeVar("T")


def _uuid(value: str) -> str:
    UUID(value)
    return value


def _moment(value: str) -> str:
    assert datetime.fromisoformat(value).tzinfo, "no offset"
    return value


Id = Annotated[str, AfterValidator(_uuid)]
Moment = Annotated[str, AfterValidator(_moment)]
Decimal = Annotated[str, StringConstraints(pattern=r"^-?\d+(\.\d+)?$")]
Venue = Literal[
    "BINANCE", "B2C2", "WINTERMUTE", "BLOCKFILLS", "STONEX", "CUMBERLAND", "IBKR", "DERIBIT", "BITFINEX", "OKX",
    "BINANCE_UAT", "B2C2_UAT", "WINTERMUTE_UAT", "BLOCKFILLS_UAT", "STONEX_UAT", "CUMBERLAND_UAT", "IBKR_UAT",
    "DERIBIT_UAT", "BITFINEX_UAT", "OKX_UAT", "BINANCE_SANDBOX", "B2C2_SANDBOX", "IBKR_PAPER", "FERMATA", "MOCK",
    "PAPER",
]  # fmt: skip
SecurityType = Literal[
    "STOCK", "CRYPTO", "CURRENCY", "COMMODITY", "INDEX", "BOND", "OPTION", "FUTURES", "PERPETUAL"
]  # fmt: skip


ABSENT: Any = Field(default=None)
"""Marks a field that may be left out. Unless its type says so, it may not be null."""


class Published(BaseModel):
    """A published model: strict about types, and open to more fields."""

    model_config = ConfigDict(strict=True, extra="allow")


class Details(Published):
    """``baseResponse_details``."""

    code: str = ABSENT
    resource: str = ABSENT
    action: str = ABSENT
    required: list[str] = ABSENT
    provided: list[str] = ABSENT
    tenant_id: str = ABSENT
    request_id: str = ABSENT
    metadata: dict[str, Any] = ABSENT


class Base(Published):
    """``baseResponse``."""

    success: bool = ABSENT
    errno: int
    error: str | None = None
    details: Details | None = None


class Envelope(Base, Generic[T]):
    """``baseResponse`` with ``data``."""

    data: T = ABSENT


class Pagination(Published):
    """``pagination``. The document allows no null for ``total`` and ``cursor``, but both clients read it."""

    offset: int = ABSENT
    limit: int = ABSENT
    total: int | None = None
    cursor: str | None = None
    hasNext: bool = ABSENT


class Listed(Envelope[list[T]], Generic[T]):
    """An envelope with a list and its ``pagination``."""

    pagination: Pagination = ABSENT


class About(Published):
    """``root_200_response_allOf_data``."""

    name: str = ABSENT
    version: str = ABSENT
    description: str = ABSENT
    documentation: str = ABSENT


HealthStatus = Literal["healthy", "degraded", "unhealthy"]


class HealthCheckComponent(Published):
    """``healthCheckComponent``."""

    status: HealthStatus


class HealthChecks(Published):
    """``health_200_response_checks``."""

    database: HealthCheckComponent = ABSENT
    temporal: HealthCheckComponent = ABSENT
    redis: HealthCheckComponent = ABSENT


class Health(Published):
    """``health_200_response``, which is no envelope. With 503 it is the same."""

    status: HealthStatus
    timestamp: int
    isoDateTime: Moment = ABSENT
    version: str
    checks: HealthChecks = ABSENT


class AppMetadata(Published):
    """``authUser_appMetadata``."""

    environments: list[str] = ABSENT
    tenantId: str | None = None


class Identity(Published):
    """``authUser_identities_inner``."""

    id: str = ABSENT
    userId: Id = ABSENT
    provider: str = ABSENT
    identityData: dict[str, Any] = ABSENT
    lastSignInAt: Moment | None = None
    createdAt: Moment = ABSENT
    updatedAt: Moment = ABSENT


class User(Published):
    """``authUser``."""

    id: Id = ABSENT
    email: str = ABSENT
    phone: str | None = None
    emailConfirmedAt: Moment | None = None
    phoneConfirmedAt: Moment | None = None
    lastSignInAt: Moment | None = None
    role: str = ABSENT
    createdAt: Moment = ABSENT
    updatedAt: Moment = ABSENT
    appMetadata: AppMetadata = ABSENT
    userMetadata: dict[str, Any] = ABSENT
    identities: list[Identity] | None = None


class Session(Published):
    """``authSession``."""

    accessToken: str = ABSENT
    refreshToken: str = ABSENT
    tokenType: str = ABSENT
    expiresIn: int = ABSENT
    expiresAt: int = ABSENT
    user: User = ABSENT


class Credential(Published):
    """``tradingAccountCredential``."""

    credentialId: Id
    venue: Venue
    credentialType: Literal["API_KEY", "TOKEN", "HMAC", "OAUTH", "RSA", "ED25519"] | None
    nickname: str = ABSENT
    status: Literal["CREATED", "ACTIVE", "EXPIRED", "REVOKED"]
    createdAt: int
    createdAtDateTime: Moment = ABSENT
    updatedAt: int
    updatedAtDateTime: Moment = ABSENT
    revokedAt: int = ABSENT
    revokedAtDateTime: Moment = ABSENT


class TradingAccount(Published):
    """``tradingAccount``."""

    tradingAccountId: Id
    externalTradingAccountId: str
    venue: Venue
    nickname: str
    accountType: Literal["SPOT", "MARGIN", "CREDIT"]
    externalAccountType: str
    positionMode: Literal["HEDGE", "NETTING"] | None = None
    collateralMode: Literal["CROSS", "ISOLATED"] | None = None
    marginMode: Literal["ISOLATED", "CROSS"] | None = None
    credentials: list[Credential]
    status: Literal["NEW", "CREATED", "ACTIVE", "INACTIVE", "LOCKED", "DISCONNECTED", "UNAVAILABLE"]
    createdAt: int
    createdAtDateTime: Moment = ABSENT
    updatedAt: int
    updatedAtDateTime: Moment = ABSENT


class Operation(Published):
    """``accountOperation``."""

    operationId: Id
    tradingAccountId: Id
    operationType: Literal[
        "CONNECT", "DISCONNECT", "ENABLE", "DISABLE", "UPDATE", "CREDENTIAL_REVOKE", "CREDENTIAL_ROTATE"
    ]
    status: Literal["PENDING", "SUCCESS", "FAILED"]
    createdAt: int
    createdAtDateTime: Moment = ABSENT


class Position(Published):
    """``positionEntry``."""

    positionId: Id
    securitySymbol: str
    externalPositionId: str | None = None
    tradingAccountId: Id
    instrumentId: str = ABSENT
    securityType: SecurityType
    status: Literal["OPEN", "CLOSED"]
    positionSide: Literal["LONG", "SHORT"]
    quantity: Decimal
    entryPrice: Decimal = ABSENT
    exitPrice: Decimal = ABSENT
    currentPrice: Decimal = ABSENT
    unrealizedPnl: Decimal = ABSENT
    realizedPnl: Decimal = ABSENT
    createdAt: int
    createdAtDateTime: Moment = ABSENT
    updatedAt: int
    updatedAtDateTime: Moment = ABSENT
    closedAt: int = ABSENT
    closedAtDateTime: Moment | None = None


class Balance(Published):
    """``balanceEntry``."""

    securitySymbol: str
    securityType: SecurityType
    externalBalanceId: str | None = None
    tradingAccountId: Id
    status: Literal["ACTIVE", "LOCKED"]
    positionId: Id = ABSENT
    free: Decimal
    locked: Decimal
    borrowed: Decimal
    total: Decimal
    net: Decimal
    updatedAt: int
    updatedAtDateTime: Moment = ABSENT


class Summary(Published):
    """``portfolioSummary``."""

    tradingAccountId: Id
    currency: str
    leverage: Annotated[int, Field(lt=2**31)] | None
    equity: Decimal
    margin: Decimal
    marginLoan: Decimal
    marginUsage: Decimal
    marginRequirement: Decimal
    marginLevel: Decimal
    credit: Decimal
    riskExposure: Decimal
    maxRiskExposure: Decimal = ABSENT
    riskExposureRate: Decimal = ABSENT


class Portfolio(Published):
    """``portfolio``."""

    tradingAccountId: Id
    venue: Venue
    positions: list[Position]
    balances: list[Balance]
    summary: Summary
    updatedAt: int
    updatedAtDateTime: Moment = ABSENT


class Wallet(Published):
    """``fermataWallet``."""

    walletId: Id
    walletType: Literal["DEALER", "CLIENT", "EXCHANGE", "ACCOUNTING"]
    status: Literal["ACTIVE", "FROZEN", "CLOSED"]
    allowNegative: bool = ABSENT
    metadata: dict[str, str] = ABSENT
    createdAt: int
    createdAtDateTime: Moment = ABSENT
    updatedAt: int
    updatedAtDateTime: Moment = ABSENT


class Transferred(Published):
    """``deleteMarketInstrument_200_response``, which transfer answers. It has no ``details``."""

    errno: int
    error: str | None = None
    data: str = ABSENT


BASE = "/api/v3"
ANSWERS: dict[tuple[str, str], Any] = {
    ("GET", BASE): Envelope[About],
    ("GET", f"{BASE}/health"): Health,
    **{("POST", f"{BASE}/auth/{act}"): Envelope[Session] for act in ("login", "token/refresh")},
    ("GET", f"{BASE}/auth/user"): Envelope[User],
    ("POST", f"{BASE}/auth/logout"): Envelope[str],
    **{("POST", f"{BASE}/credential/{act}"): Envelope[Credential] for act in ("create", "rotate", "revoke")},
    ("POST", f"{BASE}/credential/verify"): Envelope[list[TradingAccount]],
    ("GET", f"{BASE}/credential/list"): Listed[Credential],
    **{
        ("POST", f"{BASE}/tradingAccount/{act}"): Envelope[TradingAccount]
        for act in ("connect", "update", "enable", "disable", "disconnect")
    },
    ("GET", f"{BASE}/tradingAccount/list"): Listed[TradingAccount],
    ("GET", f"{BASE}/tradingAccount/operation/list"): Listed[Operation],
    ("GET", f"{BASE}/tradingAccount/portfolio/list"): Listed[Portfolio],
    **{("POST", f"{BASE}/fermata/wallet/{act}"): Envelope[Wallet] for act in ("create", "freeze", "unfreeze", "close")},
    ("GET", f"{BASE}/fermata/wallet/get"): Envelope[Wallet],
    ("GET", f"{BASE}/fermata/wallet/list"): Listed[Wallet],
    ("POST", f"{BASE}/fermata/wallet/transfer"): Transferred,
}
"""The answer with 200 of each published operation that exists. A refusal is a ``Base``, but for health."""

_PAGE, _RANGE = ("limit", "offset"), ("startTime", "endTime")
_KEY = ("apiKey", "apiSecret", "apiPassphrase")
PARAMETERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("POST", f"{BASE}/auth/login"): ("email", "password"),
    ("POST", f"{BASE}/auth/token/refresh"): ("refreshToken",),
    ("POST", f"{BASE}/credential/create"): ("venue", "nickname", "credentialType", *_KEY),
    ("POST", f"{BASE}/credential/verify"): ("credentialIds",),
    ("POST", f"{BASE}/credential/rotate"): ("credentialId", *_KEY),
    ("POST", f"{BASE}/credential/revoke"): ("credentialId",),
    ("GET", f"{BASE}/credential/list"): ("credentialType", "credentialStatus", "credentialIds"),
    ("POST", f"{BASE}/tradingAccount/connect"): (
        "venue", "credentialIds", "externalTradingAccountId", "dealerAccountId", "nickname",
    ),
    ("POST", f"{BASE}/tradingAccount/update"): ("tradingAccountId", "nickname"),
    **{("POST", f"{BASE}/tradingAccount/{act}"): ("tradingAccountId",) for act in ("enable", "disable", "disconnect")},
    ("GET", f"{BASE}/tradingAccount/list"): (
        "tradingAccountId", "venue", "accountStatus", "userId", "tenantId", *_PAGE,
    ),
    ("GET", f"{BASE}/tradingAccount/operation/list"): (
        "tradingAccountId", "operationType", *_RANGE, *_PAGE, "cursor",
    ),
    ("GET", f"{BASE}/tradingAccount/portfolio/list"): ("tradingAccountId", "venue", "currency", *_PAGE),
    ("POST", f"{BASE}/fermata/wallet/create"): ("nickname",),
    ("GET", f"{BASE}/fermata/wallet/get"): ("walletId",),
    ("GET", f"{BASE}/fermata/wallet/list"): ("walletType", *_PAGE, "cursor"),
    **{("POST", f"{BASE}/fermata/wallet/{act}"): ("walletId",) for act in ("freeze", "unfreeze", "close")},
    ("POST", f"{BASE}/fermata/wallet/transfer"): ("sourceWalletId", "destWalletId", "asset", "amount"),
}  # fmt: skip
"""The parameters, in query or body, of each published operation that exists and has any."""

ALSO_WITH_503 = ("GET", f"{BASE}/health")


def check(method: str, path: str, status: int, text: str) -> None:
    """Read an answer as the published clients do, or raise a validation error."""
    model = ANSWERS.get((method, path))
    if model is not None:
        read = model if status == 200 or (method, path) == ALSO_WITH_503 else Base
        TypeAdapter(read).validate_json(text)
