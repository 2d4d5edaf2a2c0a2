"""The map of the Keys table: trading accounts, credentials, follows, and work that is due for them.

    PK                         SK                what
    USER#<user>                USER              version of the user's set of accounts and credentials
    USER#<user>                KEY#<id>          a connected trading account
    USER#<user>                CREDENTIAL#<id>   its credential; the secret is a ciphertext
    USER#<user>                ENDED#<id>        a disconnected trading account: history, no credential
    USER#<user>                FOLLOW#<id>#…     what a connected trading account follows (purser.follows)
    CUSTOMER#<id>              TIES              the connected trading accounts that belong to a customer
    OPERATIONS#<of>            <ms>#<id>         an operation, once for its user, its account, and each with its type
    APIKEY#<venue>#<digest>    CLAIM             the user of the API key, and its account for each trade type
    APIKEY#<venue>#<digest>    CANCELLING#<type> the disconnected account whose open orders are still to be cancelled
    CANCELLATIONS              <account id>      that cancellation
    BACKFILLS                  <account id>      the due backfill of a connected account (purser.snapshots)
    REFUSALS#<venue>           <ten minutes>     the first users with credentials that the venue refused in that time

A credential has ``accountIds``, the connected accounts that use it. A revoked one has no ciphertext. Accounts and
credentials have a ``version``, which counts their changes; the oldest items have none. An active account has
``activeShard``, for the sparse index ``ActiveIndex``, and an active follow ``followedBy``, for ``FollowersIndex``. A
suspended account has ``suspended``, until its user or the exchange changes it. A leased cancellation has ``heldUntil``
(Unix ms).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from purser.aws.shards import shard_of
from purser.exchanges.model import TradeType, Venue

LINKS = "TIES"
ACTIVE_SHARDS = 16
"""The partitions of the index of active trading accounts."""

FOLLOWER_SHARDS = 16
"""The partitions of a strategy's followers in their index."""

CANCELLATIONS = "CANCELLATIONS"
BACKFILLS = "BACKFILLS"


def user_pk(user_id: str) -> str:
    """Return the partition key of a user's items."""
    return f"USER#{user_id}"


def account_sk(trading_account_id: str) -> str:
    """Return the sort key of a connected trading account."""
    return f"KEY#{trading_account_id}"


def credential_sk(credential_id: str) -> str:
    """Return the sort key of a credential."""
    return f"CREDENTIAL#{credential_id}"


def follows_sk(trading_account_id: str) -> str:
    """Return the prefix of the sort keys of a trading account's follows."""
    return f"FOLLOW#{trading_account_id}#"


def claim_pk(venue: Venue, api_key: str) -> str:
    """Return the partition key of an API key's claim and cancellations."""
    return f"APIKEY#{venue.value}#{hashlib.sha256(api_key.encode()).hexdigest()}"


def cancelling_sk(trade_type: TradeType) -> str:
    """Return the sort key of an API key's unfinished cancellation for a trade type."""
    return f"CANCELLING#{trade_type.value}"


def refusals_pk(venue: Venue) -> str:
    """Return the partition key of a venue's ambiguous refusals of credentials."""
    return f"REFUSALS#{venue.value}"


def disconnected_sk(trading_account_id: str) -> str:
    """Return the sort key of a disconnected trading account."""
    return f"ENDED#{trading_account_id}"


def customer_pk(customer_id: str) -> str:
    """Return the partition key of a customer's links."""
    return f"CUSTOMER#{customer_id}"


def version_of(item: Mapping[str, Any]) -> int:
    """Return an item's version, 0 for an item that was written without one."""
    return int(item.get("version", 0))


def active_shard(trading_account_id: str) -> str:
    """Return the partition of the active index that a trading account belongs to."""
    return str(shard_of(trading_account_id, ACTIVE_SHARDS))


def followers_pk(strategy_id: str, shard: int) -> str:
    """Return a partition of the index of a strategy's active follows."""
    return f"{strategy_id}#{shard}"


def followed_by(strategy_id: str, follow_id: str) -> str:
    """Return the partition of the index of active follows that a follow belongs to."""
    return followers_pk(strategy_id, shard_of(follow_id, FOLLOWER_SHARDS))
