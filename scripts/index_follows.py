"""Put active follows into the index of followers that were stored before there was one.

Run it once after the first deployment with ``FollowersIndex``: ``python -m scripts.index_follows KEYS_TABLE``. Without
it, such a follow gets no signals until it is changed. Running it again does no harm.
"""

from __future__ import annotations

import sys

import boto3

from purser.aws.tables import Table, from_wire
from purser.follows.store import DynamoFollowStore, follow_of
from purser.keys_table import user_pk


def index_follows(table_name: str) -> int:
    """Index the active follows of a table that are in no index, and return their number."""
    store, indexed = DynamoFollowStore(Table(table_name)), 0
    pages = (
        boto3.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=table_name,
            FilterExpression="begins_with(SK, :follow) AND active = :on AND attribute_not_exists(followedBy)",
            ExpressionAttributeValues={":follow": {"S": "FOLLOW#"}, ":on": {"BOOL": True}},
        )
    )
    for page in pages:
        for item in map(from_wire, page["Items"]):
            indexed += store.index(follow_of(item["PK"].removeprefix(user_pk("")), item))
    return indexed


if __name__ == "__main__":
    print(f"{index_follows(sys.argv[1])} follows indexed")
