"""The contents of a trading account or wallet, with their value and risk. Amounts are exact decimals.

Every figure of a ``Summary`` but its ratios is in USD (``purser.exchanges.valuation.value_usd``). Assets without a
price are left out. Ratios and values are rounded once, to 8 decimals.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from purser.errors import PurserError
from purser.exchanges.model import AccountBalance, AssetBalance, Prices, TradeType
from purser.exchanges.orders import Position
from purser.exchanges.valuation import USD_DECIMALS, value_usd
from purser.ledger.model import Wallet, WalletStatus
from purser.trading_accounts.model import TradingAccount

WALLET_VENUE = "FERMATA"
"""The venue of ledger wallets (contract.md, portfolio)."""

USD = "USD"
ZERO = Decimal(0)

MOST_LEVERAGE = 2**31 - 1
"""The largest integer that published clients read. An account with almost no equity exceeds it."""


@dataclass(frozen=True, slots=True)
class Balance:
    """An amount of an asset. ``locked`` is the part in orders, margin, or a wallet that takes no postings."""

    asset: str
    free: Decimal
    locked: Decimal
    total: Decimal
    is_locked: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a portfolio.

    ``equity``: all balances. ``margin`` and ``margin_requirement``: the initial and the maintenance margin of the open
    positions. ``margin_usage``: margin ÷ equity. ``margin_level``: equity ÷ margin requirement. ``risk_exposure``: the
    value of the positions, long and short added up. ``risk_rate``: risk exposure ÷ equity. A ratio with a divisor of 0
    or less is 0. ``leverage``: the risk rate rounded up to a whole number, 1 without positions, None if unknown or
    more than clients can read.
    """

    equity: Decimal = ZERO
    margin: Decimal = ZERO
    margin_requirement: Decimal = ZERO
    margin_usage: Decimal = ZERO
    margin_level: Decimal = ZERO
    risk_exposure: Decimal = ZERO
    risk_rate: Decimal = ZERO
    leverage: int | None = None


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The contents of one trading account or wallet at ``updated_at`` (Unix ms).

    With an ``error``, what could not be read is empty and does not count in the summary. ``equity`` is the value of all
    balances in USD where the venue says it.
    """

    id: str
    venue: str
    updated_at: int
    balances: tuple[Balance, ...] = ()
    positions: tuple[Position, ...] = ()
    summary: Summary = Summary()
    error: PurserError | None = None
    equity: Decimal | None = None

    @property
    def size(self) -> int:
        """The size of the portfolio as JSON, in bytes, if its amounts have no more than 20 digits."""
        return 1000 + 450 * len(self.balances) + 600 * len(self.positions)

    def narrowed(self, asset: str | None) -> Portfolio:
        """Return only the balance of an asset and the positions in it or quoted in it. The summary stays."""
        if asset is None:
            return self
        return replace(
            self,
            balances=tuple(b for b in self.balances if b.asset == asset),
            positions=tuple(p for p in self.positions if asset in p.symbol.split("/")),
        )


@dataclass(frozen=True, slots=True)
class ExchangeView:
    """The report of the exchange about a trading account."""

    balance: AccountBalance
    positions: tuple[Position, ...] = ()


def of_account(account: TradingAccount, view: ExchangeView, now: int) -> Portfolio:
    """Return the portfolio of a trading account, not yet valued."""
    rows = (Balance(b.asset, b.free, b.used, b.total) for b in view.balance.balances if b.total or b.free or b.used)
    total = view.balance.total_usd
    return Portfolio(account.id, account.venue.value, now, tuple(rows), view.positions, equity=total)


def of_wallet(wallet: Wallet, balances: Mapping[str, Decimal], now: int) -> Portfolio:
    """Return the portfolio of a wallet, not yet valued. All of it is locked unless the wallet is active."""
    moves = wallet.status is WalletStatus.ACTIVE
    rows = (
        Balance(asset, total if moves else ZERO, ZERO if moves else total, total, not moves)
        for asset, total in sorted(balances.items())
    )
    return Portfolio(wallet.id, WALLET_VENUE, now, tuple(rows))


def failed(account: TradingAccount, error: PurserError, now: int) -> Portfolio:
    """Return the portfolio of a trading account that could not be read."""
    return Portfolio(account.id, account.venue.value, now, error=error)


def valued(portfolio: Portfolio, prices: Prices, usdc_usd: Decimal) -> Portfolio:
    """Return a portfolio with its summary."""

    def worth(amounts: Iterable[tuple[str, Decimal]]) -> Decimal:
        return _worth(list(amounts), prices, usdc_usd)

    positions = portfolio.positions
    equity = worth((b.asset, b.total) for b in portfolio.balances)
    if portfolio.equity is not None:
        equity = _rounded(Fraction(portfolio.equity))
    margin = worth((_quote(p), p.initial_margin) for p in positions)
    requirement = worth((_quote(p), p.maintenance_margin) for p in positions)
    exposure = worth((_quote(p), p.notional) for p in positions)
    rate = _ratio(exposure, equity)
    summary = Summary(
        equity=equity,
        margin=margin,
        margin_requirement=requirement,
        margin_usage=_ratio(margin, equity),
        margin_level=_ratio(equity, requirement),
        risk_exposure=exposure,
        risk_rate=rate,
        leverage=_leverage(rate) if positions else 1,
    )
    return replace(portfolio, summary=summary)


def needs_prices(portfolio: Portfolio) -> bool:
    """Return whether valuing a portfolio takes the venue's prices."""
    return any(balance.asset not in (USD, "USDC") for balance in portfolio.balances) or bool(portfolio.positions)


def _quote(position: Position) -> str:
    return position.symbol.partition("/")[2]


def _worth(amounts: list[tuple[str, Decimal]], prices: Prices, usdc_usd: Decimal) -> Decimal:
    dollars = sum((Fraction(amount) for asset, amount in amounts if asset == USD), Fraction(0))
    others = tuple(AssetBalance(asset, amount, ZERO, amount) for asset, amount in amounts if asset != USD)
    rest = value_usd(AccountBalance(TradeType.SPOT, others), prices, usdc_usd).total_usd
    return _rounded(dollars + Fraction(rest))


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    return _rounded(Fraction(part) / Fraction(whole)) if whole > 0 else ZERO


def _leverage(rate: Decimal) -> int | None:
    return math.ceil(rate) if 0 < rate <= MOST_LEVERAGE else None


def _rounded(amount: Fraction) -> Decimal:
    # From text: unlike arithmetic, it is exact whatever the precision of the decimal context.
    return Decimal(f"{round(amount * 10**USD_DECIMALS)}E-{USD_DECIMALS}")
