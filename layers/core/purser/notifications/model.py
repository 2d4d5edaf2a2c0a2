"""Notification settings, alert methods, and the codes that link a chat."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, replace

CODE_LENGTH = 8
CODE_ALPHABET = "".join(sorted(set(string.ascii_letters + string.digits) - set("0O1lI")))
"""No look-alikes, because people type codes. 57 characters make 10^14 codes."""

MOST_WRONG_CODES = 10
WRONG_CODES_KEPT_MS = 24 * 3600 * 1000
"""After ten wrong codes in 24 hours, a chat is ignored until these are over, so that nobody can guess a code."""


@dataclass(frozen=True, slots=True)
class NotificationSettings:
    """The notifications that a user wants, by channel. Times are Unix milliseconds."""

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


SETTINGS = {
    "weekly_report": "weeklyReport",
    "monthly_report": "monthlyReport",
    "email_new_order": "emailNewOrder",
    "email_take_profit": "emailTakeProfit",
    "email_stop_loss": "emailStopLoss",
    "telegram_new_order": "telegramNewOrder",
    "telegram_take_profit": "telegramTakeProfit",
    "telegram_stop_loss": "telegramStopLoss",
}
"""The settings, and their names on the wire and in the table."""

TELEGRAM_SETTINGS = tuple(name for name in SETTINGS if name.startswith("telegram"))
"""The settings that need a linked chat."""

SettingsChange = Mapping[str, bool]
"""Settings by name, with their new values."""


@dataclass(frozen=True, slots=True)
class AlertMethod:
    """A user's linked chat, and the code that would link another. Times are Unix milliseconds."""

    user_id: str
    telegram_auth_code: str
    telegram_chat_id: int | None
    created_at: int
    updated_at: int

    @property
    def telegram_active(self) -> bool:
        """True if a chat is linked."""
        return self.telegram_chat_id is not None


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat that has spoken to the bot: the user and code that link it, and its wrong codes since ``wrong_since``.

    Times are Unix ms. ``version`` grows with every change; 0 is a chat that is not stored yet.
    """

    id: int
    user_id: str | None = None
    code: str | None = None
    wrong_codes: int = 0
    wrong_since: int = 0
    version: int = 0

    def is_heard(self, now: int) -> bool:
        """Return whether the chat may try a code at ``now`` (Unix ms)."""
        return self.wrong_codes < MOST_WRONG_CODES or self._are_over(now)

    def after_wrong_code(self, now: int) -> Chat:
        """Return the chat with one more wrong code, sent at ``now`` (Unix ms)."""
        if self._are_over(now):
            return replace(self, wrong_codes=1, wrong_since=now)
        return replace(self, wrong_codes=self.wrong_codes + 1)

    def _are_over(self, now: int) -> bool:
        return now - self.wrong_since >= WRONG_CODES_KEPT_MS


class NotLinked(Exception):
    """A setting needs a chat, and none is linked."""


class StaleLink(Exception):
    """A chat, a code or their user has changed since it was read, or a new code is already taken."""


def is_code(text: str) -> bool:
    """Return whether a text has the form of a code."""
    return len(text) == CODE_LENGTH and set(text) <= set(CODE_ALPHABET)


def new_code() -> str:
    """Return a code that cannot be guessed."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
