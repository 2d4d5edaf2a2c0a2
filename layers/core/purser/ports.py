"""Ports that several domains share. Every method may raise ``purser.errors.Unavailable``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from purser.actor import Actor
    from purser.audit.model import Action
    from purser.exchanges.model import ApiCredential
    from purser.trading_accounts.model import TradingAccount


class Sender(Protocol):
    """A queue."""

    def send(self, messages: Iterable[Mapping[str, Any]], *, delay_s: int = 0) -> int:
        """Send messages, streaming. Return how many were sent."""


class Sealer(Protocol):
    """Encrypts secrets."""

    def encrypt(self, plaintext: str, context: Mapping[str, str]) -> bytes:
        """Return the ciphertext."""


class Opener(Protocol):
    """Decrypts secrets."""

    def decrypt(self, ciphertext: bytes, context: Mapping[str, str]) -> str:
        """Return the plaintext."""


class Vault(Sealer, Opener, Protocol):
    """Encrypts and decrypts secrets."""


class Audit(Protocol):
    """The audit trail, for reads of other users' data. A change writes its entry itself."""

    def read(self, actor: Actor, action: Action, target: str, owner_id: str | None = None) -> None:
        """Record that an actor reads a user's data, or with no owner that of many. Own data leaves no entry."""


class Access(Protocol):
    """Opens trading accounts to act at their exchange."""

    def get(self, user_id: str, trading_account_id: str) -> tuple[TradingAccount, ApiCredential]:
        """Return one of the user's trading accounts with its credential. Raises ``purser.errors.NotFound``."""

    def recording_key_status(self, account: TradingAccount) -> AbstractContextManager[None]:
        """Record on the account how the exchange takes its credential in the block."""
