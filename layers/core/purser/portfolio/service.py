"""The use case of portfolios: read them live, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar

from purser.actor import Actor
from purser.audit.model import Action
from purser.errors import (
    ExchangeError,
    ExchangeUnavailable,
    PurserError,
    TradingAccountForbidden,
    TradingAccountNotFound,
    Unavailable,
    WalletForbidden,
    WalletNotFound,
)
from purser.exchanges.model import Prices, TradeType
from purser.ledger.model import Wallet
from purser.pages import fitting
from purser.portfolio.model import (
    WALLET_VENUE,
    ExchangeView,
    Portfolio,
    failed,
    needs_prices,
    of_account,
    of_wallet,
    valued,
)
from purser.portfolio.ports import Accounts, Exchange, Telemetry, WalletBook
from purser.ports import Access, Audit
from purser.trading_accounts.model import TradingAccount

T = TypeVar("T")

READERS = 8
"""The number of trading accounts that are read at the same time."""


@dataclass(frozen=True, slots=True)
class PortfolioFilter:
    """Selects portfolios. A field that is None does not restrict; ``asset`` restricts the contents of each."""

    id: str | None = None
    venue: str | None = None
    asset: str | None = None

    def admits(self, venue: str) -> bool:
        """Return whether the portfolios of a venue pass the filter."""
        return self.venue in (None, venue)


@dataclass(frozen=True, slots=True)
class Portfolios:
    """A page. ``total`` is None until the end of the list is known."""

    rows: tuple[Portfolio, ...]
    total: int | None
    has_next: bool


@dataclass(frozen=True, slots=True)
class _Selection:
    accounts: tuple[TradingAccount, ...]
    wallets: tuple[Wallet, ...]
    total: int | None = None
    has_next: bool = False


class PortfolioReader:
    """Reads portfolios. ``now`` gives Unix milliseconds; ``patience_s`` limits the wait for an exchange."""

    def __init__(
        self,
        accounts: Accounts,
        access: Access,
        exchange: Exchange,
        wallets: WalletBook,
        telemetry: Telemetry,
        audit: Audit,
        now: Callable[[], int],
        usdc_usd: Decimal,
        patience_s: float,
    ) -> None:
        self._accounts = accounts
        self._access = access
        self._exchange = exchange
        self._wallets = wallets
        self._telemetry = telemetry
        self._audit = audit
        self._now = now
        self._usdc_usd = usdc_usd
        self._patience_s = patience_s

    def page(self, actor: Actor, filters: PortfolioFilter, limit: int, offset: int = 0) -> Portfolios:
        """Return the actor's trading accounts, oldest first, then the actor's wallets, newest first.

        With an id, return only that one (any user's, for an admin). A trading account that cannot be read or valued is
        listed with its error and affects no other. A page of large portfolios may be short and yet have a next one.

        Raises:
            TradingAccountNotFound: no connected trading account or wallet has this id.
            TradingAccountForbidden: it belongs to another user.
        """
        selected = self._one(actor, filters) if filters.id else self._some(actor, filters, limit, offset)
        rows = tuple(row.narrowed(filters.asset) for row in self._read(selected))
        if filters.id:
            return Portfolios(rows[offset : offset + limit], len(rows), has_next=False)
        shown = tuple(fitting(rows, lambda row: row.size))
        return Portfolios(shown, selected.total, selected.has_next or len(shown) < len(rows))

    def _some(self, actor: Actor, filters: PortfolioFilter, limit: int, offset: int) -> _Selection:
        # Not all wallets for an admin, who names those of other users by id.
        owner = Actor(actor.user_id)
        every = [a for a in self._accounts.connected(actor.user_id).accounts if filters.admits(a.venue.value)]
        accounts = tuple(every[offset : offset + limit])
        if not filters.admits(WALLET_VENUE):
            return _Selection(accounts, (), len(every), offset + limit < len(every))
        room, passed = limit - len(accounts), max(0, offset - len(every))
        # One more than there is room for shows whether there are others.
        page = self._wallets.page(owner, limit=room + 1, offset=passed)
        wallets, others = page.rows[:room], len(page.rows) > room or page.position is not None
        total = None if others or (passed and not page.rows) else len(every) + passed + len(wallets)
        return _Selection(accounts, wallets, total, others or offset + limit < len(every))

    def _one(self, actor: Actor, filters: PortfolioFilter) -> _Selection:
        found = self._account(actor, filters.id or "")
        if found is not None:
            return _Selection((found,) if filters.admits(found.venue.value) else (), ())
        try:
            wallet = self._wallets.get(actor, filters.id or "")
        except WalletForbidden:
            raise TradingAccountForbidden from None
        except WalletNotFound:
            raise TradingAccountNotFound(f"Trading account not found: {filters.id}") from None
        return _Selection((), (wallet,) if filters.admits(WALLET_VENUE) else ())

    def _account(self, actor: Actor, trading_account_id: str) -> TradingAccount | None:
        own = self._accounts.get(actor.user_id, trading_account_id)
        if own is not None:
            return own
        owner = self._accounts.owner_of(trading_account_id)
        if owner is None or owner == actor.user_id:
            return None
        if not actor.is_admin:
            raise TradingAccountForbidden
        self._audit.read(actor, Action.TRADING_ACCOUNT_READ, f"tradingAccount/{trading_account_id}", owner)
        return self._accounts.get(owner, trading_account_id)

    def _read(self, selected: _Selection) -> list[Portfolio]:
        pool = ThreadPoolExecutor(READERS + 1)
        try:
            pricing = pool.submit(self._exchange.prices) if selected.accounts else None
            views = {account.id: pool.submit(self._read_account, account) for account in selected.accounts}
            wallets = self._read_wallets(selected.wallets)
            if pricing is None and any(map(needs_prices, wallets)):
                pricing = pool.submit(self._exchange.prices)
            pending: list[Future[Any]] = [*views.values(), *([pricing] if pricing else [])]
            wait(pending, timeout=self._patience_s)
        finally:
            # Requests that are still running are left to end by themselves.
            pool.shutdown(wait=False, cancel_futures=True)
        accounts = [self._outcome(account, views[account.id]) for account in selected.accounts]
        return self._valued([*accounts, *wallets], pricing)

    def _read_wallets(self, wallets: Sequence[Wallet]) -> list[Portfolio]:
        balances: Mapping[str, Mapping[str, Decimal]] = self._wallets.balances_of(wallets) if wallets else {}
        now = self._now()
        return [of_wallet(wallet, balances.get(wallet.id, {}), now) for wallet in wallets]

    def _read_account(self, account: TradingAccount) -> ExchangeView:
        account, credential = self._access.get(account.user_id, account.id)
        with self._access.recording_key_status(account):
            balance = self._exchange.account_balance(credential, account.trade_type)
            if account.trade_type is TradeType.SPOT:
                return ExchangeView(balance)
            return ExchangeView(balance, tuple(self._exchange.positions(credential)))

    def _outcome(self, account: TradingAccount, view: Future[ExchangeView]) -> Portfolio:
        now = self._now()
        try:
            return of_account(account, _result(view), now)
        except ExchangeError as error:
            return failed(account, error, now)
        except Exception as error:
            # One bad account must not break the list.
            self._telemetry.unread(account, error)
            return failed(account, error if isinstance(error, PurserError) else Unavailable(), now)

    def _valued(self, portfolios: list[Portfolio], pricing: Future[Prices] | None) -> list[Portfolio]:
        prices, trouble = Prices({}), None
        try:
            prices = _result(pricing) if pricing else prices
        except ExchangeError as error:
            trouble = error
        return [self._value(portfolio, prices, trouble) for portfolio in portfolios]

    def _value(self, portfolio: Portfolio, prices: Prices, trouble: PurserError | None) -> Portfolio:
        if portfolio.error:
            # Nothing was read, so nothing is known, not even that there are no positions.
            return portfolio
        if trouble and needs_prices(portfolio):
            portfolio = replace(portfolio, error=trouble)
        return valued(portfolio, prices, self._usdc_usd)


def _result(future: Future[T]) -> T:
    if not future.done() or future.cancelled():
        raise ExchangeUnavailable
    return future.result()
