"""The map of the Keys table: trading accounts, credentials, follows, and what is to be done for them.

    PK                         SK                what
    USER#<user>                USER              version of the user's set of connected accounts
    USER#<user>                KEY#<id>          a connected trading account
    USER#<user>                CREDENTIAL#<id>   its credential; the secret is a ciphertext
    USER#<user>                ENDED#<id>        a disconnected trading account: history, no credential
    USER#<user>                FOLLOW#<id>#…     what a connected trading account follows (purser.follows)
    CUSTOMER#<id>              TIES              the connected trading accounts that belong to a customer
    OPERATIONS#<of>            <ms>#<id>         an operation, under all that it is asked for by: a user, an account,
                                                 each of the two with its type; so every list is one query
    APIKEY#<venue>#<digest>    CLAIM             whose the API key is, and which account has it for each trade type
    APIKEY#<venue>#<digest>    CANCELLING#<type> the disconnected account whose open orders are still to be cancelled
    CANCELLATIONS              <account id>      that cancellation
    BACKFILLS                  <account id>      past days of a connected account are to be fetched (purser.snapshots)

A credential carries ``accountIds``, the connected accounts that use it; revoked it stays, without its ciphertext. An
account and a credential carry a ``version``, which counts their changes; those of before it was kept have none. An
active account carries ``activeShard``: the sparse index ``ActiveIndex`` holds nothing else. One that the plan took
away carries ``suspended``; whatever its user or the exchange makes of it afterwards ends that. While a cancellation is
attempted it carries ``heldUntil`` (Unix ms).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from purser.aws.shards import shard_of
from purser.exchanges.model import TradeType, Venue

LINKS = "TIES"
ACTIVE_SHARDS = 16
"""Over how many partitions the index of active trading accounts is spread."""

CANCELLATIONS = "CANCELLATIONS"
"""Partition key of all waiting cancellations."""

BACKFILLS = "BACKFILLS"
"""Partition key of all waiting backfills."""


def user_pk(user_id: str) -> str:
    """Partition key of everything of a user."""
    return f"USER#{user_id}"


def account_sk(trading_account_id: str) -> str:
    """Sort key of a connected trading account."""
    return f"KEY#{trading_account_id}"


def credential_sk(credential_id: str) -> str:
    """Sort key of a credential."""
    return f"CREDENTIAL#{credential_id}"


def follows_sk(trading_account_id: str) -> str:
    """What the sort keys of all follows of a trading account begin with."""
    return f"FOLLOW#{trading_account_id}#"


def claim_pk(venue: Venue, api_key: str) -> str:
    """Partition key of the claim on an API key."""
    return f"APIKEY#{venue.value}#{hashlib.sha256(api_key.encode()).hexdigest()}"


def cancelling_sk(trade_type: TradeType) -> str:
    """Sort key of what an API key waits for before it is connected anew for a trade type."""
    return f"CANCELLING#{trade_type.value}"


def disconnected_sk(trading_account_id: str) -> str:
    """Sort key of a disconnected trading account."""
    return f"ENDED#{trading_account_id}"


def customer_pk(customer_id: str) -> str:
    """Partition key of what belongs to a customer."""
    return f"CUSTOMER#{customer_id}"


def version_of(item: Mapping[str, Any]) -> int:
    """Return an item's version; items that were written before they had one are at version 0."""
    return int(item.get("version", 0))


def active_shard(trading_account_id: str) -> str:
    """Return the partition of the active index that a trading account belongs to."""
    return str(shard_of(trading_account_id, ACTIVE_SHARDS))
