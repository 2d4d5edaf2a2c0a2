"""Request and answer models of notification settings and of the Telegram bot's webhook."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from purser.http.wire import STAYS, Instant, WireModel

OnOff = Annotated[bool, Field(default=False, strict=True), STAYS]


class MethodAnswer(WireModel):
    """The ways to reach a user."""

    telegramBotUrl: str
    telegramAuthCode: str
    telegramActive: bool
    createdAt: Instant
    updatedAt: Instant


class SettingsChangeBody(BaseModel):
    """The body of put settings. Absent settings stay as they are."""

    weekly_report: OnOff = Field(alias="weeklyReport")
    monthly_report: OnOff = Field(alias="monthlyReport")
    email_new_order: OnOff = Field(alias="emailNewOrder")
    email_take_profit: OnOff = Field(alias="emailTakeProfit")
    email_stop_loss: OnOff = Field(alias="emailStopLoss")
    telegram_new_order: OnOff = Field(alias="telegramNewOrder")
    telegram_take_profit: OnOff = Field(alias="telegramTakeProfit")
    telegram_stop_loss: OnOff = Field(alias="telegramStopLoss")


class SettingsAnswer(WireModel):
    """The notifications that a user wants."""

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
    """A message from the bot. The answer to a Telegram webhook may hold one call of the Bot API."""

    method: Literal["sendMessage"] = "sendMessage"
    chat_id: int
    text: str


class Chat(BaseModel):
    """The chat of a message. Ids take at most 52 bits; those of groups are negative."""

    id: int = Field(strict=True, ge=-(2**52), le=2**52)
    type: str = "private"


class Message(BaseModel):
    """A message, as far as Purser reads it."""

    chat: Chat
    text: str = ""


class Update(BaseModel):
    """One update from Telegram. Purser reads only messages."""

    message: Message | None = None

    @property
    def command(self) -> tuple[str, str] | None:
        """The command of a private chat and its argument (``/start abc``), or None.

        Groups get no answer, since every member would read it.
        """
        if self.message is None or self.message.chat.type != "private":
            return None
        word, _, rest = self.message.text.strip().partition(" ")
        return (word, rest.strip()) if word.startswith("/") else None
