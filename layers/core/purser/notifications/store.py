"""Settings, alert methods and chats in the Accounts table.

    PK                        SK              what
    USER#<user>               NOTIFICATION    the user's settings, and the alert method
    TELEGRAM#CODE#<code>      CLAIM           the user of a code, which is unique
    TELEGRAM#CHAT#<chat id>   CHAT            the user of a chat, and its wrong codes

Settings and alert method share an item, so that a setting that needs a chat is turned on only where one is linked.
"""

from __future__ import annotations

from purser.aws.tables import Item, Part, Table, Transaction, setting
from purser.notifications.model import (
    SETTINGS,
    TELEGRAM_SETTINGS,
    AlertMethod,
    Chat,
    NotificationSettings,
    NotLinked,
    SettingsChange,
    StaleLink,
)

SORT_KEY = "NOTIFICATION"
CLAIM = "CLAIM"
CHAT = "CHAT"
UNLINKING = (
    "SET methodUpdatedAt = :now, settingsUpdatedAt = :now, "
    + ", ".join(f"{SETTINGS[name]} = :off" for name in TELEGRAM_SETTINGS)
    + " REMOVE telegramChatId"
)


def _pk(user_id: str) -> str:
    return f"USER#{user_id}"


def _code_pk(code: str) -> str:
    return f"TELEGRAM#CODE#{code}"


def _chat_pk(chat_id: int) -> str:
    return f"TELEGRAM#CHAT#{chat_id}"


class DynamoNotificationStore:
    """The notification store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def settings(self, user_id: str) -> NotificationSettings | None:
        item = self._table.get(_pk(user_id), SORT_KEY)
        return _settings_of(item) if item and "settingsCreatedAt" in item else None

    def change_settings(
        self, user_id: str, change: SettingsChange, now: int, *, linked_only: bool
    ) -> NotificationSettings:
        changes = {SETTINGS[name]: value for name, value in change.items()} | {"settingsUpdatedAt": now}
        expression, values, names = setting(
            changes, "settingsCreatedAt = if_not_exists(settingsCreatedAt, :settingsUpdatedAt)"
        )
        item = self._table.update(
            _pk(user_id),
            SORT_KEY,
            expression,
            values,
            names=names,
            condition="attribute_exists(telegramChatId)" if linked_only else None,
            refused=NotLinked,
        )
        return _settings_of(item)

    def method(self, user_id: str) -> AlertMethod | None:
        item = self._table.get(_pk(user_id), SORT_KEY)
        return _method_of(user_id, item) if item and "telegramAuthCode" in item else None

    def add_method(self, method: AlertMethod) -> None:
        update = self._table.updating(
            _pk(method.user_id),
            SORT_KEY,
            "SET telegramAuthCode = :code, methodCreatedAt = :now, methodUpdatedAt = :now",
            {":code": method.telegram_auth_code, ":now": method.created_at},
            condition="attribute_not_exists(telegramAuthCode)",
        )
        with Transaction() as write:
            write.add(update, self._claiming(method.telegram_auth_code, method.user_id), refused=StaleLink)

    def _claiming(self, code: str, user_id: str) -> Part:
        claim = {"PK": _code_pk(code), "SK": CLAIM, "userId": user_id}
        return self._table.putting(claim, condition="attribute_not_exists(PK)")

    def chat(self, chat_id: int) -> Chat:
        item = self._table.get(_chat_pk(chat_id), CHAT)
        return _chat_of(item) if item else Chat(chat_id)

    def keep_chat(self, chat: Chat) -> None:
        self._table.put(_chat_item(chat), at_version=chat.version, refused=StaleLink)

    def owner_of(self, code: str) -> str | None:
        claim = self._table.get(_code_pk(code), CLAIM)
        return str(claim["userId"]) if claim else None

    def link(self, chat: Chat, method: AlertMethod, new_code: str, now: int) -> None:
        linked = Chat(chat.id, method.user_id, chat.code, version=chat.version)
        parts = [
            self._linking(chat, method, new_code, now),
            self._table.putting(_chat_item(linked), at_version=chat.version),
            self._table.deleting(_code_pk(method.telegram_auth_code), CLAIM),
            self._claiming(new_code, method.user_id),
        ]
        if chat.user_id is not None and chat.user_id != method.user_id:
            parts.append(self._forgetting_chat(chat.user_id, chat.id, now))
        if method.telegram_chat_id is not None and method.telegram_chat_id != chat.id:
            parts.append(self._table.deleting(_chat_pk(method.telegram_chat_id), CHAT))
        with Transaction() as write:
            write.add(*parts, refused=StaleLink)

    def _linking(self, chat: Chat, method: AlertMethod, new_code: str, now: int) -> Part:
        values = {":old": method.telegram_auth_code, ":new": new_code, ":chat": chat.id, ":now": now}
        condition = "telegramAuthCode = :old AND "
        if method.telegram_chat_id is None:
            condition += "attribute_not_exists(telegramChatId)"
        else:
            condition += "telegramChatId = :before"
            values[":before"] = method.telegram_chat_id
        expression = "SET telegramAuthCode = :new, telegramChatId = :chat, methodUpdatedAt = :now"
        return self._table.updating(_pk(method.user_id), SORT_KEY, expression, values, condition=condition)

    def _forgetting_chat(self, user_id: str, chat_id: int, now: int) -> Part:
        values = {":chat": chat_id, ":off": False, ":now": now}
        return self._table.updating(_pk(user_id), SORT_KEY, UNLINKING, values, condition="telegramChatId = :chat")

    def unlink(self, chat: Chat, now: int) -> None:
        with Transaction() as write:
            write.add(self._forgetting_chat(str(chat.user_id), chat.id, now), refused=StaleLink)
            write.add(self._table.deleting(_chat_pk(chat.id), CHAT, at_version=chat.version), refused=StaleLink)


def _settings_of(item: Item) -> NotificationSettings:
    return NotificationSettings(
        **{name: bool(item.get(attribute)) for name, attribute in SETTINGS.items()},
        created_at=int(item["settingsCreatedAt"]),
        updated_at=int(item["settingsUpdatedAt"]),
    )


def _method_of(user_id: str, item: Item) -> AlertMethod:
    return AlertMethod(
        user_id=user_id,
        telegram_auth_code=item["telegramAuthCode"],
        telegram_chat_id=int(item["telegramChatId"]) if "telegramChatId" in item else None,
        created_at=int(item["methodCreatedAt"]),
        updated_at=int(item["methodUpdatedAt"]),
    )


def _chat_item(chat: Chat) -> Item:
    return {
        "PK": _chat_pk(chat.id),
        "SK": CHAT,
        "chatId": chat.id,
        "userId": chat.user_id,
        "code": chat.code,
        "wrongCodes": chat.wrong_codes,
        "wrongSince": chat.wrong_since,
        "version": chat.version + 1,
    }


def _chat_of(item: Item) -> Chat:
    return Chat(
        id=int(item["chatId"]),
        user_id=item.get("userId"),
        code=item.get("code"),
        wrong_codes=int(item["wrongCodes"]),
        wrong_since=int(item["wrongSince"]),
        version=int(item["version"]),
    )
