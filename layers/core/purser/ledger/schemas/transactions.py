"""Transactions: deposits, withdrawals, transfers and reversals, and their entries."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
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
from purser.http.wire import FREE_TEXT, Instant, Uuid, WireModel, decimal_schema
from purser.ledger.model import TransactionType, parse_amount


def _amount(value: Any) -> Decimal:
    try:
        return parse_amount(value)
    except ValueError as error:
        raise PydanticCustomError("rule_amount", str(error)) from None


AmountIn = Annotated[Decimal, BeforeValidator(_amount), decimal_schema(digits=20, exclusiveMaximum=10**20)]
AmountOut = Annotated[
    Decimal,
    PlainSerializer(plain, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}, mode="serialization"),
]
Asset = Annotated[str, StringConstraints(min_length=2, max_length=20, pattern=r"^[A-Z0-9]*$")]


class Movement(BaseModel):
    """The body of deposit and withdraw."""

    walletId: Uuid
    asset: Asset
    amount: AmountIn
    externalRef: Annotated[str, StringConstraints(min_length=1, max_length=128), FREE_TEXT]


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
    reason: Annotated[str, StringConstraints(min_length=1, max_length=512), FREE_TEXT]


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
