"""What Telegram's Bot API sends, and that it was Telegram who sent it.

https://core.telegram.org/bots/api#setwebhook (``secret_token``) and https://core.telegram.org/bots/api#update
"""

# Annotations are not postponed here: Powertools asks for them at every request, and would compile their text anew.

import hmac
from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, Field

from purser.bootstrap.secrets import telegram_secret
from purser.errors import Unauthorized
from purser.settings import settings

HEADER = "x-telegram-bot-api-secret-token"


def _from_telegram(request: Request) -> bool:
    token = request.headers.get(HEADER, "")
    # Without a secret there is no bot, and nobody can speak for it.
    if not settings().telegram_secret_id or not token:
        raise Unauthorized
    if not hmac.compare_digest(token.encode(), telegram_secret().value().encode()):
        raise Unauthorized
    return True


FromTelegram = Annotated[bool, Depends(_from_telegram)]
"""A route parameter: the request carries the secret token that the webhook was set with (else ``Unauthorized``)."""


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
