"""Wallets: what they are created with, and how they are shown."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from purser.http.wire import FREE_TEXT, Instant, Uuid, WireModel, dump
from purser.ledger.model import WalletStatus, WalletType
from purser.ledger.wallets import NewWallet

MOST_METADATA = 50
MOST_METADATA_BYTES = 4096
"""The size limit of metadata as JSON in UTF-8."""

Text64 = Annotated[str, StringConstraints(min_length=1, max_length=64), FREE_TEXT]
Text512 = Annotated[str, StringConstraints(max_length=512), FREE_TEXT]
UserId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_-]*$")]


class WalletBody(BaseModel):
    """The body of create. ``walletType``, ``userId`` and ``allowNegative`` are for admins."""

    nickname: Text64 | None = None
    metadata: dict[Text64, Text512] = Field(default_factory=dict, max_length=MOST_METADATA)
    accountID: Uuid | None = None
    walletType: WalletType = WalletType.CLIENT
    userId: UserId | None = None
    allowNegative: bool = Field(default=False, strict=True)

    @field_validator("metadata")
    @classmethod
    def _is_small(cls, metadata: dict[str, str]) -> dict[str, str]:
        if len(dump(metadata).encode()) > MOST_METADATA_BYTES:
            raise PydanticCustomError("rule_metadata", f"must take at most {MOST_METADATA_BYTES} bytes")
        return metadata

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


class WalletAnswer(WireModel):
    """A wallet, as the reference shows it."""

    walletId: str = Field(validation_alias="id")
    walletType: WalletType = Field(validation_alias="type")
    status: WalletStatus
    allowNegative: bool = Field(validation_alias="allow_negative")
    metadata: dict[str, str]
    accountID: str | None = Field(default=None, validation_alias="account_id")
    createdAt: int = Field(validation_alias="created_at")
    createdAtDateTime: Instant = Field(validation_alias="created_at")
    updatedAt: int = Field(validation_alias="updated_at")
    updatedAtDateTime: Instant = Field(validation_alias="updated_at")
