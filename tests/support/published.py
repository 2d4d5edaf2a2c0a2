"""The answers of the desk API as its published clients in Python and Go read them, typed from their field lists.

A field is held to the stricter of the two clients. Go demands that each required key is there, ``int64`` or a
``time.Time`` in RFC 3339; Python demands types, UUIDs, enumerations and patterns. Both keep fields that they do not
know.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, TypeAdapter

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


class Published(BaseModel):
    """A published model: strict about types, and open to more fields."""

    model_config = ConfigDict(strict=True, extra="allow")


class Details(Published):
    """``baseResponse_details``."""

    code: str | None = None
    resource: str | None = None
    action: str | None = None
    required: list[str] | None = None
    provided: list[str] | None = None
    tenant_id: str | None = None
    request_id: str | None = None
    metadata: dict[str, Any] | None = None


class Base(Published):
    """``baseResponse``."""

    success: bool | None = None
    errno: int
    error: str | None = None
    details: Details | None = None


class Envelope(Base, Generic[T]):
    """``baseResponse`` with ``data``."""

    data: T | None = None


class Pagination(Published):
    """``pagination``."""

    offset: int | None = None
    limit: int | None = None
    total: int | None = None
    cursor: str | None = None
    hasNext: bool | None = None


class Listed(Envelope[list[T]], Generic[T]):
    """An envelope with a list and its ``pagination``."""

    pagination: Pagination | None = None


class About(Published):
    """``root_200_response_allOf_data``."""

    name: str | None = None
    version: str | None = None
    documentation: str | None = None


HealthStatus = Literal["healthy", "degraded", "unhealthy"]


class HealthCheckComponent(Published):
    """``healthCheckComponent``."""

    status: HealthStatus


class HealthChecks(Published):
    """``health_200_response_checks``."""

    database: HealthCheckComponent | None = None
    temporal: HealthCheckComponent | None = None
    redis: HealthCheckComponent | None = None


class Health(Published):
    """``health_200_response``, which is no envelope. With 503 it is the same."""

    status: HealthStatus
    timestamp: int
    isoDateTime: Moment | None = None
    version: str
    checks: HealthChecks | None = None


class User(Published):
    """``authUser``, without what Purser never answers."""

    id: Id | None = None
    email: str | None = None
    phone: str | None = None
    emailConfirmedAt: Moment | None = None
    phoneConfirmedAt: Moment | None = None
    lastSignInAt: Moment | None = None
    role: str | None = None
    createdAt: Moment | None = None
    updatedAt: Moment | None = None
    userMetadata: dict[str, Any] | None = None


class Session(Published):
    """``authSession``."""

    accessToken: str | None = None
    refreshToken: str | None = None
    tokenType: str | None = None
    expiresIn: int | None = None
    expiresAt: int | None = None
    user: User | None = None


class Credential(Published):
    """``tradingAccountCredential``."""

    credentialId: Id
    venue: Venue
    credentialType: Literal["API_KEY", "TOKEN", "HMAC", "OAUTH", "RSA", "ED25519"] | None
    nickname: str | None = None
    status: Literal["CREATED", "ACTIVE", "EXPIRED", "REVOKED"]
    createdAt: int
    createdAtDateTime: Moment | None = None
    updatedAt: int
    updatedAtDateTime: Moment | None = None
    revokedAt: int | None = None
    revokedAtDateTime: Moment | None = None


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
    createdAtDateTime: Moment | None = None
    updatedAt: int
    updatedAtDateTime: Moment | None = None


class Operation(Published):
    """``accountOperation``."""

    operationId: Id
    tradingAccountId: Id
    operationType: Literal[
        "CONNECT", "DISCONNECT", "ENABLE", "DISABLE", "UPDATE", "CREDENTIAL_REVOKE", "CREDENTIAL_ROTATE"
    ]
    status: Literal["PENDING", "SUCCESS", "FAILED"]
    createdAt: int
    createdAtDateTime: Moment | None = None


class Position(Published):
    """``positionEntry``."""

    positionId: Id
    securitySymbol: str
    externalPositionId: str | None = None
    tradingAccountId: Id
    instrumentId: str | None = None
    securityType: SecurityType
    status: Literal["OPEN", "CLOSED"]
    positionSide: Literal["LONG", "SHORT"]
    quantity: Decimal
    entryPrice: Decimal | None = None
    exitPrice: Decimal | None = None
    currentPrice: Decimal | None = None
    unrealizedPnl: Decimal | None = None
    realizedPnl: Decimal | None = None
    createdAt: int
    createdAtDateTime: Moment | None = None
    updatedAt: int
    updatedAtDateTime: Moment | None = None
    closedAt: int | None = None
    closedAtDateTime: Moment | None = None


class Balance(Published):
    """``balanceEntry``."""

    securitySymbol: str
    securityType: SecurityType
    externalBalanceId: str | None = None
    tradingAccountId: Id
    status: Literal["ACTIVE", "LOCKED"]
    positionId: Id | None = None
    free: Decimal
    locked: Decimal
    borrowed: Decimal
    total: Decimal
    net: Decimal
    updatedAt: int
    updatedAtDateTime: Moment | None = None


class Summary(Published):
    """``portfolioSummary``."""

    tradingAccountId: Id
    currency: str
    leverage: int | None
    equity: Decimal
    margin: Decimal
    marginLoan: Decimal
    marginUsage: Decimal
    marginRequirement: Decimal
    marginLevel: Decimal
    credit: Decimal
    riskExposure: Decimal
    maxRiskExposure: Decimal | None = None
    riskExposureRate: Decimal | None = None


class Portfolio(Published):
    """``portfolio``."""

    tradingAccountId: Id
    venue: Venue
    positions: list[Position]
    balances: list[Balance]
    summary: Summary
    updatedAt: int
    updatedAtDateTime: Moment | None = None


class Wallet(Published):
    """``fermataWallet``."""

    walletId: Id
    walletType: Literal["DEALER", "CLIENT", "EXCHANGE", "ACCOUNTING"]
    status: Literal["ACTIVE", "FROZEN", "CLOSED"]
    allowNegative: bool | None = None
    metadata: dict[str, str] | None = None
    createdAt: int
    createdAtDateTime: Moment | None = None
    updatedAt: int
    updatedAtDateTime: Moment | None = None


class Transferred(Published):
    """``deleteMarketInstrument_200_response``, which transfer answers. It has no ``details``."""

    errno: int
    error: str | None = None
    data: str | None = None


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

ALSO_WITH_503 = ("GET", f"{BASE}/health")


def check(method: str, path: str, status: int, text: str) -> None:
    """Read an answer as the published clients do, or raise a validation error."""
    model = ANSWERS.get((method, path))
    if model is not None:
        read = model if status == 200 or (method, path) == ALSO_WITH_503 else Base
        TypeAdapter(read).validate_json(text)
