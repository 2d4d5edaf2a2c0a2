"""How wallets and the books lie in the Wallets table.

    PK                        SK                      what
    WALLET#<wallet>           WALLET                  a wallet: facts, state, metadata
    LANES#<wallet>#<nn>       OWN or <counterparty>   a shard: state, balances
    TRANSACTION#<id>          TRANSACTION             a transaction with its postings; never changes
    ENTRIES#<wallet>#<nn>     <sequence>#<id>#<i>     an entry: asset and amount; never changes
    KEY#<origin>              KEY                     which transaction an idempotency key made

``nn`` is 00 for a wallet with one shard. Those of a sharded wallet are dealt over ``PARTITIONS`` by counterparty:
entries lie in time, which no partition splits, and one partition takes 1,000 write units a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from purser.aws import shards
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

# Shards and entries are found by it: never another number.
PARTITIONS = 32
LIST_SHARDS = 8
KEPT_AFTER_CLOSING_S = 7 * 366 * 86_400

WALLET = "WALLET"
TRANSACTION = "TRANSACTION"
KEY = "KEY"


def wallet_pk(wallet_id: str) -> str:
    """Partition key of a wallet."""
    return f"WALLET#{wallet_id}"


def transaction_pk(transaction_id: str) -> str:
    """Partition key of a transaction."""
    return f"TRANSACTION#{transaction_id}"


def key_pk(origin: str) -> str:
    """Partition key of what a request with an idempotency key claimed."""
    return f"KEY#{origin}"


def shards_pk(wallet_id: str, shard: str) -> str:
    """Partition key of a shard."""
    return f"LANES#{wallet_id}#{_partition(shard)}"


def entries_pk(wallet_id: str, shard: str) -> str:
    """Partition key of the entries of postings in a shard."""
    return f"ENTRIES#{wallet_id}#{_partition(shard)}"


def _partition(shard: str) -> str:
    return "00" if shard == SINGLE else f"{shards.shard_of(shard, PARTITIONS):02d}"


def partitions(wallet: Wallet, kind: str) -> list[str]:
    """All partition keys of a wallet's ``LANES`` or ``ENTRIES``."""
    return [f"{kind}#{wallet.id}#{nn:02d}" for nn in range(PARTITIONS if wallet.is_sharded else 1)]


def list_shards() -> list[str]:
    """The partition keys of the index of all wallets."""
    return [f"{shard}" for shard in range(LIST_SHARDS)]


def wallet_item(wallet: Wallet) -> Item:
    """A wallet as an item. ``listedAs`` puts it in the lists of its owner and of all wallets."""
    return {
        "PK": wallet_pk(wallet.id),
        "SK": WALLET,
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
    """The attributes that change with a wallet's state; None for those that are absent then."""
    return {
        "status": wallet.status.value,
        "revision": wallet.version,
        "updatedAt": wallet.updated_at,
        "heldUntil": wallet.closing_until,
        "settling": wallet.settling or None,
        "expiresAt": expires_at(wallet),
    }


def expires_at(wallet: Wallet) -> int | None:
    """When a closed wallet may be forgotten, in Unix seconds; None for all others."""
    return wallet.updated_at // 1000 + KEPT_AFTER_CLOSING_S if wallet.status is WalletStatus.CLOSED else None


def wallet_of(item: Item) -> Wallet:
    """The wallet in an item."""
    return Wallet(
        id=item["walletId"],
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
        settling=item.get("settling", False),
    )


def shard_state(wallet: Wallet) -> str:
    """The state of a shard that knows its wallet's."""
    return STOPPED if wallet.closing_until is not None else wallet.status.value


def shard_item(wallet_id: str, shard: str, state: BalanceShard) -> Item:
    """A shard as an item."""
    return {
        "PK": shards_pk(wallet_id, shard),
        "SK": shard,
        "status": state.status,
        "revision": state.wallet_version,
        "version": state.version,
        "balances": dict(state.balances),
    }


def shard_of(item: Item) -> BalanceShard:
    """The shard in an item."""
    return BalanceShard(item["status"], int(item["revision"]), item["balances"], int(item["version"]))


def transaction_item(request: PostingRequest) -> Item:
    """A transaction as an item, with what tells a repeated request from another one."""
    transaction = request.transaction
    return {
        "PK": transaction_pk(transaction.id),
        "SK": TRANSACTION,
        "transactionType": transaction.type.value,
        "postings": [{"walletId": p.wallet_id, "asset": p.asset, "amount": p.amount} for p in transaction.postings],
        "sequence": transaction.sequence,
        "externalRef": transaction.external_ref,
        "reverses": transaction.reverses,
        "reason": transaction.reason,
        "origin": request.origin,
        "digest": transaction.digest,
    }


def recorded_of(item: Item) -> Recorded:
    """The transaction in an item."""
    transaction = Transaction(
        id=item["PK"].partition("#")[2],
        type=TransactionType(item["transactionType"]),
        postings=tuple(_posting(posting) for posting in item["postings"]),
        created_at=created_at(item["sequence"]),
        sequence=item["sequence"],
        external_ref=item.get("externalRef"),
        reverses=item.get("reverses"),
        reason=item.get("reason"),
    )
    return Recorded(transaction, item["origin"], item["digest"])


def _posting(attributes: Mapping[str, Any]) -> Posting:
    return Posting(attributes["walletId"], attributes["asset"], Decimal(attributes["amount"]))


def entry_items(transaction: Transaction, wallet_changes: tuple[WalletChange, ...]) -> list[Item]:
    """A transaction's entries as items, each beside the others of its wallet."""
    shards = {wallet_change.wallet_id: wallet_change.shard for wallet_change in wallet_changes}
    return [
        {
            "PK": entries_pk(entry.wallet_id, shards[entry.wallet_id]),
            "SK": f"{transaction.sequence}#{transaction.id}#{i}",
            "asset": entry.asset,
            "amount": entry.amount,
        }
        for i, entry in enumerate(transaction.entries)
    ]


def entry_of(item: Item) -> Entry:
    """The entry in an item; what its keys say is said once."""
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
