"""reCAPTCHA v3: a change under ``/v1/priv`` needs a token that Google attributes to a person.

https://developers.google.com/recaptcha/docs/v3 and https://developers.google.com/recaptcha/docs/verify
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from purser.aws.secrets import Secret
from purser.errors import Forbidden, Unavailable
from purser.process import kept
from purser.settings import settings

HEADER = "recaptcha-token-v3"
METHODS = frozenset({"POST", "PUT", "DELETE"})
PREFIX = "/v1/priv/"
LOWEST_SCORE = 0.5
LONGEST_AGE = timedelta(minutes=2)
LONGEST_TOKEN = 8192
PATIENCE_S = 3

CONFIGURATION_ERRORS = frozenset({"missing-input-secret", "invalid-input-secret", "bad-request"})


def require_person(event: APIGatewayProxyEvent) -> None:
    """Let a request pass if it needs no token or carries a valid one.

    Raises:
        Forbidden: the token is missing, refused by Google, older than two minutes, or has a low score.
        Unavailable: Google cannot be reached, or refuses our secret.
    """
    if event.http_method not in METHODS or not event.path.startswith(PREFIX):
        return
    token = event.headers.get(HEADER)
    if not token or len(token) > LONGEST_TOKEN:
        raise Forbidden("reCAPTCHA token is missing")
    verdict = _ask_google(token)
    if CONFIGURATION_ERRORS & set(verdict.get("error-codes") or ()):
        raise Unavailable
    if not _is_good(verdict):
        raise Forbidden("reCAPTCHA token is not accepted")


@kept
def _secret() -> Secret:
    return Secret(settings().require("recaptcha_secret_id"))


def _ask_google(token: str) -> Mapping[str, Any]:
    form = urlencode({"secret": _secret().value(), "response": token}).encode()
    try:
        with urlopen(settings().recaptcha_verify_url, form, timeout=PATIENCE_S) as answer:  # noqa: S310 - from the settings
            verdict: Mapping[str, Any] = dict(json.load(answer))
    except (OSError, ValueError, TypeError):
        # The error may quote the request, which has the secret.
        raise Unavailable("reCAPTCHA can't be verified, try again later") from None
    return verdict


def _is_good(verdict: Mapping[str, Any]) -> bool:
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(verdict["challenge_ts"])
        return verdict["success"] is True and float(verdict["score"]) >= LOWEST_SCORE and abs(age) <= LONGEST_AGE
    except (KeyError, TypeError, ValueError):
        return False
