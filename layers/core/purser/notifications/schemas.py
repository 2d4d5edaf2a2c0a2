"""Request and answer models of notification settings, and of the webhook of the Telegram bot."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from purser.http.wire import STAYS, Instant, WireModel

OnOff = Annotated[bool, Field(default=False, strict=True), STAYS]


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


class Chat(BaseModel):
    """Where a message was said. Ids take at most 52 bits; those of groups are negative."""

    id: int = Field(strict=True, ge=-(2**52), le=2**52)
    type: str = "private"


class Message(BaseModel):
    """A message, or what of it concerns Purser."""

    chat: Chat
    text: str = ""


class Update(BaseModel):
    """One update; all but messages are none of Purser's concern."""

    message: Message | None = None

    @property
    def command(self) -> tuple[str, str] | None:
        """A command of a private chat and what follows it (``/start abc``); None where nothing is commanded.

        What a group's members would all read is said to nobody.
        """
        if self.message is None or self.message.chat.type != "private":
            return None
        word, _, rest = self.message.text.strip().partition(" ")
        return (word, rest.strip()) if word.startswith("/") else None
