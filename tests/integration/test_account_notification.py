"""Test AccountNotification with its handler and DynamoDB Local, and the Telegram secret in moto."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import boto3
import pytest

from purser.bootstrap.people import notifications
from purser.notifications.model import CODE_ALPHABET, MOST_WRONG_CODES, WRONG_CODES_KEPT_MS
from purser.notifications.service import Notifications
from tests.support.aws import Aws
from tests.support.events import Answered, call, claims
from tests.support.functions import forget_process, load_function, new_process

SETTINGS = "/v1/priv/account/notification"
METHOD = f"{SETTINGS}/method"
WEBHOOK = "/v1/pub/webhook/telegram"
SECRET = "made-up_Secret-1"
FIELDS = ["weeklyReport", "monthlyReport", "emailNewOrder", "emailTakeProfit", "emailStopLoss"]
TELEGRAM = ["telegramNewOrder", "telegramTakeProfit", "telegramStopLoss"]
LINKED = "This chat is linked"
WRONG = "This code does not work"

chat_ids = itertools.count(1_000_000)


@pytest.fixture(scope="module")
def handler(aws: Aws) -> Iterator[Any]:
    name = f"telegram-{uuid4()}"
    with pytest.MonkeyPatch.context() as patch:
        boto3.client("secretsmanager").create_secret(Name=name, SecretString=SECRET)
        patch.setenv("TELEGRAM_SECRET_ID", name)
        patch.setenv("TELEGRAM_BOT_URL", "https://t.me/example")
        forget_process()
        yield load_function("account_notification").handler
    forget_process()


class User:
    """A user with settings and a chat."""

    def __init__(self, handler: Any) -> None:
        self.handler = handler
        self.id = str(uuid4())
        self.chat = next(chat_ids)

    def ask(self, method: str, path: str, body: Any = None) -> Answered:
        return call(self.handler, method, path, body, caller=claims(self.id))

    @property
    def code(self) -> str:
        return str(self.ask("GET", METHOD).body["telegramAuthCode"])

    @property
    def active(self) -> bool:
        return bool(self.ask("GET", METHOD).body["telegramActive"])

    def say(self, text: str, **chat: Any) -> str:
        """Send a message to the bot, and return its answer."""
        answer = post(self.handler, update(text, **({"id": self.chat, "type": "private"} | chat)))
        assert answer.status == 200, answer.text
        return "" if answer.body is None else str(answer.body["text"])


def update(text: str, **chat: Any) -> dict[str, Any]:
    sender = {"id": chat["id"], "is_bot": False, "first_name": "X"}
    message = {"message_id": 1, "from": sender, "chat": chat, "date": 1_700_000_000, "text": text}
    return {"update_id": 1, "message": message}


def post(handler: Any, body: Any, secret: str | None = SECRET) -> Answered:
    headers = {} if secret is None else {"X-Telegram-Bot-Api-Secret-Token": secret}
    return call(handler, "POST", WEBHOOK, body, headers=headers)


@pytest.fixture
def someone(handler: Any) -> Callable[[], User]:
    return lambda: User(handler)


@pytest.fixture
def user(someone: Callable[[], User]) -> User:
    return someone()


def test_the_alert_method_is_created_on_first_read(user: User) -> None:
    first = user.ask("GET", METHOD)
    assert first.status == 200
    assert set(first.body) == {"telegramBotUrl", "telegramAuthCode", "telegramActive", "createdAt", "updatedAt"}
    assert first.body["telegramBotUrl"] == "https://t.me/example"
    assert first.body["telegramActive"] is False
    assert len(first.body["telegramAuthCode"]) == 8
    assert set(first.body["telegramAuthCode"]) <= set(CODE_ALPHABET)
    assert user.ask("GET", METHOD).body == first.body
    assert user.ask("GET", SETTINGS).body is None


def test_concurrent_first_reads_create_one_code(user: User) -> None:
    with ThreadPoolExecutor(8) as pool:
        methods = list(pool.map(lambda _: notifications().method(user.id), range(8)))
    assert {method.telegram_auth_code for method in methods} == {user.code}


def test_two_users_never_get_the_same_code(someone: Callable[[], User]) -> None:
    codes = iter(["AAAAAAAA", "AAAAAAAA", "BBBBBBBB"])
    store = notifications()._store
    service = Notifications(store, lambda: 1, code=lambda: next(codes))
    assert service.method(someone().id).telegram_auth_code == "AAAAAAAA"
    assert service.method(someone().id).telegram_auth_code == "BBBBBBBB"


def test_settings_are_null_at_first_and_changes_are_merged(user: User) -> None:
    nothing = user.ask("GET", SETTINGS)
    assert (nothing.status, nothing.text) == (200, "null")
    sent = dict.fromkeys(FIELDS, True) | {"monthlyReport": False}
    answer = user.ask("PUT", SETTINGS, sent)
    assert answer.status == 200
    assert set(answer.body) == {*FIELDS, *TELEGRAM, "createdAt", "updatedAt"}
    assert answer.body | sent | dict.fromkeys(TELEGRAM, False) == answer.body
    changed = user.ask("PUT", SETTINGS, {"weeklyReport": False})
    assert changed.body == answer.body | {"weeklyReport": False, "updatedAt": changed.body["updatedAt"]}
    assert user.ask("GET", SETTINGS).body == changed.body


def test_telegram_settings_need_a_linked_chat(user: User) -> None:
    refused = user.ask("PUT", SETTINGS, {"telegramNewOrder": True, "telegramStopLoss": True, "weeklyReport": True})
    assert refused.status == 422
    message = "account must be linked to Telegram"
    assert refused.body == {
        "errors": [
            {"value": True, "msg": message, "param": "telegramNewOrder", "location": "body"},
            {"value": True, "msg": message, "param": "telegramStopLoss", "location": "body"},
        ]
    }
    assert user.ask("GET", SETTINGS).body is None
    assert user.ask("PUT", SETTINGS, {"telegramNewOrder": False}).status == 200
    assert user.say(f"/start {user.code}").startswith(LINKED)
    assert user.ask("PUT", SETTINGS, {"telegramNewOrder": True}).body["telegramNewOrder"] is True


@pytest.mark.parametrize("value", ["yes", 1, None, "true", [], {}])
def test_settings_are_booleans(user: User, value: Any) -> None:
    refused = user.ask("PUT", SETTINGS, {"weeklyReport": value, "emailNewOrder": value})
    assert refused.status == 422
    assert [(e["param"], e["msg"]) for e in refused.body["errors"]] == [
        ("weeklyReport", "must be boolean"),
        ("emailNewOrder", "must be boolean"),
    ]


def test_a_code_links_one_chat_and_is_replaced(user: User, someone: Callable[[], User]) -> None:
    code, other = user.code, someone()
    assert user.say(f"/start {code}").startswith(LINKED)
    assert user.active
    assert user.code != code
    assert user.say(f"/start {code}").startswith(LINKED), "Telegram may deliver an update again"
    assert other.say(f"/start {code}").startswith(WRONG)
    assert not other.active


def test_stop_unlinks_and_turns_the_settings_off(user: User) -> None:
    code = user.code
    user.say(f"/start {code}")
    user.ask("PUT", SETTINGS, dict.fromkeys([*FIELDS, *TELEGRAM], True))
    assert user.say("/stop") == "This chat is no longer linked."
    assert not user.active
    settings = user.ask("GET", SETTINGS).body
    assert [settings[field] for field in FIELDS + TELEGRAM] == [True] * 5 + [False] * 3
    assert user.say("/stop") == "This chat is not linked."
    assert user.say(f"/start {code}").startswith(WRONG)
    assert user.say(f"/start {user.code}").startswith(LINKED)


def test_a_chat_belongs_to_the_user_who_linked_it_last(someone: Callable[[], User]) -> None:
    first, second = someone(), someone()
    first.say(f"/start {first.code}")
    first.ask("PUT", SETTINGS, {"telegramNewOrder": True})
    second.chat = first.chat
    assert second.say(f"/start {second.code}").startswith(LINKED)
    assert (first.active, second.active) == (False, True)
    assert first.ask("GET", SETTINGS).body["telegramNewOrder"] is False


def test_a_user_has_one_chat(user: User) -> None:
    before = user.chat
    user.say(f"/start {user.code}")
    user.chat = next(chat_ids)
    assert user.say(f"/start {user.code}").startswith(LINKED)
    assert user.say("/stop", id=before) == "This chat is not linked."
    assert user.active


def test_of_concurrent_chats_with_one_code_one_is_linked(user: User) -> None:
    code, chats = user.code, [next(chat_ids) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        linked = list(pool.map(lambda chat: notifications().link(chat, code), chats))
    assert linked.count(True) == 1


def test_concurrent_linking_and_stopping_leave_user_and_chat_consistent(user: User) -> None:
    service = notifications()
    for _ in range(4):
        code = user.code
        with ThreadPoolExecutor(3) as pool:
            jobs: list[Future[Any]] = [
                pool.submit(service.link, user.chat, code),
                pool.submit(service.unlink, user.chat),
                pool.submit(service.settings, user.id),
            ]
            for job in jobs:
                job.result()
        assert user.active == (service._store.chat(user.chat).user_id == user.id)


def test_concurrent_puts_lose_no_setting(user: User) -> None:
    names = ["weekly_report", "monthly_report", "email_new_order", "email_take_profit", "email_stop_loss"]
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda name: notifications().change_settings(user.id, {name: True}), names))
    settings = user.ask("GET", SETTINGS).body
    assert all(settings[field] for field in FIELDS)


def test_concurrent_settings_and_stop_leave_no_telegram_setting_on_without_a_chat(user: User) -> None:
    from purser.errors import InvalidInput

    service = notifications()

    def turn_on() -> None:
        try:
            service.change_settings(user.id, {"telegram_new_order": True})
        except InvalidInput:
            return

    for _ in range(5):
        user.say(f"/start {user.code}")
        with ThreadPoolExecutor(2) as pool:
            [job.result() for job in (pool.submit(turn_on), pool.submit(service.unlink, user.chat))]
        settings = service.settings(user.id)
        assert not user.active
        assert settings is None or not settings.telegram_new_order


def test_after_too_many_wrong_codes_a_chat_is_ignored_for_a_day(user: User) -> None:
    now = [1_700_000_000_000]
    service = Notifications(notifications()._store, lambda: now[0])
    code = service.method(user.id).telegram_auth_code
    for i in range(MOST_WRONG_CODES):
        assert not service.link(user.chat, f"WRxNG{i:03d}"[:8].replace("0", "a").replace("1", "b"))
    assert not service.link(user.chat, code)
    now[0] += WRONG_CODES_KEPT_MS
    assert service.link(user.chat, code)


@pytest.mark.parametrize("text", ["/start", "/start ", "/start x", "/start " + "x" * 4000, "/start é", "/start a b"])
def test_malformed_codes_are_answered_and_do_not_count_as_wrong_codes(user: User, text: str) -> None:
    for _ in range(MOST_WRONG_CODES + 1):
        assert user.say(text).startswith(WRONG)
    assert user.say(f"/start {user.code}").startswith(LINKED)


@pytest.mark.parametrize("text", ["hello", "/help", "", "start", "/startx", "/stopped"])
def test_other_messages_are_ignored(user: User, text: str) -> None:
    assert user.say(text) == ""


def test_groups_and_channels_are_not_linked(user: User) -> None:
    code = user.code
    for kind in ("group", "supergroup", "channel"):
        assert user.say(f"/start {code}", id=-100, type=kind) == ""
    assert not user.active


@pytest.mark.parametrize(
    "body",
    [
        {"update_id": 1, "edited_message": {"text": "/start x"}},
        {"update_id": 1, "my_chat_member": {}},
        {"update_id": 1},
        {"update_id": 1, "message": {"chat": {"id": 1, "type": "private"}, "photo": []}},
        {},
    ],
)
def test_other_updates_are_accepted(handler: Any, body: Any) -> None:
    answer = post(handler, body)
    assert (answer.status, answer.body) == (200, None)


@pytest.mark.parametrize(
    ("body", "status"),
    [({"message": {"chat": {"id": "x"}}}, 422), ({"message": {"chat": {"id": 2**60}}}, 422), ("{", 400), ("[]", 400)],
)
def test_malformed_updates_are_refused(handler: Any, body: Any, status: int) -> None:
    assert post(handler, body).status == status


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + "x", SECRET[:-1], SECRET.lower()])
@pytest.mark.parametrize("body", [{}, "{", {"message": 5}])
def test_the_webhook_needs_the_secret_of_telegram(handler: Any, secret: str | None, body: Any) -> None:
    answer = post(handler, body, secret)
    assert (answer.status, answer.body) == (401, {"message": "Unauthorized"})


def test_without_a_configured_bot_updates_are_refused(handler: Any) -> None:
    with new_process() as patch:
        patch.delenv("TELEGRAM_SECRET_ID")
        assert post(handler, {}).status == 401


def test_methods_and_settings_need_a_token(handler: Any) -> None:
    for method, path in (("GET", METHOD), ("GET", SETTINGS), ("PUT", SETTINGS)):
        assert call(handler, method, path).status == 401
