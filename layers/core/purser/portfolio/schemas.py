"""Portfolios on the desk API (contract.md, "portfolio"). Amounts are decimal strings without an exponent."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field, PlainSerializer, WithJsonSchema

from purser import errors as e
from purser.decimals import plain
from purser.exchanges.orders import Position
from purser.http import desk
from purser.http.desk import Trouble
from purser.http.wire import Instant
from purser.portfolio.model import Balance, Portfolio, Summary

AMOUNT = WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?$"})
Amount = Annotated[Decimal, PlainSerializer(plain, return_type=str), AMOUNT]

CURRENCIES = frozenset({
    "AED", "ARS", "AUD", "BRL", "CAD", "CHF", "CNY", "COP", "CZK", "DKK", "EUR", "GBP", "HKD", "IDR", "ILS", "INR",
    "JPY", "KRW", "MXN", "MYR", "NGN", "NOK", "NZD", "PHP", "PLN", "RON", "RUB", "SAR", "SEK", "SGD", "THB", "TRY",
    "TWD", "UAH", "USD", "VND", "ZAR",
})  # fmt: skip
"""ISO 4217 codes of the currencies that venues or wallets have. All other assets are CRYPTO."""


class BalanceAnswer(BaseModel):
    """The balance of one asset. ``net`` is ``total`` less ``borrowed``; nothing is ever borrowed."""

    securitySymbol: str
    securityType: Literal["CRYPTO", "CURRENCY"]
    tradingAccountId: str
    status: Literal["ACTIVE", "LOCKED"]
    free: Amount
    locked: Amount
    borrowed: Amount
    total: Amount
    net: Amount
    updatedAt: int
    updatedAtDateTime: Instant


class PositionAnswer(BaseModel):
    """An open position. Venues report only its last change, so both times are that."""

    positionId: str
    securitySymbol: str
    tradingAccountId: str
    instrumentId: str
    securityType: Literal["PERPETUAL"] = "PERPETUAL"
    status: Literal["OPEN"] = "OPEN"
    positionSide: Literal["LONG", "SHORT"]
    quantity: Amount
    entryPrice: Amount
    currentPrice: Amount
    unrealizedPnl: Amount
    createdAt: int
    createdAtDateTime: Instant
    updatedAt: int
    updatedAtDateTime: Instant


class SummaryAnswer(BaseModel):
    """The figures in USD, which ``purser.portfolio.model.Summary`` defines."""

    tradingAccountId: str
    currency: Literal["USD"] = "USD"
    leverage: int | None
    equity: Amount
    margin: Amount
    marginLoan: Amount
    marginUsage: Amount
    marginRequirement: Amount
    marginLevel: Amount
    credit: Amount
    riskExposure: Amount
    maxRiskExposure: Amount
    riskExposureRate: Amount


class PortfolioAnswer(BaseModel):
    """A portfolio. With an ``error``, what could not be read is empty or 0."""

    tradingAccountId: str
    venue: str
    positions: list[PositionAnswer]
    balances: list[BalanceAnswer]
    summary: SummaryAnswer
    error: Trouble | None
    updatedAt: int = Field(ge=0)
    updatedAtDateTime: Instant


def portfolio_answer(portfolio: Portfolio) -> PortfolioAnswer:
    """Return a portfolio on the wire."""
    return PortfolioAnswer(
        tradingAccountId=portfolio.id,
        venue=portfolio.venue,
        positions=[_position(portfolio, position) for position in portfolio.positions],
        balances=[_balance(portfolio, balance) for balance in portfolio.balances],
        summary=_summary(portfolio.id, portfolio.summary),
        error=_trouble(portfolio.error) if portfolio.error else None,
        updatedAt=portfolio.updated_at,
        updatedAtDateTime=portfolio.updated_at,
    )


def _balance(portfolio: Portfolio, balance: Balance) -> BalanceAnswer:
    return BalanceAnswer(
        securitySymbol=balance.asset,
        securityType="CURRENCY" if balance.asset in CURRENCIES else "CRYPTO",
        tradingAccountId=portfolio.id,
        status="LOCKED" if balance.is_locked else "ACTIVE",
        free=balance.free,
        locked=balance.locked,
        borrowed=Decimal(0),
        total=balance.total,
        net=balance.total,
        updatedAt=portfolio.updated_at,
        updatedAtDateTime=portfolio.updated_at,
    )


def _position(portfolio: Portfolio, position: Position) -> PositionAnswer:
    return PositionAnswer(
        positionId=str(uuid.uuid5(uuid.UUID(portfolio.id), f"{position.symbol} {position.side}")),
        securitySymbol=position.symbol,
        tradingAccountId=portfolio.id,
        instrumentId=f"{portfolio.venue}:{position.symbol}",
        positionSide="LONG" if position.side == "long" else "SHORT",
        quantity=position.contracts,
        entryPrice=position.entry_price,
        currentPrice=position.mark_price,
        unrealizedPnl=position.unrealized_pnl,
        createdAt=position.timestamp,
        createdAtDateTime=position.timestamp,
        updatedAt=position.timestamp,
        updatedAtDateTime=position.timestamp,
    )


def _summary(portfolio_id: str, summary: Summary) -> SummaryAnswer:
    return SummaryAnswer(
        tradingAccountId=portfolio_id,
        leverage=summary.leverage,
        equity=summary.equity,
        margin=summary.margin,
        marginLoan=Decimal(0),
        marginUsage=summary.margin_usage,
        marginRequirement=summary.margin_requirement,
        marginLevel=summary.margin_level,
        credit=Decimal(0),
        riskExposure=summary.risk_exposure,
        maxRiskExposure=Decimal(0),
        riskExposureRate=summary.risk_rate,
    )


def _trouble(error: e.PurserError) -> Trouble:
    """Return what the caller may know of an error: an exchange's message, but none of Purser's own."""
    if isinstance(error, e.ExchangeRateLimited):
        return Trouble(errno=-190429, error=str(error))
    if isinstance(error, e.ExchangeError):
        return Trouble(errno=-120005, error=str(error))
    if isinstance(error, e.NotFound):
        return Trouble(errno=-120002, error=e.TradingAccountNotFound.default)
    if isinstance(error, e.StoredDataRefused):
        return Trouble(errno=desk.INTERNAL, error=str(error))
    return Trouble(errno=desk.INTERNAL, error=e.Unavailable.default)
