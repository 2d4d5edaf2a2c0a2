"""Checks that Telegram sent a request: https://core.telegram.org/bots/api#setwebhook (``secret_token``)."""

# Annotations are not postponed here: Powertools asks for them at every request, and would compile their text anew.

import hmac
from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.request import Request

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
