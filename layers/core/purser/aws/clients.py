"""boto3 clients: one a process and service, made when first used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from purser.errors import Unavailable
from purser.process import kept

BUSY = frozenset(
    {
        "DependencyTimeoutException",
        "InternalServerError",
        "InternalErrorException",
        "InternalException",
        "InternalFailure",
        "InternalServiceError",
        "KMSInternalException",
        "KeyUnavailableException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ServiceUnavailable",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)

_making = Lock()
"""A session makes one client at a time."""


@kept
def client(service: str, *, tries: int = 3, patience_s: float = 2) -> Any:
    """The process's client of an AWS service: it waits ``patience_s`` for an answer, and makes ``tries`` in all.

    By default it gives up before any function's time is over: better an answer that it is down than none.
    """
    from botocore.config import Config

    config = Config(
        connect_timeout=min(2, patience_s),
        read_timeout=patience_s,
        retries={"mode": "standard", "total_max_attempts": tries},
        max_pool_connections=32,
    )
    with _making:
        return _session().client(service, config=config)


@cache
def _session() -> Any:
    """What all clients share: each that had its own would read the SDK's models of credentials and endpoints anew."""
    import boto3

    return boto3.session.Session()


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
