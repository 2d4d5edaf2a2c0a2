"""Stored passwords: salted and hashed."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

COST = {"n": 2**14, "r": 8, "p": 1}


class PasswordHash:
    """A password that can be compared with, but not read.

    moto compares a user's password by ``!=``; an object of this class in its place answers that.
    """

    def __init__(self, salt: str, digest: str) -> None:
        self._salt = salt
        self._digest = digest

    @classmethod
    def of(cls, password: str) -> PasswordHash:
        """Return the hash of a password, with a new salt."""
        salt = secrets.token_hex(16)
        return cls(salt, _digest(password, salt))

    @classmethod
    def restored(cls, saved: dict[str, str]) -> PasswordHash:
        """Return the hash from what ``saved`` returned."""
        return cls(saved["salt"], saved["hash"])

    def saved(self) -> dict[str, str]:
        """Return a form that can be stored and restored."""
        return {"salt": self._salt, "hash": self._digest}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and hmac.compare_digest(_digest(other, self._salt), self._digest)

    def __hash__(self) -> int:
        return hash(self._digest)


def _digest(password: str, salt: str) -> str:
    scrypt: Any = hashlib.scrypt
    return str(scrypt(password.encode(), salt=bytes.fromhex(salt), **COST).hex())
