"""The ports of portfolios. Every method may raise ``purser.errors.Unavailable``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from purser.actor import Actor
from purser.exchanges.model import AccountBalance, ApiCredential, Prices, TradeType
from purser.exchanges.orders import Position
from purser.ledger.model import Wallet
from purser.pages import Page
from purser.trading_accounts.model import ConnectedAccounts, TradingAccount


class Accounts(Protocol):
    """The store of trading accounts."""

    def connected(self, user_id: str) -> ConnectedAccounts:
        """Return the user's connected trading accounts, oldest first."""

    def get(self, user_id: str, trading_account_id: str) -> TradingAccount | None:
        """Return one of the user's connected trading accounts."""

    def owner_of(self, trading_account_id: str) -> str | None:
        """Return the user who has connected a trading account, or None."""


class Exchange(Protocol):
    """One venue. ``purser.exchanges.port.ExchangeGateway`` documents the errors."""

    def prices(self) -> Prices:
        """Return the last prices of all spot markets that trade."""

    def account_balance(self, credential: ApiCredential, trade_type: TradeType) -> AccountBalance:
        """Return the balance of a key's account."""

    def positions(self, credential: ApiCredential) -> Sequence[Position]:
        """Return all open futures positions of a key's account."""


class WalletBook(Protocol):
    """Wallets and their balances."""

    def page(self, actor: Actor, *, limit: int, offset: int = 0) -> Page[Wallet]:
        """Return the actor's wallets, newest first."""

    def get(self, actor: Actor, wallet_id: str) -> Wallet:
        """Return a wallet. Raises ``purser.errors.WalletNotFound`` and ``purser.errors.WalletForbidden``."""

    def balances_of(self, wallets: Sequence[Wallet]) -> Mapping[str, Mapping[str, Decimal]]:
        """Return the balances of wallets, by wallet id."""


class Telemetry(Protocol):
    """Telemetry for operators."""

    def unread(self, account: TradingAccount, error: Exception) -> None:
        """A trading account could not be read, for a reason other than the exchange."""
