"""AccountNotification: what a user wants to hear of, and the Telegram chat that is linked for it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from purser.bootstrap.people import notifications
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.customer import customer_app
from purser.http.telegram import FromTelegram, Update
from purser.http.wire import STAYS, Instant, WireModel
from purser.notifications.model import NotificationSettings
from purser.settings import settings

app = customer_app()

OnOff = Annotated[bool, Field(default=False, strict=True), STAYS]

LINKED = "This chat is linked: Purser's alerts come here. Send /stop to end that."
NOT_LINKED = "This code does not work. Copy the one that your notification settings show now, and send /start CODE."
UNLINKED = "This chat is no longer linked."
WAS_NOT_LINKED = "This chat is not linked."


class MethodAnswer(WireModel):
    """How a user can be reached."""

    telegramBotUrl: str
    telegramAuthCode: str
    telegramActive: bool
    createdAt: Instant
    updatedAt: Instant


class SettingsChangeBody(BaseModel):
    """The body of put settings: what is absent stays as it is."""

    weekly_report: OnOff = Field(alias="weeklyReport")
    monthly_report: OnOff = Field(alias="monthlyReport")
    email_new_order: OnOff = Field(alias="emailNewOrder")
    email_take_profit: OnOff = Field(alias="emailTakeProfit")
    email_stop_loss: OnOff = Field(alias="emailStopLoss")
    telegram_new_order: OnOff = Field(alias="telegramNewOrder")
    telegram_take_profit: OnOff = Field(alias="telegramTakeProfit")
    telegram_stop_loss: OnOff = Field(alias="telegramStopLoss")


class SettingsAnswer(WireModel):
    """What a user wants to hear of."""

    weeklyReport: bool = Field(validation_alias="weekly_report")
    monthlyReport: bool = Field(validation_alias="monthly_report")
    emailNewOrder: bool = Field(validation_alias="email_new_order")
    emailTakeProfit: bool = Field(validation_alias="email_take_profit")
    emailStopLoss: bool = Field(validation_alias="email_stop_loss")
    telegramNewOrder: bool = Field(validation_alias="telegram_new_order")
    telegramTakeProfit: bool = Field(validation_alias="telegram_take_profit")
    telegramStopLoss: bool = Field(validation_alias="telegram_stop_loss")
    createdAt: Instant = Field(validation_alias="created_at")
    updatedAt: Instant = Field(validation_alias="updated_at")


class Reply(WireModel):
    """A message that Telegram sends in the bot's name: the answer to a webhook may hold one call of the Bot API."""

    method: Literal["sendMessage"] = "sendMessage"
    chat_id: int
    text: str


@app.get("/v1/priv/account/notification/method")
def get_method(caller: SignedIn) -> MethodAnswer:
    """How the caller can be reached, with the code that links a chat."""
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
    """The caller's settings; null until there are some."""
    found: NotificationSettings | None = notifications().settings(caller.user_id)
    return SettingsAnswer.model_validate(found) if found else None


@app.put("/v1/priv/account/notification")
def put_settings(body: SettingsChangeBody, caller: SignedIn) -> SettingsAnswer:
    """Makes the caller's settings, or changes those that are sent."""
    change = body.model_dump(exclude_unset=True)
    return SettingsAnswer.model_validate(notifications().change_settings(caller.user_id, change))


@app.post("/v1/pub/webhook/telegram")
def receive_update(body: Update, sender: FromTelegram) -> Reply | None:
    """Links and unlinks chats as they ask for it; every other update is none of Purser's concern."""
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
