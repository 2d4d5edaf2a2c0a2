"""What wallets and the ledger need of their stores.

Every method raises ``purser.errors.Unavailable`` in an outage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Protocol

from purser.ledger.model import BalanceShard, Entry, PostingRequest, Recorded, Transaction, Wallet, WalletChange


class WalletExists(Exception):
    """The id is taken."""


class StaleWallet(Exception):
    """The wallet has changed since it was read."""


class Refused(Exception):
    """A transaction was not written.

    ``recorded`` is what the books hold under its id; ``claimed_id`` the transaction that its key made before;
    ``shards`` has the shard of each wallet that did not take it, as it was found, None where there was none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.recorded: Recorded | None = None
        self.claimed_id: str | None = None
        self.shards: dict[str, BalanceShard | None] = {}


class WalletStore(Protocol):
    """Wallets and their shards.

    ``freeze``, ``unfreeze`` and ``close`` return the changed wallet, or raise ``StaleWallet`` when it has changed
    since it was read.
    """

    def create(self, wallet: Wallet) -> None:
        """Writes a new wallet. Raises ``WalletExists``."""

    def get(self, wallet_id: str) -> Wallet | None:
        """A wallet, in one read."""

    def find(self, wallet_ids: Sequence[str]) -> dict[str, Wallet]:
        """Those of the wallets that exist, in one read."""

    def listed(self, owner_id: str | None, before: str | None, page_size: int) -> Iterator[tuple[str, Wallet]]:
        """Wallets of an owner (None: all), newest first, each with its position in the list."""

    def of_account(self, account_id: str) -> Iterator[Wallet]:
        """The wallets of a customer account."""

    def balances(self, wallet: Wallet) -> dict[str, Decimal]:
        """What a wallet holds of each asset that it ever held."""

    def balances_of(self, wallets: Sequence[Wallet]) -> dict[str, dict[str, Decimal]]:
        """The balances of many wallets, by wallet."""

    def enter(self, wallet_id: str, shard: str) -> Wallet | None:
        """Copy the state of a sharded wallet to a shard, which is made if it is new, and return the wallet."""

    def cancel_closing(self, wallet: Wallet) -> None:
        """Cancel a closing that was never finished, unless the wallet changed in the meantime."""

    def freeze(self, wallet: Wallet, now: int) -> Wallet:
        """Freezes: when it answers, no shard takes a posting."""

    def unfreeze(self, wallet: Wallet, now: int) -> Wallet:
        """Makes active again."""

    def close(self, wallet: Wallet, now: int) -> Wallet:
        """Closes. Raises ``purser.errors.WalletNotEmpty``."""


class Books(Protocol):
    """Transactions and entries."""

    def post(self, request: PostingRequest, wallet_changes: Sequence[WalletChange]) -> None:
        """Writes a transaction whole, or nothing. Raises ``Refused``."""

    def recorded(self, transaction_id: str) -> Recorded | None:
        """A transaction in the books."""

    def claim(self, request: PostingRequest) -> bool:
        """Gives a request's key to its transaction; False when the key made another one."""

    def transactions(self, transaction_ids: Sequence[str]) -> dict[str, Transaction]:
        """Transactions in the books."""

    def entries(
        self, wallet: Wallet, since: int | None, until: int | None, before: str | None, page_size: int
    ) -> Iterator[tuple[str, Entry]]:
        """A wallet's entries of a span of time (Unix ms, inclusive), newest first, each with its position."""
