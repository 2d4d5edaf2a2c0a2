"""Cognito's way of being busy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from purser.aws.clients import translated
from purser.errors import TooManyRequests

TOO_MANY = frozenset(
    {
        "LimitExceededException",
        "Throttling",
        "ThrottlingException",
        "TooManyFailedAttemptsException",
        "TooManyRequestsException",
    }
)


@contextmanager
def asking_cognito() -> Iterator[None]:
    """Turns a throttle of Cognito into ``TooManyRequests``, an outage into ``Unavailable``; the rest passes."""
    with translated():
        try:
            yield
        except ClientError as error:
            if error.response["Error"]["Code"] in TOO_MANY:
                raise TooManyRequests from None
            raise
