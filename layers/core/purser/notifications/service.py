"""The use cases of notifications: settings, and linking a chat by a code that works once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from purser.errors import FieldError, InvalidInput
from purser.notifications.model import (
    SETTINGS,
    TELEGRAM_SETTINGS,
    AlertMethod,
    Chat,
    NotificationSettings,
    NotLinked,
    SettingsChange,
    StaleLink,
    is_code,
    new_code,
)
from purser.retrying import until_fresh


class NotificationStore(Protocol):
    """The store of settings, alert methods and chats. Every method may raise ``purser.errors.Unavailable``."""

    def settings(self, user_id: str) -> NotificationSettings | None:
        """Return the user's settings, or None before the first change."""

    def change_settings(
        self, user_id: str, change: SettingsChange, now: int, *, linked_only: bool
    ) -> NotificationSettings:
        """Change the given settings in one write, and return all of them.

        Raises:
            NotLinked: ``linked_only``, and no chat is linked at that moment.
        """

    def method(self, user_id: str) -> AlertMethod | None:
        """Return the user's alert method, or None before it is first requested."""

    def add_method(self, method: AlertMethod) -> None:
        """Store a first alert method, and claim its code.

        Raises:
            StaleLink: the user has one by now, or the code is taken.
        """

    def chat(self, chat_id: int) -> Chat:
        """Return a chat, stored or new."""

    def keep_chat(self, chat: Chat) -> None:
        """Store a chat's wrong codes.

        Raises:
            StaleLink: the chat has changed since it was read.
        """

    def owner_of(self, code: str) -> str | None:
        """Return the user to whom a code links a chat, or None."""

    def link(self, chat: Chat, method: AlertMethod, new_code: str, now: int) -> None:
        """Link a chat to the user of a method, all or nothing.

        ``new_code`` replaces the code that was used. The user's former chat and the chat's former user are unlinked.

        Raises:
            StaleLink: the chat or the method has changed since it was read, or the new code is taken.
        """

    def unlink(self, chat: Chat, now: int) -> None:
        """Unlink a chat from its user, and turn off every setting that needs it, all or nothing.

        Raises:
            StaleLink: the chat has changed since it was read.
        """


class Notifications:
    """The use cases. ``now`` gives Unix milliseconds."""

    def __init__(self, store: NotificationStore, now: Callable[[], int], code: Callable[[], str] = new_code) -> None:
        self._store = store
        self._now = now
        self._code = code

    def settings(self, user_id: str) -> NotificationSettings | None:
        """Return the user's settings, or None before the first change."""
        return self._store.settings(user_id)

    def change_settings(self, user_id: str, change: SettingsChange) -> NotificationSettings:
        """Change only the given settings, and return all of them. A setting that was never given is off.

        Raises:
            InvalidInput: settings that need a linked chat were turned on without one; names each.
        """
        wanted = [name for name in TELEGRAM_SETTINGS if change.get(name)]
        try:
            return self._store.change_settings(user_id, change, self._now(), linked_only=bool(wanted))
        except NotLinked:
            message = "account must be linked to Telegram"
            raise InvalidInput([FieldError((SETTINGS[name],), message, "body", True) for name in wanted]) from None

    def method(self, user_id: str) -> AlertMethod:
        """Return the user's alert method, created when it is first requested."""
        return until_fresh(lambda: self._store.method(user_id) or self._add_method(user_id), stale=StaleLink)

    def _add_method(self, user_id: str) -> AlertMethod:
        now = self._now()
        method = AlertMethod(user_id, self._code(), None, now, now)
        self._store.add_method(method)
        return method

    def link(self, chat_id: int, code: str) -> bool:
        """Link a chat to the user of a code, which works once. The same chat may repeat it.

        Returns:
            Whether the chat is linked by that code.
        """
        return is_code(code) and until_fresh(lambda: self._try_code(chat_id, code), stale=StaleLink)

    def _try_code(self, chat_id: int, code: str) -> bool:
        chat, now = self._store.chat(chat_id), self._now()
        if chat.user_id is not None and chat.code == code:
            return True
        if not chat.is_heard(now):
            return False
        user_id = self._store.owner_of(code)
        method = self._store.method(user_id) if user_id else None
        if method is None or method.telegram_auth_code != code:
            self._store.keep_chat(chat.after_wrong_code(now))
            return False
        self._store.link(replace(chat, code=code), method, self._code(), now)
        return True

    def unlink(self, chat_id: int) -> bool:
        """Unlink a chat and turn off the settings that need it; return whether it was linked."""
        return until_fresh(lambda: self._try_unlinking(chat_id), stale=StaleLink)

    def _try_unlinking(self, chat_id: int) -> bool:
        chat = self._store.chat(chat_id)
        if chat.user_id is None:
            return False
        self._store.unlink(chat, self._now())
        return True
