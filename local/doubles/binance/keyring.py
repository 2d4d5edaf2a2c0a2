"""API keys: how they are made, how their secrets follow from them, and how a request proves itself.

A secret is derived from the API key and a random seed, so nothing secret is ever stored but that seed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import string
from functools import lru_cache
from pathlib import Path

from local.doubles.binance.model import Account
from local.doubles.binance.wire import Params, WireError

ALPHABET = string.ascii_letters + string.digits
API_KEY = re.compile(r"[A-Za-z0-9]{64}")
SIGNATURE = re.compile(r"(^|&)signature=[^&]*")
CLOCK_TOLERANCE_MS = 1000
DEFAULT_WINDOW_MS = 5000
LONGEST_WINDOW_MS = 60_000


def read_seed(directory: Path | None) -> bytes:
    """Return the seed of a state directory, created on first use and readable by its owner only."""
    if directory is None:
        return secrets.token_bytes(32)
    path = directory / "seed"
    if not path.exists():
        # A rename is atomic, so that a kill in between leaves no empty seed.
        draft = directory / f"seed.{os.getpid()}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        draft.rename(path)
    return path.read_bytes()


def new_api_key() -> str:
    """Return sixty-four random letters and digits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(64))


class Keyring:
    """Derives secrets and checks signed requests."""

    def __init__(self, seed: bytes):
        self._seed = seed
        self.secret = lru_cache(maxsize=65_536)(self._derive)

    def _derive(self, api_key: str) -> str:
        """Return the secret of an API key: sixty-four letters and digits."""
        digest = hmac.new(self._seed, api_key.encode(), hashlib.sha512).digest()
        number = int.from_bytes(digest, "big")
        letters = []
        for _ in range(64):
            number, index = divmod(number, len(ALPHABET))
            letters.append(ALPHABET[index])
        return "".join(letters)

    def authenticate(self, accounts: dict[str, Account], api_key: str, ip: str, futures: bool) -> Account:
        """Return the account of a key that may be used from this address.

        Raises -2014 for a malformed key, -2015 for one without the address or the permission, and -2008 for one that is
        unknown or deleted (https://github.com/ccxt/ccxt/issues/16777).
        """
        if not API_KEY.fullmatch(api_key):
            raise WireError(-2014)
        account = accounts.get(api_key)
        if account is None or account.revoked:
            raise WireError(-2008)
        if account.ips and ip not in account.ips:
            raise WireError(-2015)
        if futures and not account.futures_enabled:
            raise WireError(-2015)
        return account

    def verify(self, api_key: str, query: str, body: str, params: Params, now: int) -> None:
        """Check time window and signature; -1021, -1022, -1102 or -1131.

        The signed text is query string and body, joined, without the signature itself.
        """
        timestamp, window = params.integer("timestamp"), params.integer("recvWindow", DEFAULT_WINDOW_MS)
        if window > LONGEST_WINDOW_MS:
            raise WireError(-1131, "recvWindow must be less than 60000.")
        if timestamp > now + CLOCK_TOLERANCE_MS:
            raise WireError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now - timestamp > window:
            raise WireError(-1021)
        signed = SIGNATURE.sub("", query) + SIGNATURE.sub("", body)
        expected = hmac.new(self.secret(api_key).encode(), signed.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), params.text("signature").lower().encode()):
            raise WireError(-1022)
