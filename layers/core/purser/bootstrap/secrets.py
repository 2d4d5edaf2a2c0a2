"""The secrets of those whom Purser talks to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.aws.secrets import Secret


@kept
def stripe_secret() -> Secret:
    """Stripe's keys: ``{"apiKey": …, "webhookSecret": …}``."""
    from purser.aws.secrets import Secret

    return Secret(settings().require("stripe_secret_id"))


@kept
def telegram_secret() -> Secret:
    """The secret token that Telegram's updates carry."""
    from purser.aws.secrets import Secret

    return Secret(settings().require("telegram_secret_id"))


@kept
def recaptcha_secret() -> Secret:
    """The secret that reCAPTCHA tokens are verified with."""
    from purser.aws.secrets import Secret

    return Secret(settings().require("recaptcha_secret_id"))
