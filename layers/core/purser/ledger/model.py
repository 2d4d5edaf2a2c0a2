"""Wallets and the ledger: postings, transactions, balances, and the rules that refuse.

Amounts are exact decimals. Nothing here rounds: sums go through ``EXACT``, where rounding is an error, and
signs change by ``copy_negate``, since the operators of ``Decimal`` round to 28 digits.

A balance is kept in *balance shards*. A wallet that may not go negative has one shard, ``SINGLE``, since its postings
must queue for its balance anyway. A wallet that may go negative is *sharded*: it has a shard for each counterparty,
so that their postings never meet in one item. Its balance is the sum of its shards.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact, InvalidOperation
from enum import StrEnum
from hashlib import sha256

from purser.actor import Actor
from purser.decimals import plain
from purser.errors import (
    BalanceOutOfRange,
    Contended,
    InsufficientBalance,
    WalletAlreadyFrozen,
    WalletClosed,
    WalletError,
    WalletForbidden,
    WalletNotFrozen,
    WalletRequestRefused,
)

PLATFORM = "platform"
ACCOUNTING_WALLET_ID = str(uuid.uuid5(uuid.NAMESPACE_URL, "purser:wallet:accounting"))
"""The platform's own wallet: the other side of every deposit and withdrawal, created when it is first used."""

LIMIT = Decimal(10) ** 20
"""Amounts and balances stay below this, so that with 18 decimals they fit DynamoDB's 38 digits."""
MOST_DECIMALS = 18
LONGEST_AMOUNT = 64
MOST_ASSETS = 1000
"""The most assets of a shard: far more than a wallet needs, far less than an item can hold."""

SINGLE = "OWN"
EXACT = Context(prec=60, traps=[Inexact, InvalidOperation])
ZERO = Decimal(0)

_PLAIN = re.compile(r"[0-9]+(\.[0-9]+)?")


class WalletType(StrEnum):
    """The purpose of a wallet."""

    DEALER = "DEALER"
    CLIENT = "CLIENT"
    EXCHANGE = "EXCHANGE"
    ACCOUNTING = "ACCOUNTING"


class WalletStatus(StrEnum):
    """The state of a wallet. Only ACTIVE ones take postings, and CLOSED is final."""

    ACTIVE = "ACTIVE"
    FROZEN = "FROZEN"
    CLOSED = "CLOSED"


class TransactionType(StrEnum):
    """The kinds of transactions."""

    DEPOSIT = "DEPOSIT"
    WITHDRAWAL = "WITHDRAWAL"
    TRANSFER = "TRANSFER"
    REVERSAL = "REVERSAL"


@dataclass(frozen=True, slots=True)
class Wallet:
    """A wallet, without its balances. Times are Unix milliseconds.

    ``version`` grows with every change of state. While a sharded wallet is being closed, its postings wait until
    ``closing_until`` at most. While it is being frozen, ``freezing`` is set until every shard has stopped. ``id``,
    ``owner_id``, ``type`` and ``allow_negative`` never change.
    """

    id: str
    owner_id: str
    type: WalletType
    status: WalletStatus
    allow_negative: bool
    metadata: Mapping[str, str]
    created_at: int
    updated_at: int
    account_id: str | None = None
    version: int = 1
    closing_until: int | None = None
    freezing: bool = False

    @property
    def is_sharded(self) -> bool:
        """True if the wallet has a shard for each counterparty."""
        return self.allow_negative

    @property
    def size(self) -> int:
        """The size of the wallet as JSON, in bytes: its metadata, and less than 500 bytes for the rest."""
        return 500 + len(json.dumps(dict(self.metadata), ensure_ascii=False).encode())

    def must_be_open_to(self, actor: Actor) -> None:
        """Raise ``WalletForbidden`` unless the actor is the owner or an admin."""
        if not actor.is_admin and actor.user_id != self.owner_id:
            raise WalletForbidden


def users_of(wallets: Iterable[Wallet]) -> set[str]:
    """Return the users who own wallets, which the platform is not."""
    return {wallet.owner_id for wallet in wallets} - {PLATFORM}


@dataclass(frozen=True, slots=True)
class Posting:
    """One movement of one asset in one wallet; a negative amount leaves the wallet."""

    wallet_id: str
    asset: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Entry:
    """A posting as it stands in the books."""

    id: str
    transaction_id: str
    wallet_id: str
    asset: str
    amount: Decimal
    created_at: int


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Selects entries by asset and time (Unix ms, inclusive). A field that is None does not restrict."""

    asset: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """Postings that happen together or not at all; for each asset they sum to zero.

    ``sequence`` begins with ``created_at`` and orders transactions in time, even within a millisecond.
    """

    id: str
    type: TransactionType
    postings: tuple[Posting, ...]
    created_at: int
    sequence: str
    external_ref: str | None = None
    reverses: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if len(self.postings) < 2 or any(self.sums().values()):
            raise ValueError("the postings of a transaction sum to zero for each asset")
        if len({(p.wallet_id, p.asset) for p in self.postings}) < len(self.postings):
            raise ValueError("a transaction has one posting for each wallet and asset")

    def sums(self) -> dict[str, Decimal]:
        """Return the sum of the postings of each asset, which is zero."""
        return summed((p.asset, p.amount) for p in self.postings)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The postings as they stand in the books."""
        return tuple(
            Entry(
                id=entry_id(self.id, i),
                transaction_id=self.id,
                wallet_id=posting.wallet_id,
                asset=posting.asset,
                amount=posting.amount,
                created_at=self.created_at,
            )
            for i, posting in enumerate(self.postings)
        )

    @property
    def digest(self) -> str:
        """A digest of the request, which ignores the notation of its numbers."""
        fields = [self.type, self.external_ref or "", self.reverses or "", self.reason or ""]
        fields += [f"{p.wallet_id} {p.asset} {plain(p.amount)}" for p in self.postings]
        return sha256("\0".join(fields).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class PostingRequest:
    """A transaction to be written, the actor who wants it, and the request.

    ``origin`` is the same for every try of one request, and differs between requests. ``claims_key`` is set when the
    request has an idempotency key that does not determine the transaction's id.
    """

    transaction: Transaction
    actor: Actor
    origin: str
    claims_key: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """A transaction in the books, and the request that made it."""

    transaction: Transaction
    origin: str
    digest: str


@dataclass(frozen=True, slots=True)
class BalanceShard:
    """The item in which postings of a wallet meet, with a copy of the wallet's state.

    ``wallet_version`` is the wallet's version at the time of the copy; ``version`` grows with each posting.
    """

    status: str
    wallet_version: int
    balances: Mapping[str, Decimal] = field(default_factory=dict)
    version: int = 0


STOPPED = "STOPPED"
"""The state of a shard that takes no posting until it has read its wallet again."""


@dataclass(frozen=True, slots=True)
class WalletChange:
    """The effect of a transaction on one wallet: a shard, and the change of each asset in it.

    ``customer`` is the owner and id of the wallet's customer, if the change can leave the wallet with a balance.
    """

    wallet_id: str
    shard: str
    changes: Mapping[str, Decimal]
    may_go_negative: bool
    after_closing: bool = False
    to_zero: bool = False
    customer: tuple[str, str] | None = None


def entry_id(transaction_id: str, i: int) -> str:
    """Return the id of the ``i``-th entry of a transaction."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"purser:entry:{transaction_id}:{i}"))


def created_at(sequence: str) -> int:
    """Return the time in a sequence, in Unix milliseconds."""
    return int(sequence.partition(".")[0])


def parse_amount(value: object) -> Decimal:
    """Parse an amount from the wire: a decimal in plain notation or a JSON number.

    Raises:
        ValueError: not a positive decimal with at most 18 decimals. The message names the rule.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise ValueError("must be a decimal string")
    if isinstance(value, str) and (len(value) > LONGEST_AMOUNT or not _PLAIN.fullmatch(value)):
        raise ValueError("must be a decimal in plain notation, such as 12.5")
    amount = Decimal(value)
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > MOST_DECIMALS:
        raise ValueError(f"must have at most {MOST_DECIMALS} decimals")
    if amount <= 0:
        raise ValueError("must be greater than 0")
    return amount.normalize(EXACT) if amount < LIMIT else LIMIT


def summed(changes: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """Return the exact sum for each asset."""
    totals: dict[str, Decimal] = {}
    for asset, amount in changes:
        totals[asset] = EXACT.add(totals.get(asset, ZERO), amount)
    return totals


def moving(source: str, destination: str, asset: str, amount: Decimal) -> tuple[Posting, Posting]:
    """Return the postings that move an amount from one wallet to another.

    Raises:
        WalletRequestRefused: both are the same wallet.
        BalanceOutOfRange: the amount exceeds what any balance can hold.
    """
    if source == destination:
        raise WalletRequestRefused("Source and destination must be different wallets")
    if amount >= LIMIT:
        raise BalanceOutOfRange
    return Posting(source, asset, amount.copy_negate()), Posting(destination, asset, amount)


def reversed_postings(transaction: Transaction) -> tuple[Posting, ...]:
    """Return the opposite postings."""
    return tuple(Posting(p.wallet_id, p.asset, p.amount.copy_negate()) for p in transaction.postings)


def wallet_changes(
    transaction: Transaction, wallets: Mapping[str, Wallet], closed: frozenset[str]
) -> tuple[WalletChange, ...]:
    """Return the effect of a transaction on each of its wallets. ``closed`` are the wallets known to be closed by now.

    A closed wallet has only the shard ``SINGLE``. It was empty when it closed, so the others sum to zero for good.
    It cannot go negative any more, since no deposit could settle the debt.
    """
    ids = list(dict.fromkeys(p.wallet_id for p in transaction.postings))
    return tuple(_wallet_change(transaction, wallets[wallet_id], ids, wallet_id in closed) for wallet_id in ids)


def _wallet_change(transaction: Transaction, wallet: Wallet, ids: list[str], closed: bool) -> WalletChange:
    counterparty = min(other for other in ids if other != wallet.id)
    changes = {p.asset: p.amount for p in transaction.postings if p.wallet_id == wallet.id}
    may_leave_balance = wallet.allow_negative or any(change > 0 for change in changes.values())
    return WalletChange(
        wallet_id=wallet.id,
        shard=counterparty if wallet.is_sharded and not closed else SINGLE,
        changes=changes,
        may_go_negative=wallet.allow_negative and not closed,
        after_closing=closed,
        to_zero=closed and transaction.type is TransactionType.WITHDRAWAL,
        customer=(wallet.owner_id, wallet.account_id) if wallet.account_id and may_leave_balance else None,
    )


def may_follow_closing(transaction: Transaction, wallet_id: str) -> bool:
    """Return whether a closed wallet takes a transaction: a reversal, or a withdrawal from it."""
    if transaction.type is TransactionType.REVERSAL:
        return True
    leaves = all(p.amount < 0 for p in transaction.postings if p.wallet_id == wallet_id)
    return transaction.type is TransactionType.WITHDRAWAL and leaves


def refusal(wallet_change: WalletChange, shard: BalanceShard) -> WalletError:
    """Return the error of a shard that has refused a change."""
    for asset, change in wallet_change.changes.items():
        balance, needed = shard.balances.get(asset, ZERO), change.copy_negate()
        if wallet_change.to_zero and balance != needed:
            return WalletClosed("Wallet is closed: only a withdrawal to exactly zero is allowed")
        if not wallet_change.may_go_negative and balance < needed:
            available, asked = plain(balance), plain(needed)
            return InsufficientBalance(f"Insufficient available balance: {available} {asset} < {asked} {asset}")
    return BalanceOutOfRange()


def must_be_freezable(wallet: Wallet, now: int) -> None:
    """Check that a wallet can be frozen. While its shards are still stopping, freezing it again finishes the work.

    The ACCOUNTING wallet never freezes, since every deposit and withdrawal needs it.

    Raises:
        WalletClosed, WalletAlreadyFrozen, WalletRequestRefused (the ACCOUNTING wallet), Contended: it cannot.
    """
    _must_not_be_closed(wallet)
    _must_not_be_closing(wallet, now)
    if wallet.id == ACCOUNTING_WALLET_ID:
        raise WalletRequestRefused("The platform's ACCOUNTING wallet cannot be frozen")
    if wallet.status is WalletStatus.FROZEN and not wallet.freezing:
        raise WalletAlreadyFrozen


def must_be_frozen(wallet: Wallet, _now: int) -> None:
    """Raise ``WalletClosed`` or ``WalletNotFrozen`` for a wallet that is not frozen."""
    _must_not_be_closed(wallet)
    if wallet.status is not WalletStatus.FROZEN:
        raise WalletNotFrozen


def must_be_closable(wallet: Wallet, now: int) -> None:
    """Raise ``WalletClosed`` for a closed wallet, and ``Contended`` for one that is being closed.

    The ACCOUNTING wallet never closes, since every deposit and withdrawal needs it.
    """
    _must_not_be_closed(wallet)
    _must_not_be_closing(wallet, now)
    if wallet.id == ACCOUNTING_WALLET_ID:
        raise WalletRequestRefused("The platform's ACCOUNTING wallet cannot be closed")


def _must_not_be_closed(wallet: Wallet) -> None:
    if wallet.status is WalletStatus.CLOSED:
        raise WalletClosed


def _must_not_be_closing(wallet: Wallet, now: int) -> None:
    if wallet.closing_until is not None and wallet.closing_until > now:
        raise Contended
