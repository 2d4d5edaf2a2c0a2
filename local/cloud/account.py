"""The AWS account that this machine emulates."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

REGION = "us-east-1"
ACCOUNT = "123456789012"
ACCESS_KEY, SECRET_KEY = "AKIAIOSFODNN7LOCAL", "local"

_making = Lock()  # a session may make one client at a time


def environment(aws_url: str, dynamodb_url: str) -> dict[str, str]:
    """Return the environment that leads an AWS SDK to this machine's services."""
    return {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_ENDPOINT_URL": aws_url,
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_url,
    }


@cache
def client(service: str, url: str) -> Any:
    """Return the process's boto3 client of one of this machine's services."""
    with _making:
        return _session().client(service, endpoint_url=url)


@cache
def _session() -> Any:
    """Return the session of all clients, because each session reads the SDK's models anew."""
    import boto3

    return boto3.session.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
