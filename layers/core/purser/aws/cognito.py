"""The client of Cognito, and the translation of its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from purser.aws.clients import client, translated
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


def cognito() -> Any:
    """Return the client of user pools, which are slower than other services."""
    return client("cognito-idp", tries=2, patience_s=3)


@contextmanager
def asking_cognito() -> Iterator[None]:
    """Turn a throttle of Cognito into ``TooManyRequests``, an outage into ``Unavailable``. Other errors pass."""
    with translated():
        try:
            yield
        except ClientError as error:
            if error.response["Error"]["Code"] in TOO_MANY:
                raise TooManyRequests from None
            raise
