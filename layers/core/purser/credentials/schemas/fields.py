"""Field types of names, API keys and secrets."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError

from purser.http.wire import FREE_TEXT, matching


def _sendable(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise PydanticCustomError("rule_secret", "has invalid characters")
    return value


Nickname = Annotated[str, StringConstraints(min_length=1, max_length=64), FREE_TEXT]
ApiKey = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[!-~]*$")]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=256), AfterValidator(_sendable), matching("[!-~]+")]
