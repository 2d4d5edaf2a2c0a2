"""boto3 clients: one per process and service, made on first use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any, TypedDict

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


class Waiting(TypedDict, total=False):
    """The number of tries of a client, and the seconds that it waits for each answer."""

    tries: int
    patience_s: float


_making = Lock()  # a session may make one client at a time


@kept
def client(service: str, *, tries: int = 3, patience_s: float = 2) -> Any:
    """Return the process's client of an AWS service, which waits ``patience_s`` for an answer, ``tries`` times.

    The defaults give up before the time limit of any function, so that the caller gets an error answer.
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
    """Return the session of all clients, because each session reads the SDK's models anew."""
    import boto3

    return boto3.session.Session()


@contextmanager
def translated() -> Iterator[None]:
    """Turn an outage or a throttle of AWS into ``Unavailable``. Other errors pass."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in BUSY:
            raise Unavailable from error
        raise
    except BotoCoreError as error:
        raise Unavailable from error
