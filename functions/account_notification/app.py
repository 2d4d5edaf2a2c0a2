"""AccountNotification: a user's notification settings, and the Telegram chat that is linked to the account."""

from __future__ import annotations

import hmac
from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.request import Request

from purser.bootstrap.adapters import secret
from purser.bootstrap.people import notifications
from purser.errors import Unauthorized
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.customer import customer_app
from purser.notifications.model import NotificationSettings
from purser.notifications.schemas import MethodAnswer, Reply, SettingsAnswer, SettingsChangeBody, Update
from purser.settings import settings

app = customer_app()

LINKED = "This chat is linked: Purser's alerts come here. Send /stop to end that."
NOT_LINKED = "This code does not work. Copy the one that your notification settings show now, and send /start CODE."
UNLINKED = "This chat is no longer linked."
WAS_NOT_LINKED = "This chat is not linked."


def _from_telegram(request: Request) -> bool:
    """Check the secret token of the bot's webhook: https://core.telegram.org/bots/api#setwebhook."""
    token = request.headers.get("x-telegram-bot-api-secret-token", "")
    # Without a secret there is no bot, so no request can come from it.
    if not settings().telegram_secret_id or not token:
        raise Unauthorized
    if not hmac.compare_digest(token.encode(), secret("telegram_secret_id").value().encode()):
        raise Unauthorized
    return True


FromTelegram = Annotated[bool, Depends(_from_telegram)]


@app.get("/v1/priv/account/notification/method")
def get_method(caller: SignedIn) -> MethodAnswer:
    """Return the caller's alert method, with the code that links a chat."""
    method = notifications().method(caller.user_id)
    return MethodAnswer(
        telegramBotUrl=settings().require("telegram_bot_url"),
        telegramAuthCode=method.telegram_auth_code,
        telegramActive=method.telegram_active,
        createdAt=method.created_at,
        updatedAt=method.updated_at,
    )


@app.get("/v1/priv/account/notification")
def get_settings(caller: SignedIn) -> SettingsAnswer | None:
    """Return the caller's notification settings, or null before the first change."""
    found: NotificationSettings | None = notifications().settings(caller.user_id)
    return SettingsAnswer.model_validate(found) if found else None


@app.put("/v1/priv/account/notification")
def put_settings(body: SettingsChangeBody, caller: SignedIn) -> SettingsAnswer:
    """Create the caller's settings, or change the ones that are sent."""
    change = body.model_dump(exclude_unset=True)
    return SettingsAnswer.model_validate(notifications().change_settings(caller.user_id, change))


@app.post("/v1/pub/webhook/telegram", security=[{"telegram": []}])
def receive_update(body: Update, sender: FromTelegram) -> Reply | None:
    """Link or unlink a chat, as the message asks. Ignore all other updates."""
    chat_id = body.message.chat.id if body.message else 0
    match body.command:
        case ("/start", code):
            text = LINKED if notifications().link(chat_id, code) else NOT_LINKED
        case ("/stop", _):
            text = UNLINKED if notifications().unlink(chat_id) else WAS_NOT_LINKED
        case _:
            return None
    return Reply(chat_id=chat_id, text=text)


handler = entry_point(app)
