"""The double-entry ledger: deposits, withdrawals, transfers and reversals."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from purser.actor import Actor
from purser.audit.model import Action, AuditEntry, audit_entry
from purser.errors import (
    IdempotencyKeyReused,
    Unavailable,
    WalletClosed,
    WalletFrozen,
    WalletNotFound,
    WalletRequestRefused,
)
from purser.ledger.model import (
    ACCOUNTING_WALLET_ID,
    SINGLE,
    BalanceShard,
    Entry,
    EntryFilter,
    Posting,
    PostingRequest,
    Recorded,
    Transaction,
    TransactionType,
    Wallet,
    WalletChange,
    WalletStatus,
    may_follow_closing,
    moving,
    refusal,
    reversed_postings,
    users_of,
    wallet_changes,
)
from purser.ledger.ports import Books, NoSuchCustomer, Refused, WalletStore
from purser.ledger.wallets import Wallets
from purser.pages import Page, cut
from purser.retrying import until_fresh

FILTERED_PAGE_SIZE = 1000
ALL = EntryFilter()


class Timeline:
    """Times that grow with every call of this process, even within a millisecond or when the clock goes back."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._last = (0, 0)

    def next(self) -> tuple[int, str]:
        """Return Unix milliseconds, and a text that sorts in the order of the calls."""
        with self._lock:
            milliseconds, count = self._last
            now = self._now()
            self._last = (now, 0) if now > milliseconds else (milliseconds, count + 1)
            milliseconds, count = self._last
        return milliseconds, f"{milliseconds:013d}.{count:06d}"


class Ledger:
    """The use cases of the ledger. Every method raises ``purser.errors.Unavailable`` in an outage.

    ``key_id`` is the same for every try of one request with an idempotency key. A repeated request returns the first
    transaction, and waits for it if it is still being written. Another request with that key raises
    ``IdempotencyKeyReused``.

    Every posting method raises, besides what it documents: WalletNotFound, WalletForbidden, WalletFrozen,
    WalletClosed, InsufficientBalance, BalanceOutOfRange, WalletRequestRefused, Contended.
    """

    def __init__(self, wallets: Wallets, store: WalletStore, books: Books, now: Callable[[], int]) -> None:
        self._wallets = wallets
        self._store = store
        self._books = books
        self._now = now
        self._sequence = Timeline(now)

    def deposit(
        self, actor: Actor, wallet_id: str, asset: str, amount: Decimal, external_ref: str, key_id: str | None = None
    ) -> Transaction:
        """Deposit an amount. A repeated ``external_ref`` of the wallet's deposits deposits nothing."""
        postings = moving(ACCOUNTING_WALLET_ID, wallet_id, asset, amount)
        return self._post(self._external(actor, TransactionType.DEPOSIT, wallet_id, postings, external_ref, key_id))

    def withdraw(
        self, actor: Actor, wallet_id: str, asset: str, amount: Decimal, external_ref: str, key_id: str | None = None
    ) -> Transaction:
        """Withdraw an amount. A repeated ``external_ref`` of the wallet's withdrawals withdraws nothing."""
        self._must_be_open_to(actor, wallet_id)
        postings = moving(wallet_id, ACCOUNTING_WALLET_ID, asset, amount)
        return self._post(self._external(actor, TransactionType.WITHDRAWAL, wallet_id, postings, external_ref, key_id))

    def transfer(
        self, actor: Actor, source: str, destination: str, asset: str, amount: Decimal, key_id: str | None = None
    ) -> Transaction:
        """Move an amount from one of the actor's wallets (any wallet for an admin) to another wallet."""
        self._must_be_open_to(actor, source)
        origin = key_id or str(uuid.uuid4())
        transaction = self._transaction(origin, TransactionType.TRANSFER, moving(source, destination, asset, amount))
        return self._post(PostingRequest(transaction, actor, origin))

    def reverse(self, actor: Actor, transaction_id: str, reason: str, key_id: str | None = None) -> Transaction:
        """Undo a transaction, once, by a new one with the opposite postings."""
        recorded = self._books.recorded(transaction_id)
        if recorded is None:
            raise WalletNotFound(f"Transaction not found: {transaction_id}")
        transaction = self._transaction(
            _id("reversal", transaction_id),
            TransactionType.REVERSAL,
            reversed_postings(recorded.transaction),
            reverses=transaction_id,
            reason=reason,
        )
        return self._post(_posting_request(transaction, actor, key_id))

    def entries(
        self, actor: Actor, wallet_id: str, filters: EntryFilter = ALL, *, limit: int, before: str | None = None
    ) -> Page[Entry]:
        """Return a wallet's entries, newest first.

        Raises:
            WalletNotFound, WalletForbidden.
        """
        return self._entries(actor, Action.ENTRY_LIST, wallet_id, filters, limit, before)

    def _entries(
        self, actor: Actor, action: Action, wallet_id: str, filters: EntryFilter, limit: int, before: str | None
    ) -> Page[Entry]:
        wallet, asset = self._wallets.get(actor, wallet_id, action), filters.asset
        # Larger requests, so that a filter that matches little costs few of them.
        page_size = limit + 1 if asset is None else max(limit + 1, FILTERED_PAGE_SIZE)
        rows = self._books.entries(wallet, filters.since, filters.until, before, page_size)
        return cut(rows, lambda entry: asset is None or entry.asset == asset, limit)

    def transactions(
        self, actor: Actor, wallet_id: str, filters: EntryFilter = ALL, *, limit: int, before: str | None = None
    ) -> Page[Transaction]:
        """Return a wallet's transactions, with the parameters and errors of ``entries``."""
        entries = self._entries(actor, Action.TRANSACTION_LIST, wallet_id, filters, limit, before)
        ids = list(dict.fromkeys(entry.transaction_id for entry in entries.rows))
        found = self._books.transactions(ids)
        return Page(tuple(found[transaction_id] for transaction_id in ids), entries.position)

    def _must_be_open_to(self, actor: Actor, wallet_id: str) -> None:
        self._wallets.known([wallet_id])[wallet_id].must_be_open_to(actor)

    def _external(
        self,
        actor: Actor,
        kind: TransactionType,
        wallet_id: str,
        postings: Sequence[Posting],
        external_ref: str,
        key_id: str | None,
    ) -> PostingRequest:
        transaction = self._transaction(
            _id(kind.value, wallet_id, external_ref), kind, postings, external_ref=external_ref
        )
        return _posting_request(transaction, actor, key_id)

    def _transaction(
        self,
        transaction_id: str,
        kind: TransactionType,
        postings: Sequence[Posting],
        *,
        external_ref: str | None = None,
        reverses: str | None = None,
        reason: str | None = None,
    ) -> Transaction:
        created_at, sequence = self._sequence.next()
        return Transaction(transaction_id, kind, tuple(postings), created_at, sequence, external_ref, reverses, reason)

    def _post(self, request: PostingRequest) -> Transaction:
        wallets = self._wallets.known([posting.wallet_id for posting in request.transaction.postings])
        entry = _audit_entry(request, wallets.values())
        closed: set[str] = set()

        def attempt() -> Transaction:
            planned = wallet_changes(request.transaction, wallets, frozenset(closed))
            try:
                self._books.post(request, planned, entry)
                return request.transaction
            except Unavailable:
                # It may have been written nevertheless.
                recorded = self._books.recorded(request.transaction.id)
                if recorded is None:
                    raise
                return self._repeated(request, recorded)
            except NoSuchCustomer:
                raise WalletClosed("The account of the wallet is disconnected") from None
            except Refused as refused:
                recorded = self._earlier(request, refused)
                if recorded is not None:
                    return self._repeated(request, recorded)
                closed.update(self._make_way(request, planned, refused))
                raise

        return until_fresh(attempt, stale=Refused)

    def _earlier(self, request: PostingRequest, refused: Refused) -> Recorded | None:
        """Return what the books have under the transaction's id.

        They are read even if the refusal shows nothing: the first try may have emptied the shards that refuse now.
        """
        if refused.claimed_id not in (None, request.transaction.id):
            raise IdempotencyKeyReused
        return refused.recorded or self._books.recorded(request.transaction.id)

    def _repeated(self, request: PostingRequest, recorded: Recorded) -> Transaction:
        same = recorded.digest == request.transaction.digest
        if recorded.origin == request.origin:
            if not same:
                raise IdempotencyKeyReused
            return recorded.transaction
        if request.transaction.type is TransactionType.REVERSAL:
            raise WalletRequestRefused(f"Transaction is already reversed: {request.transaction.reverses}")
        if not same:
            raise WalletRequestRefused("externalRef was used with another request")
        if request.claims_key and not self._books.claim(request):
            raise IdempotencyKeyReused
        return recorded.transaction

    def _make_way(self, request: PostingRequest, planned: Sequence[WalletChange], refused: Refused) -> set[str]:
        """Prepare another try and return the wallets that it must treat as closed, or raise the refusal."""
        closed: set[str] = set()
        for wallet_change in planned:
            if wallet_change.wallet_id not in refused.shards:
                continue
            shard = refused.shards[wallet_change.wallet_id]
            status = self._status(wallet_change, shard)
            if status == WalletStatus.FROZEN:
                raise WalletFrozen
            if status == WalletStatus.CLOSED and not wallet_change.after_closing:
                if not may_follow_closing(request.transaction, wallet_change.wallet_id):
                    raise WalletClosed
                closed.add(wallet_change.wallet_id)
            elif status is not None and shard is not None:
                raise refusal(wallet_change, shard)
        return closed

    def _status(self, wallet_change: WalletChange, shard: BalanceShard | None) -> str | None:
        """Return the state for which a shard refused, or None when another try may succeed."""
        if wallet_change.shard == SINGLE:
            if shard is None:
                raise WalletNotFound(f"Wallet not found: {wallet_change.wallet_id}")
            return shard.status
        if shard is not None and shard.status == WalletStatus.ACTIVE:
            return shard.status
        wallet = self._store.enter(wallet_change.wallet_id, wallet_change.shard)
        if wallet is None:
            raise WalletNotFound(f"Wallet not found: {wallet_change.wallet_id}")
        if wallet.closing_until is not None:
            # The next try waits for the closing to end, unless nobody will finish it.
            if wallet.closing_until <= self._now():
                self._store.cancel_closing(wallet)
            return None
        return None if wallet.status is WalletStatus.ACTIVE else wallet.status


def _posting_request(transaction: Transaction, actor: Actor, key_id: str | None) -> PostingRequest:
    """Return the request for a transaction whose id does not depend on the request."""
    return PostingRequest(transaction, actor, key_id or str(uuid.uuid4()), claims_key=key_id is not None)


def _audit_entry(request: PostingRequest, wallets: Iterable[Wallet]) -> AuditEntry:
    """Return the audit entry of a transaction, which concerns the owners of its wallets."""
    transaction = request.transaction
    target, users = f"transaction/{transaction.id}", users_of(wallets)
    return audit_entry(request.actor, Action(transaction.type.value), target, transaction.created_at, *users)


def _id(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "purser:" + "\0".join(parts)))
