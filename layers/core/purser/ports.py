"""Ports that several domains share. Every method may raise ``purser.errors.Unavailable``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol


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
