"""Trading accounts and their rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from purser.actor import Actor
from purser.credentials.model import SealedCredential
from purser.disconnecting.model import Cancellation
from purser.errors import AlreadyConnected, BalanceLimitExceeded, KeyLimitExceeded
from purser.exchanges.model import ACCOUNT_TYPES, AccountType, TradeType, Venue
from purser.operations.model import OperationStatus, OperationType, operation
from purser.plans.model import Plan
from purser.work.model import FIRST_MESSAGE_MS


class StrategyType(StrEnum):
    """The way a trading account is traded: by hand, or by strategies that it follows."""

    AUTOMATED = "AUTOMATED"
    MANUAL = "MANUAL"


class ApiKeyStatus(StrEnum):
    """The last answer of the exchange to the credential: accepted, refused for good, or none (an outage)."""

    AUTHORIZED = "AUTHORIZED"
    UNAUTHORIZED = "UNAUTHORIZED"
    FAILED = "FAILED"


class AccountStatus(StrEnum):
    """The status of a trading account on the desk. NEW, CREATED and LOCKED are documented but never occur."""

    NEW = "NEW"
    CREATED = "CREATED"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    LOCKED = "LOCKED"
    DISCONNECTED = "DISCONNECTED"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class AccountValuation:
    """The value of a trading account in USD at an instant (Unix ms)."""

    total_usd: Decimal
    taken_at: int


@dataclass(frozen=True, slots=True)
class AccountRef:
    """The ids that find a trading account."""

    user_id: str
    id: str


@dataclass(frozen=True, slots=True)
class TradingLimits:
    """The limits that a user sets for the strategies of a trading account. None is no limit.

    ``max_daily_loss_percent`` is of the equity, and a day is one in the user's time zone.
    """

    max_daily_loss_percent: Decimal | None = None
    max_open_trades: int | None = None


@dataclass(frozen=True, slots=True)
class TradingAccount:
    """A user's connection to a venue with one credential and trade type. Times are Unix milliseconds.

    ``active`` is False when the user has disabled the account, the exchange has refused its credential, or the plan has
    no room for it. In the last case it is ``suspended``, and the plan may resume it (``purser.enforcement``). Each
    change makes a new ``version``.

    ``validations`` counts how often the exchange has accepted its credential because the user enabled it or rotated
    the credential. ``refused_at`` is the first of its ambiguous refusals since the exchange accepted it. An account
    that ``resumes`` was active until its credential was refused, and is active again when it is accepted.
    """

    id: str
    user_id: str
    venue: Venue
    trade_type: TradeType
    strategy_type: StrategyType
    name: str
    active: bool
    api_key_status: ApiKeyStatus
    api_key: str
    credential_id: str
    created_at: int
    updated_at: int
    valuation: AccountValuation | None = None
    suspended: bool = False
    customer_id: str | None = None
    disconnected_at: int | None = None
    version: int = 1
    validations: int = 0
    refused_at: int | None = None
    resumes: bool = False
    limits: TradingLimits = TradingLimits()

    @property
    def account_type(self) -> AccountType:
        """The desk's word for the trade type."""
        return ACCOUNT_TYPES[self.trade_type]

    @property
    def status(self) -> AccountStatus:
        """The contract's status. UNAVAILABLE means that the exchange refuses the key."""
        return status_of(self.disconnected_at is not None, self.api_key_status, self.active)


def status_of(is_disconnected: bool, api_key_status: ApiKeyStatus, is_active: bool) -> AccountStatus:
    """Return the contract's status of an account."""
    if is_disconnected:
        return AccountStatus.DISCONNECTED
    if api_key_status is ApiKeyStatus.UNAUTHORIZED:
        return AccountStatus.UNAVAILABLE
    return AccountStatus.ACTIVE if is_active else AccountStatus.INACTIVE


@dataclass(frozen=True, slots=True)
class ConnectedAccounts:
    """All connected trading accounts of a user. Each change of the set makes a new ``version``."""

    version: int
    accounts: tuple[TradingAccount, ...]

    def find(self, trading_account_id: str) -> TradingAccount | None:
        """Return the account with an id, or None."""
        return next((account for account in self.accounts if account.id == trading_account_id), None)

    def total_usd(self, *, without: str | None = None) -> Decimal:
        """Return the value of all accounts (``without`` one) by their latest valuations, in USD."""
        return total_usd(account for account in self.accounts if account.id != without)

    def valued(self, valuations: Mapping[str, AccountValuation]) -> ConnectedAccounts:
        """Return the accounts with newer valuations, given by account id."""
        newer = (replace(account, valuation=valuations.get(account.id, account.valuation)) for account in self.accounts)
        return ConnectedAccounts(self.version, tuple(newer))

    def check_room(self, plan: Plan | None, *, joining: int, most: int | None = None) -> None:
        """Check the plan's number of keys, and the user's quota ``most``. Every connected account counts.

        Raises:
            KeyLimitExceeded: ``joining`` more would be too many, or there is no plan.
        """
        count = len(self.accounts) + joining
        if plan is None or count > plan.max_api_key or (most is not None and count > most):
            raise KeyLimitExceeded

    def check_balance(self, plan: Plan | None, trading_account_id: str, valuation: AccountValuation) -> None:
        """Check the plan's balance with a new valuation of one account.

        Raises:
            BalanceLimitExceeded: all accounts together would be worth more than the plan allows.
        """
        total = self.total_usd(without=trading_account_id) + valuation.total_usd
        if plan is None or total > plan.max_balance_usd:
            raise BalanceLimitExceeded

    def check_new(self, venue: Venue, api_key: str, trade_type: TradeType) -> None:
        """Raise ``AlreadyConnected`` if the API key is connected for the same trade type."""
        wanted = (venue, api_key, trade_type)
        if any((a.venue, a.api_key, a.trade_type) == wanted for a in self.accounts):
            raise AlreadyConnected


class StaleAccounts(Exception):
    """The user's set of trading accounts has changed since it was read."""


class CustomerNotActive(Exception):
    """The user has no such customer, or it is disconnected."""


def total_usd(accounts: Iterable[TradingAccount]) -> Decimal:
    """Return the sum of the latest valuations in USD. Accounts without one count nothing."""
    return sum((account.valuation.total_usd for account in accounts if account.valuation), Decimal(0))


def cancellation_for(account: TradingAccount, credential: SealedCredential, now: int, by: Actor) -> Cancellation:
    """Return the cancellation for an account that is disconnected now (Unix ms), with its audit entry."""
    audit_entry = operation(OperationType.DISCONNECT, account.user_id, account.id, by, now, OperationStatus.PENDING)
    return Cancellation(account.id, account.trade_type, credential, now, audit_entry, due_at=now + FIRST_MESSAGE_MS)
