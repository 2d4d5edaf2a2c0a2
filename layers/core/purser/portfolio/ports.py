"""What portfolios need of others. Every method may raise ``purser.errors.Unavailable``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Protocol

from purser.actor import Actor
from purser.exchanges.model import AccountBalance, ApiCredential, Prices, TradeType
from purser.exchanges.orders import Position
from purser.ledger.model import Wallet
from purser.ledger.pages import Page
from purser.trading_accounts.model import ConnectedAccounts, TradingAccount


class Accounts(Protocol):
    """Where trading accounts are kept."""

    def connected(self, user_id: str) -> ConnectedAccounts:
        """The user's connected trading accounts, oldest first."""

    def get(self, user_id: str, trading_account_id: str) -> TradingAccount | None:
        """One of the user's connected trading accounts."""

    def owner_of(self, trading_account_id: str) -> str | None:
        """The user who has connected a trading account; None when nobody has (any more)."""


class Access(Protocol):
    """Trading accounts, opened."""

    def get(self, user_id: str, trading_account_id: str) -> tuple[TradingAccount, ApiCredential]:
        """One of the user's trading accounts with its credential. Raises ``purser.errors.NotFound``."""

    def recording_key_status(self, account: TradingAccount) -> AbstractContextManager[None]:
        """Notes on the account how the exchange meets its credential in the block."""


class Exchange(Protocol):
    """One venue. See ``purser.exchanges.port.ExchangeGateway`` for what every method may raise."""

    def prices(self) -> Prices:
        """The last prices of all spot markets."""

    def account_balance(self, credential: ApiCredential, trade_type: TradeType) -> AccountBalance:
        """What the account of a key holds."""

    def positions(self, credential: ApiCredential) -> Sequence[Position]:
        """All open futures positions of a key's account."""


class WalletBook(Protocol):
    """Wallets, and what they hold."""

    def page(self, actor: Actor, *, limit: int, offset: int = 0) -> Page[Wallet]:
        """Wallets of the actor's, newest first."""

    def get(self, actor: Actor, wallet_id: str) -> Wallet:
        """A wallet. Raises ``purser.errors.WalletNotFound``, ``purser.errors.WalletForbidden``."""

    def balances_of(self, wallets: Sequence[Wallet]) -> Mapping[str, Mapping[str, Decimal]]:
        """What wallets hold, by wallet."""


class Telemetry(Protocol):
    """What operators see."""

    def unread(self, account: TradingAccount, error: Exception) -> None:
        """A trading account could not be read, and not because of the exchange."""
