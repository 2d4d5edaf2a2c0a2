"""boto3 clients: one a process and service, made when first used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from purser.errors import Unavailable

BUSY = frozenset(
    {
        "InternalServerError",
        "InternalErrorException",
        "InternalFailure",
        "KMSInternalException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)


@cache
def client(service: str) -> Any:
    """The process's client of an AWS service, with bounded time-outs and the SDK's standard retries."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=2,
        read_timeout=8,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=32,
    )
    # A session of our own: the default one is made by whoever comes first, on whatever thread.
    session: Any = boto3.session.Session()
    return session.client(service, config=config)


@contextmanager
def translated() -> Iterator[None]:
    """Turns an outage or a throttle of AWS into ``Unavailable``; other errors pass as they are."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in BUSY:
            raise Unavailable from error
        raise
    except BotoCoreError as error:
        raise Unavailable from error
