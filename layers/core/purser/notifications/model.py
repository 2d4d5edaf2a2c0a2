"""Settings of notifications, alert methods, and the codes that link a chat."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, replace

CODE_LENGTH = 8
CODE_ALPHABET = "".join(sorted(set(string.ascii_letters + string.digits) - set("0O1lI")))
"""No look-alikes: people type codes. 57 characters make 10^14 codes."""

MOST_WRONG_CODES = 10
WRONG_CODES_KEPT_MS = 24 * 3600 * 1000
"""A chat that sent ten wrong codes in 24 hours is not listened to until those are over: nobody guesses a code."""


@dataclass(frozen=True, slots=True)
class NotificationSettings:
    """What a user wants to hear of, and how. Times are Unix milliseconds."""

    weekly_report: bool
    monthly_report: bool
    email_new_order: bool
    email_take_profit: bool
    email_stop_loss: bool
    telegram_new_order: bool
    telegram_take_profit: bool
    telegram_stop_loss: bool
    created_at: int
    updated_at: int


SettingsChange = Mapping[str, bool]
"""Settings by name, and what they become."""

TELEGRAM_SETTINGS = ("telegram_new_order", "telegram_take_profit", "telegram_stop_loss")
"""Those that need a linked chat."""


@dataclass(frozen=True, slots=True)
class AlertMethod:
    """How a user can be reached: the chat that is linked, and the code that would link another. Times are Unix ms."""

    user_id: str
    telegram_auth_code: str
    telegram_chat_id: int | None
    created_at: int
    updated_at: int

    @property
    def telegram_active(self) -> bool:
        """Whether a chat is linked."""
        return self.telegram_chat_id is not None


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat that has spoken to the bot: whose it is, and by which code; and its wrong codes since a moment (Unix ms).

    ``version`` moves with every change; 0 is a chat that is not kept yet.
    """

    id: int
    user_id: str | None = None
    code: str | None = None
    wrong_codes: int = 0
    wrong_since: int = 0
    version: int = 0

    def is_heard(self, now: int) -> bool:
        """Whether it may try a code at ``now`` (Unix ms)."""
        return self.wrong_codes < MOST_WRONG_CODES or self._are_over(now)

    def after_wrong_code(self, now: int) -> Chat:
        """The chat with one wrong code more, said at ``now`` (Unix ms)."""
        if self._are_over(now):
            return replace(self, wrong_codes=1, wrong_since=now)
        return replace(self, wrong_codes=self.wrong_codes + 1)

    def _are_over(self, now: int) -> bool:
        return now - self.wrong_since >= WRONG_CODES_KEPT_MS


class NotLinked(Exception):
    """A setting needs a chat, and none is linked."""


class StaleLink(Exception):
    """A chat, a code or what it links has changed since it was read, or a new code is somebody's already."""


def is_code(text: str) -> bool:
    """Whether a text has the form of a code."""
    return len(text) == CODE_LENGTH and set(text) <= set(CODE_ALPHABET)


def new_code() -> str:
    """A code that nobody can guess."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
