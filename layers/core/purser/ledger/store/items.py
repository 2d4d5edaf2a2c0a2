"""Items of the Wallets table.

    PK                        SK                      what
    WALLET#<wallet>           WALLET                  a wallet: facts, state, metadata
    LANES#<wallet>#<nn>       OWN or <counterparty>   a shard: state, balances
    TRANSACTION#<id>          TRANSACTION             a transaction with its postings; never changes
    ENTRIES#<wallet>#<nn>     <sequence>#<id>#<i>     an entry: asset and amount; never changes
    KEY#<origin>              KEY                     the transaction that an idempotency key has made
    OWNER#<owner>             COUNT                   the number of an owner's wallets that are not closed
    CUSTOMER#<customer>       LINKS                   the wallets of a customer, and the version of their balances

``nn`` is 00 for a wallet with one shard. The shards of a sharded wallet are spread over ``PARTITIONS``. So are its
entries, because a partition takes 1,000 write units a second.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from purser.aws import shards
from purser.aws.integrity import identity
from purser.aws.tables import Item
from purser.ledger.model import (
    SINGLE,
    STOPPED,
    BalanceShard,
    Entry,
    Posting,
    PostingRequest,
    Recorded,
    Transaction,
    TransactionType,
    Wallet,
    WalletChange,
    WalletStatus,
    WalletType,
    created_at,
    entry_id,
)

# Shards and entries are found by these numbers, which therefore never change.
PARTITIONS = 32
LIST_SHARDS = 8
KEPT_AFTER_CLOSING_S = 7 * 366 * 86_400

WALLET, TRANSACTION, KEY = "WALLET", "TRANSACTION", "KEY"
SHARDS, ENTRIES = "LANES", "ENTRIES"
LINKS = "LINKS"


def key(kind: str, id: str) -> tuple[str, str]:
    """Return the key of a ``WALLET``, a ``TRANSACTION``, or the ``KEY`` that a request claimed."""
    return f"{kind}#{id}", kind


def owner_pk(owner_id: str) -> str:
    """Return the partition key of an owner's count."""
    return f"OWNER#{owner_id}"


def customer_pk(customer_id: str) -> str:
    """Return the partition key of a customer's links."""
    return f"CUSTOMER#{customer_id}"


def shard_pk(kind: str, wallet_id: str, shard: str) -> str:
    """Return the partition key of a shard (``LANES``), or of the entries of its postings (``ENTRIES``)."""
    number = 0 if shard == SINGLE else shards.shard_of(shard, PARTITIONS)
    return f"{kind}#{wallet_id}#{number:02d}"


def partitions(kind: str, wallet: Wallet) -> list[str]:
    """Return all partition keys of a wallet's ``LANES`` or ``ENTRIES``."""
    return [f"{kind}#{wallet.id}#{nn:02d}" for nn in range(PARTITIONS if wallet.is_sharded else 1)]


def wallet_item(wallet: Wallet) -> Item:
    """Return a wallet as an item. ``listedAs`` puts it in the lists of its owner and of all wallets."""
    pk, sk = key(WALLET, wallet.id)
    return {
        "PK": pk,
        "SK": sk,
        "walletId": wallet.id,
        "ownerId": wallet.owner_id,
        "walletType": wallet.type.value,
        "allowNegative": wallet.allow_negative,
        "metadata": dict(wallet.metadata),
        "accountId": wallet.account_id,
        "createdAt": wallet.created_at,
        "listedAs": f"{wallet.created_at:013d}#{wallet.id}",
        "listShard": str(shards.shard_of(wallet.id, LIST_SHARDS)),
        **wallet_state(wallet),
    }


def wallet_state(wallet: Wallet) -> dict[str, Any]:
    return {
        "status": wallet.status.value,
        "revision": wallet.version,
        "updatedAt": wallet.updated_at,
        "heldUntil": wallet.closing_until,
        "settling": wallet.freezing or None,
        "expiresAt": expires_at(wallet),
    }


def expires_at(wallet: Wallet) -> int | None:
    """Return when a closed wallet expires, in Unix seconds, or None for any other wallet."""
    return wallet.updated_at // 1000 + KEPT_AFTER_CLOSING_S if wallet.status is WalletStatus.CLOSED else None


def wallet_of(item: Item) -> Wallet:
    return Wallet(
        id=identity(item, "PK", "walletId"),
        owner_id=item["ownerId"],
        type=WalletType(item["walletType"]),
        status=WalletStatus(item["status"]),
        allow_negative=item["allowNegative"],
        metadata=item["metadata"],
        created_at=int(item["createdAt"]),
        updated_at=int(item["updatedAt"]),
        account_id=item.get("accountId"),
        version=int(item["revision"]),
        closing_until=int(item["heldUntil"]) if "heldUntil" in item else None,
        freezing=item.get("settling", False),
    )


def shard_state(wallet: Wallet) -> str:
    return STOPPED if wallet.closing_until is not None else wallet.status.value


def shard_item(wallet_id: str, shard: str, state: BalanceShard) -> Item:
    return {
        "PK": shard_pk(SHARDS, wallet_id, shard),
        "SK": shard,
        "status": state.status,
        "revision": state.wallet_version,
        "version": state.version,
        "balances": dict(state.balances),
    }


def shard_of(item: Item) -> BalanceShard:
    return BalanceShard(item["status"], int(item["revision"]), item["balances"], int(item["version"]))


def transaction_item(request: PostingRequest) -> Item:
    """Return a transaction as an item, with its actor, and the origin and digest that identify a repeated request.

    Transactions from before there were audit entries have no actor.
    """
    transaction = request.transaction
    pk, sk = key(TRANSACTION, transaction.id)
    return {
        "PK": pk,
        "SK": sk,
        "transactionType": transaction.type.value,
        "postings": [{"walletId": p.wallet_id, "asset": p.asset, "amount": p.amount} for p in transaction.postings],
        "sequence": transaction.sequence,
        "externalRef": transaction.external_ref,
        "reverses": transaction.reverses,
        "reason": transaction.reason,
        "actorId": request.actor.user_id,
        "requestId": request.actor.request_id,
        "origin": request.origin,
        "digest": transaction.digest,
    }


def recorded_of(item: Item) -> Recorded:
    transaction = Transaction(
        id=item["PK"].partition("#")[2],
        type=TransactionType(item["transactionType"]),
        postings=tuple(Posting(p["walletId"], p["asset"], Decimal(p["amount"])) for p in item["postings"]),
        created_at=created_at(item["sequence"]),
        sequence=item["sequence"],
        external_ref=item.get("externalRef"),
        reverses=item.get("reverses"),
        reason=item.get("reason"),
    )
    return Recorded(transaction, item["origin"], item["digest"])


def entry_items(transaction: Transaction, wallet_changes: tuple[WalletChange, ...]) -> list[Item]:
    shards = {wallet_change.wallet_id: wallet_change.shard for wallet_change in wallet_changes}
    return [
        {
            "PK": shard_pk(ENTRIES, entry.wallet_id, shards[entry.wallet_id]),
            "SK": f"{transaction.sequence}#{transaction.id}#{i}",
            "asset": entry.asset,
            "amount": entry.amount,
        }
        for i, entry in enumerate(transaction.entries)
    ]


def entry_of(item: Item) -> Entry:
    _, wallet_id, _ = item["PK"].split("#")
    sequence, transaction_id, i = item["SK"].split("#")
    return Entry(
        id=entry_id(transaction_id, int(i)),
        transaction_id=transaction_id,
        wallet_id=wallet_id,
        asset=item["asset"],
        amount=item["amount"],
        created_at=created_at(sequence),
    )
