"""Request and answer models of wallets and the ledger."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from purser.decimals import plain
from purser.http.desk import Envelope
from purser.http.wire import Instant, Uuid, WireModel, decimal_schema
from purser.ledger.model import TransactionType, WalletStatus, WalletType, parse_amount
from purser.ledger.wallets import NewWallet

MOST_METADATA = 50


def _amount(value: Any) -> Decimal:
    try:
        return parse_amount(value)
    except ValueError as error:
        raise PydanticCustomError("rule_amount", str(error)) from None


def _printable(value: str) -> str:
    if not value.isprintable():
        raise PydanticCustomError("rule_printable", "has invalid characters")
    return value


AmountIn = Annotated[Decimal, BeforeValidator(_amount), decimal_schema(digits=20, exclusiveMaximum=10**20)]
AmountOut = Annotated[
    Decimal,
    PlainSerializer(plain, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}, mode="serialization"),
]
Asset = Annotated[str, StringConstraints(min_length=2, max_length=20, pattern=r"^[A-Z0-9]*$")]
Text64 = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_printable)]
Text128 = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)]
Text512 = Annotated[str, StringConstraints(max_length=512)]
UserId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_-]*$")]


class WalletBody(BaseModel):
    """The body of create. ``walletType``, ``userId`` and ``allowNegative`` are for admins."""

    nickname: Text64 | None = None
    metadata: dict[Text64, Text512] = Field(default_factory=dict, max_length=MOST_METADATA)
    accountID: Uuid | None = None
    walletType: WalletType = WalletType.CLIENT
    userId: UserId | None = None
    allowNegative: bool = Field(default=False, strict=True)

    def is_ordinary_for(self, user_id: str) -> bool:
        """Return whether any user may ask for it: an own CLIENT wallet that cannot go negative."""
        return self.userId in (None, user_id) and self.walletType is WalletType.CLIENT and not self.allowNegative

    def as_wallet(self, id: str, user_id: str) -> NewWallet:
        """Return the wallet that a user asks for."""
        return NewWallet(
            id=id,
            owner_id=self.userId or user_id,
            type=self.walletType,
            allow_negative=self.allowNegative,
            metadata=self.metadata | ({"nickname": self.nickname} if self.nickname else {}),
            account_id=self.accountID,
        )


class WalletName(BaseModel):
    """The body of freeze, unfreeze and close."""

    walletId: Uuid


class Movement(BaseModel):
    """The body of deposit and withdraw."""

    walletId: Uuid
    asset: Asset
    amount: AmountIn
    externalRef: Text128


class TransferBody(BaseModel):
    """The body of transfer."""

    sourceWalletId: Uuid
    destWalletId: Uuid
    asset: Asset
    amount: AmountIn

    @field_validator("destWalletId")
    @classmethod
    def _another(cls, destination: str, info: ValidationInfo) -> str:
        if destination == info.data.get("sourceWalletId"):
            raise PydanticCustomError("rule_another", "must be another wallet than the source")
        return destination


class ReversalBody(BaseModel):
    """The body of reverse."""

    transactionId: Uuid
    reason: Annotated[Text512, StringConstraints(min_length=1)]


class WalletAnswer(WireModel):
    """A wallet, as the reference shows it."""

    walletId: str = Field(validation_alias="id")
    walletType: WalletType = Field(validation_alias="type")
    status: WalletStatus
    allowNegative: bool = Field(validation_alias="allow_negative")
    metadata: dict[str, str]
    createdAt: int = Field(validation_alias="created_at")
    createdAtDateTime: Instant = Field(validation_alias="created_at")
    updatedAt: int = Field(validation_alias="updated_at")
    updatedAtDateTime: Instant = Field(validation_alias="updated_at")


class EntryAnswer(WireModel):
    """An entry; a negative amount left the wallet."""

    entryId: str = Field(validation_alias="id")
    transactionId: str = Field(validation_alias="transaction_id")
    walletId: str = Field(validation_alias="wallet_id")
    asset: str
    amount: AmountOut
    createdAt: int = Field(validation_alias="created_at")
    createdAtDateTime: Instant = Field(validation_alias="created_at")


class TransactionAnswer(WireModel):
    """A transaction. ``reverses`` is the transaction that a reversal undoes."""

    transactionId: str = Field(validation_alias="id")
    type: TransactionType
    entries: list[EntryAnswer]
    externalRef: str | None = Field(validation_alias="external_ref")
    reverses: str | None
    reason: str | None
    createdAt: int = Field(validation_alias="created_at")
    createdAtDateTime: Instant = Field(validation_alias="created_at")


class Transferred(Envelope[str]):
    """The answer to transfer."""

    details: TransactionAnswer
