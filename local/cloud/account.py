"""The AWS account that this machine emulates."""

from __future__ import annotations

from typing import Any

REGION = "us-east-1"
ACCOUNT = "123456789012"
ACCESS_KEY, SECRET_KEY = "AKIAIOSFODNN7LOCAL", "local"


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


def client(service: str, url: str) -> Any:
    """Return a boto3 client of one of this machine's services."""
    import boto3

    session: Any = boto3.session.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
    return session.client(service, endpoint_url=url)
