"""The stores that wallets and the ledger need.

Every method raises ``purser.errors.Unavailable`` in an outage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Protocol

from purser.audit.model import AuditEntry
from purser.ledger.model import BalanceShard, Entry, PostingRequest, Recorded, Transaction, Wallet, WalletChange


class WalletExists(Exception):
    """The id is taken."""


class NoSuchCustomer(Exception):
    """The wallet's owner has no such active customer."""


class StaleWallet(Exception):
    """The wallet has changed since it was read."""


class Refused(Exception):
    """A transaction was not written.

    ``recorded`` is the transaction that the books have under its id. ``claimed_id`` is the transaction that its key has
    made before. ``shards`` has the shard of each wallet that refused, or None where there was none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.recorded: Recorded | None = None
        self.claimed_id: str | None = None
        self.shards: dict[str, BalanceShard | None] = {}


class WalletStore(Protocol):
    """Wallets and their shards.

    ``freeze``, ``unfreeze`` and ``close`` return the changed wallet. They raise ``StaleWallet`` when the wallet has
    changed since it was read. Each change is written together with its audit entry.
    """

    def create(self, wallet: Wallet, entry: AuditEntry, most: int | None = None) -> None:
        """Store a new wallet, of which the owner may have ``most`` that are not closed.

        Raises:
            WalletExists, purser.errors.TooManyWallets.
            NoSuchCustomer: its customer is not active.
        """

    def get(self, wallet_id: str) -> Wallet | None:
        """Return a wallet, in one read."""

    def find(self, wallet_ids: Sequence[str]) -> dict[str, Wallet]:
        """Return the wallets that exist, by id, in one read."""

    def listed(self, owner_id: str | None, before: str | None, page_size: int) -> Iterator[tuple[str, Wallet]]:
        """Yield an owner's wallets (None: all), newest first, each with its position in the list."""

    def balances(self, wallet: Wallet) -> dict[str, Decimal]:
        """Return a wallet's balance of each asset that it has ever held."""

    def balances_of(self, wallets: Sequence[Wallet]) -> dict[str, dict[str, Decimal]]:
        """Return the balances of many wallets, by wallet id."""

    def enter(self, wallet_id: str, shard: str) -> Wallet | None:
        """Copy the state of a sharded wallet to a shard, create the shard if it is new, and return the wallet."""

    def cancel_closing(self, wallet: Wallet) -> None:
        """Cancel a closing that was never finished, unless the wallet has changed since."""

    def freeze(self, wallet: Wallet, now: int, entry: AuditEntry) -> Wallet:
        """Freeze a wallet, or finish freezing it. Once this returns, no shard takes a posting."""

    def unfreeze(self, wallet: Wallet, now: int, entry: AuditEntry) -> Wallet:
        """Make a wallet active again."""

    def close(self, wallet: Wallet, now: int, entry: AuditEntry) -> Wallet:
        """Close a wallet. Raises ``purser.errors.WalletNotEmpty``."""


class Books(Protocol):
    """Transactions and entries."""

    def post(self, request: PostingRequest, wallet_changes: Sequence[WalletChange], entry: AuditEntry) -> None:
        """Write a transaction with its audit entry, completely or not at all.

        Raises:
            Refused: the books or a shard refuse it.
            NoSuchCustomer: a wallet that it could leave with a balance belongs to a disconnected customer.
        """

    def recorded(self, transaction_id: str) -> Recorded | None:
        """Return a transaction in the books."""

    def claim(self, request: PostingRequest) -> bool:
        """Assign a request's key to its transaction; return False when the key has made another one."""

    def transactions(self, transaction_ids: Sequence[str]) -> dict[str, Transaction]:
        """Return transactions in the books, by id."""

    def entries(
        self, wallet: Wallet, since: int | None, until: int | None, before: str | None, page_size: int
    ) -> Iterator[tuple[str, Entry]]:
        """Yield a wallet's entries of a span of time (Unix ms, inclusive), newest first, with their positions."""
