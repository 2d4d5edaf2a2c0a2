"""Secrets Manager."""

from __future__ import annotations

import time
from collections.abc import Callable

from purser.aws.clients import client, translated

KEPT_S = 300.0


class Secret:
    """One secret text, read again after five minutes, so that a new secret needs no deployment."""

    def __init__(self, secret_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._secret_id = secret_id
        self._clock = clock
        self._value = ""
        self._read_at = 0.0

    def value(self) -> str:
        """Return the secret. Raises ``purser.errors.Unavailable`` if Secrets Manager is down or throttles."""
        if not self._value or self._clock() - self._read_at >= KEPT_S:
            with translated():
                answer = client("secretsmanager").get_secret_value(SecretId=self._secret_id)
            self._value, self._read_at = answer["SecretString"], self._clock()
        return self._value
