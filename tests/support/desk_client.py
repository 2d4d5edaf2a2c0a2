"""The desk API as a strict client reads it: every required field there, every enumeration kept, nothing unknown.

The field lists are contract.md's ("Required fields and enumerations").
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, TypeAdapter, model_validator

T = TypeVar("T")


def _uuid(value: str) -> str:
    assert str(UUID(value)) == value
    return value


Id = Annotated[str, AfterValidator(_uuid)]
Amount = Annotated[str, StringConstraints(pattern=r"^-?\d+(\.\d+)?$")]


class Strict(BaseModel):
    """Takes no other type for the one it wants, and no field that it does not know; instants agree."""

    model_config = ConfigDict(strict=True, extra="forbid")

    @model_validator(mode="after")
    def _instants_agree(self) -> Strict:
        for name in type(self).model_fields:
            text = getattr(self, name + "DateTime", None)
            if text is not None:
                assert text.endswith("Z")
                assert round(datetime.fromisoformat(text).timestamp() * 1000) == getattr(self, name), name
        return self


class Made(Strict):
    """What has been made at an instant."""

    createdAt: int
    createdAtDateTime: str


class Kept(Made):
    """What may change."""

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
    """What went wrong with one thing of a list."""

    errno: int
    error: str


class Verified(Credential):
    """A credential that the exchange was asked about."""

    accountTypes: list[Literal["SPOT", "MARGIN"]]
    error: Trouble | None


class TradingAccount(Kept):
    """A trading account."""

    tradingAccountId: Id
    externalTradingAccountId: str
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


class Envelope(Strict, Generic[T]):
    """What every answer of success is in."""

    data: T
    success: Literal[True]
    errno: Literal[0]
    error: None


class Transferred(Envelope[Literal["ok"]]):
    """The answer to transfer."""

    details: Transaction


class Pagination(Strict):
    """Where a page stands."""

    offset: int
    limit: int
    total: int | None
    cursor: str | None
    hasNext: bool


class Listed(Envelope[list[T]], Generic[T]):
    """A page of a list."""

    pagination: Pagination


class Refused(Strict):
    """What every refusal is in."""

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
"""What a path answers with 200."""


def parsed(path: str, status: int, text: str) -> Any:
    """An answer, as a strict client reads it. Raises a validation error for one that it could not."""
    model = ANSWERS[path] if status == 200 else Refused
    return TypeAdapter(model).validate_json(text)
