"""Trading accounts, their credentials, and the rules that need no outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from purser.actor import Actor
from purser.credentials.model import SealedCredential
from purser.disconnecting.model import PATIENCE_MS, Cancellation
from purser.errors import AlreadyConnected, BalanceLimitExceeded, KeyLimitExceeded
from purser.exchanges.model import TradeType, Venue
from purser.operations.model import OperationStatus, OperationType, operation
from purser.plans.model import Plan


class StrategyType(StrEnum):
    """Whether a trading account trades by hand or follows strategies."""

    AUTOMATED = "AUTOMATED"
    MANUAL = "MANUAL"


class ApiKeyStatus(StrEnum):
    """How the exchange met the credential last: accepted, refused for good, or not at all (an outage)."""

    AUTHORIZED = "AUTHORIZED"
    UNAUTHORIZED = "UNAUTHORIZED"
    FAILED = "FAILED"


class AccountStatus(StrEnum):
    """How the desk sees a trading account. NEW, CREATED and LOCKED are of its published list, and never occur."""

    NEW = "NEW"
    CREATED = "CREATED"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    LOCKED = "LOCKED"
    DISCONNECTED = "DISCONNECTED"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class AccountValuation:
    """What a trading account was worth: USD at an instant (Unix ms)."""

    total_usd: Decimal
    taken_at: int


@dataclass(frozen=True, slots=True)
class AccountRef:
    """Which trading account: all that is needed to find one."""

    user_id: str
    id: str


@dataclass(frozen=True, slots=True)
class TradingAccount:
    """One connection to one venue with one credential. Times are Unix milliseconds.

    ``active`` is False when its user disabled it, the exchange refused its credential, or the plan has no room for it:
    then, and only then, it is ``suspended``, and the plan may bring it back (``purser.enforcement``). Some belong to a
    customer, ``customer_id``. Once it is disconnected it has ``disconnected_at``. Each change makes a new ``version``.
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

    @property
    def status(self) -> AccountStatus:
        """The contract's: UNAVAILABLE while the exchange refuses the key, else whether its user wants it in use."""
        if self.disconnected_at is not None:
            return AccountStatus.DISCONNECTED
        if self.api_key_status is ApiKeyStatus.UNAUTHORIZED:
            return AccountStatus.UNAVAILABLE
        return AccountStatus.ACTIVE if self.active else AccountStatus.INACTIVE


@dataclass(frozen=True, slots=True)
class ConnectedAccounts:
    """All connected trading accounts of a user, as of one ``version``: each change of the set makes a new one."""

    version: int
    accounts: tuple[TradingAccount, ...]

    def find(self, trading_account_id: str) -> TradingAccount | None:
        """The account of an id, or None."""
        return next((account for account in self.accounts if account.id == trading_account_id), None)

    def total_usd(self, *, without: str | None = None) -> Decimal:
        """What all accounts are worth by their latest valuations, in USD; one may be left out."""
        return total_usd(account for account in self.accounts if account.id != without)

    def valued(self, valuations: Mapping[str, AccountValuation]) -> ConnectedAccounts:
        """The same accounts with newer valuations, by the accounts' ids."""
        newer = (replace(account, valuation=valuations.get(account.id, account.valuation)) for account in self.accounts)
        return ConnectedAccounts(self.version, tuple(newer))

    def check_room(self, plan: Plan | None, *, joining: int) -> None:
        """Checks the plan's number of keys; every connected one counts, active or not.

        Raises:
            KeyLimitExceeded: with ``joining`` more there would be too many, or there is no plan.
        """
        if plan is None or len(self.accounts) + joining > plan.max_api_key:
            raise KeyLimitExceeded

    def check_balance(self, plan: Plan | None, trading_account_id: str, valuation: AccountValuation) -> None:
        """Checks the plan's balance with a new valuation of one account.

        Raises:
            BalanceLimitExceeded: all accounts together would be worth more than the plan allows.
        """
        total = self.total_usd(without=trading_account_id) + valuation.total_usd
        if plan is None or total > plan.max_balance_usd:
            raise BalanceLimitExceeded

    def check_new(self, venue: Venue, api_key: str, trade_type: TradeType) -> None:
        """Checks that the user has not connected the same API key for the same trade type.

        Raises:
            AlreadyConnected: it is connected.
        """
        wanted = (venue, api_key, trade_type)
        if any((a.venue, a.api_key, a.trade_type) == wanted for a in self.accounts):
            raise AlreadyConnected


class StaleAccounts(Exception):
    """The user's set of trading accounts has changed since it was read."""


class CustomerNotActive(Exception):
    """The customer that an account is to belong to is none of its user's, or is disconnected."""


def total_usd(accounts: Iterable[TradingAccount]) -> Decimal:
    """The sum of the latest valuations in USD; an account without one counts nothing."""
    return sum((account.valuation.total_usd for account in accounts if account.valuation), Decimal(0))


def cancellation_for(account: TradingAccount, credential: SealedCredential, now: int, by: Actor) -> Cancellation:
    """Return the cancellation for an account that is disconnected now (Unix ms), with its audit entry."""
    audit_entry = operation(OperationType.DISCONNECT, account.user_id, account.id, by, now, OperationStatus.PENDING)
    return Cancellation(account.id, account.trade_type, credential, now, audit_entry, due_at=now + PATIENCE_MS)
