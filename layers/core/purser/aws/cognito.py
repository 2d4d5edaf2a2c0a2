"""The client of Cognito, and the translation of its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from purser.aws.clients import client, translated
from purser.errors import TooManyRequests, Unavailable

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
    """Turn a throttle of Cognito into ``TooManyRequests``, an outage into ``Unavailable``. Other errors pass.

    Cognito is also out of order when the function fails that it asks before it makes tokens.
    """
    with translated():
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in TOO_MANY:
                raise TooManyRequests from None
            if code == "UnexpectedLambdaException":
                raise Unavailable from error
            raise
