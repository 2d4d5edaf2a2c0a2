"""Quick checks of the AWS services that Purser depends on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from purser.aws.clients import client

PATIENCE_S = 1.5


class NotReady(Exception):
    """The resource exists, but cannot be used now."""


def tables_check(names: Sequence[str]) -> Callable[[], None]:
    """Return a check that tables are active."""
    ask = client("dynamodb", tries=1, patience_s=PATIENCE_S).describe_table
    return _each(lambda name: _expect(ask(TableName=name)["Table"]["TableStatus"], "ACTIVE", "UPDATING"), names)


def key_check(key_id: str) -> Callable[[], None]:
    """Return a check that a KMS key is enabled."""
    kms = client("kms", tries=1, patience_s=PATIENCE_S)
    return lambda: _expect(kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"], "Enabled")


def queues_check(urls: Sequence[str]) -> Callable[[], None]:
    """Return a check that queues exist."""
    ask = client("sqs", tries=1, patience_s=PATIENCE_S).get_queue_attributes
    return _each(lambda url: ask(QueueUrl=url, AttributeNames=["QueueArn"]), urls)


def user_pool_check(pool_id: str) -> Callable[[], None]:
    """Return a check that a user pool exists."""
    cognito = client("cognito-idp", tries=1, patience_s=PATIENCE_S)
    return lambda: cognito.describe_user_pool(UserPoolId=pool_id)


def _each(check: Callable[[str], None], names: Sequence[str]) -> Callable[[], None]:
    def check_all() -> None:
        with ThreadPoolExecutor(max_workers=len(names)) as threads:
            list(threads.map(check, names))

    return check_all


def _expect(state: str, *wanted: str) -> None:
    if state not in wanted:
        raise NotReady(state)
