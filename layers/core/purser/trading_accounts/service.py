"""The use cases of trading accounts: connect, rename, enable, disable, read, disconnect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

from purser.actor import SYSTEM, Actor
from purser.audit.model import Action, AuditEntry, audit_entry
from purser.credentials.model import SealedCredential, StaleCredential, sealing_context
from purser.disconnecting.model import Cancellation, StillCancelling
from purser.disconnecting.service import Cancellations
from purser.errors import AlreadyConnected, Contended, FieldError, IdempotencyKeyReused, InvalidInput, NotFound, found
from purser.exchanges.model import AccountBalance, ApiCredential, TradeType, Venue
from purser.exchanges.port import ExchangeGateway
from purser.operations.model import Operation, OperationType, operation
from purser.plans.model import Plans
from purser.ports import Vault
from purser.retrying import until_fresh_from
from purser.trading_accounts.key_status import AccountAccess, Accounts
from purser.trading_accounts.key_validator import KeyValidator
from purser.trading_accounts.model import (
    AccountValuation,
    ApiKeyStatus,
    ConnectedAccounts,
    CustomerNotActive,
    StaleAccounts,
    StrategyType,
    TradingAccount,
    cancellation_for,
    total_usd,
)

NO_CUSTOMER = FieldError(("accountID",), "must be an active account of the trading account's owner")


class TradingAccountStore(Accounts, Protocol):
    """The store of trading accounts. Every method may raise ``purser.errors.Unavailable``.

    A change and its ``operation`` are one write.
    """

    def connected(self, user_id: str) -> ConnectedAccounts:
        """Return the user's connected trading accounts, oldest first."""

    def get(self, user_id: str, trading_account_id: str) -> TradingAccount | None:
        """Return one of the user's connected trading accounts."""

    def known(self, user_id: str, trading_account_id: str) -> TradingAccount | None:
        """Return one of the user's trading accounts, connected or disconnected."""

    def is_claimed(self, user_id: str, venue: Venue, api_key: str, trade_type: TradeType) -> bool:
        """Return whether another user has connected the API key, or this one for this trade type."""

    def connect(
        self,
        account: TradingAccount,
        credential: SealedCredential,
        version: int,
        operation: Operation | None = None,
        *,
        stored: bool = False,
    ) -> None:
        """Store a new trading account, its credential and its claim on the API key, all or nothing.

        ``stored`` says that the credential exists already.

        Raises:
            StaleAccounts: the user's set is no longer at ``version``.
            StaleCredential: the credential has changed since it was read.
            CustomerNotActive: the user has no such customer, or it is disconnected.
            AlreadyConnected: the API key is claimed.
            IdempotencyKeyReused: an account with that id has been disconnected.
            StillCancelling: orders of the API key are still being cancelled, for a disconnected account.
        """

    def rename(
        self, user_id: str, trading_account_id: str, name: str, now: int, operation: Operation | None = None
    ) -> TradingAccount | None:
        """Rename an account; return None when there is no such account."""

    def limit(
        self,
        user_id: str,
        trading_account_id: str,
        limits: Mapping[str, Any],
        now: int,
        operation: Operation | None = None,
    ) -> TradingAccount | None:
        """Change limits, given by field of ``TradingLimits``; None removes one. Return None for no such account."""

    def activate(
        self,
        account: TradingAccount,
        valuation: AccountValuation,
        now: int,
        version: int,
        operation: Operation | None = None,
    ) -> TradingAccount | None:
        """Make an account active and its key AUTHORIZED; return None when there is no such account any more.

        Raises:
            StaleAccounts: the user's set is no longer at ``version``.
        """

    def disconnect(
        self, account: TradingAccount, cancellation: Cancellation, now: int, entry: AuditEntry | None = None
    ) -> bool:
        """Disconnect an account in its current state, and move its current credential to ``cancellation``.

        An audit entry is written with it. Return False when it is already disconnected.
        """


class Backfills(Protocol):
    """Fetches the days before an account was connected."""

    def begin(self, trading_account_id: str) -> None:
        """Begin the backfill that was stored with the account. Raises nothing."""


@dataclass(frozen=True, slots=True)
class NewConnection:
    """The trading account that a request asks to connect.

    Without a ``stored_credential``, the API key becomes a credential with the account's id.
    """

    id: str
    user_id: str
    venue: Venue
    trade_type: TradeType
    strategy_type: StrategyType
    name: str
    api_key: str
    secret: str = field(repr=False)
    active: bool = True
    stored_credential: SealedCredential | None = None
    customer_id: str | None = None

    def earlier_attempt(self, known: ConnectedAccounts) -> TradingAccount | None:
        """Return the account that an earlier try has connected under this id.

        Raises:
            IdempotencyKeyReused: the id belongs to another request.
        """
        account = known.find(self.id)
        if account is None:
            return None
        request = (self.venue, self.api_key, self.trade_type, self.strategy_type)
        if (account.venue, account.api_key, account.trade_type, account.strategy_type) != request:
            raise IdempotencyKeyReused
        return account


class TradingAccounts:
    """The use cases. ``now`` gives Unix milliseconds, ``usdc_usd`` the value of one USDC in USD."""

    def __init__(
        self,
        store: TradingAccountStore,
        vault: Vault,
        gateway: ExchangeGateway,
        plans: Plans,
        cancellations: Cancellations,
        backfills: Backfills,
        now: Callable[[], int],
        usdc_usd: Decimal,
    ) -> None:
        self._store = store
        self._vault = vault
        self._gateway = gateway
        self._key_validator = KeyValidator(gateway, now, usdc_usd)
        self._plans = plans
        self._cancellations = cancellations
        self._backfills = backfills
        self._now = now
        self._access = AccountAccess(store, vault, now)

    def of(self, user_id: str) -> tuple[TradingAccount, ...]:
        """Return the user's connected trading accounts, oldest first."""
        return self._store.connected(user_id).accounts

    def known(self, user_id: str, trading_account_id: str) -> TradingAccount:
        """Return one of the user's trading accounts, connected or disconnected.

        Raises:
            NotFound: the user has and had no such account.
        """
        return found(self._store.known(user_id, trading_account_id))

    def total_usd(self, user_id: str) -> Decimal:
        """Return the value of the user's active accounts by their latest valuations, in USD."""
        return total_usd(account for account in self.of(user_id) if account.active)

    def connect(self, new: NewConnection, by: Actor = SYSTEM, *, most: int | None = None) -> TradingAccount:
        """Connect a trading account, or return it if it was connected before under the same id.

        The user may have ``most`` accounts, whatever the plan says.

        The contract ("Create key") defines the checks and their order. A refusal leaves nothing behind. Orders that are
        still to be cancelled for an earlier connection of the key are cancelled first (``purser.disconnecting``).

        Raises:
            IdempotencyKeyReused: the id belongs to another connection, or to a disconnected account.
            KeyLimitExceeded: the plan or the quota has no room.
            AlreadyConnected: the API key is connected already.
            ExchangeAuthorizationFailed: the exchange refuses the key.
            WithdrawalsAllowed: the key may withdraw.
            BalanceLimitExceeded: with it, the accounts are worth more than the plan allows.
            InvalidInput: the user has no such active customer.
            ExchangeError: the exchange refuses or fails otherwise.
            Contended: too many changes at once, or the key's orders are being cancelled at this moment.
            Unavailable: a part of Purser is down.
        """
        known = self._store.connected(new.user_id)
        if connected_before := new.earlier_attempt(known):
            return connected_before
        known.check_room(self._plans.plan_of(new.user_id), joining=1, most=most)
        if self._store.is_claimed(new.user_id, new.venue, new.api_key, new.trade_type):
            raise AlreadyConnected
        own = ApiCredential(new.api_key, new.secret, new.user_id, new.id)
        valuation = self._key_validator.validate(own, new.trade_type)
        account, credential = self._prepare(new, valuation)
        audit_entry = operation(OperationType.CONNECT, new.user_id, new.id, by, account.created_at)

        def attempt(fresh: ConnectedAccounts) -> TradingAccount:
            if connected_before := new.earlier_attempt(fresh):
                return connected_before
            # Read after the set, which a plan that ends meanwhile makes stale (``purser.enforcement``).
            plan = self._plans.plan_of(new.user_id)
            fresh.check_room(plan, joining=1, most=most)
            fresh.check_new(new.venue, new.api_key, new.trade_type)
            fresh.check_balance(plan, new.id, valuation)
            try:
                self._store.connect(
                    account, credential, fresh.version, audit_entry, stored=new.stored_credential is not None
                )
            except StillCancelling as waiting:
                self._cancellations.finish(waiting.trading_account_id)
                raise StaleAccounts from None
            except StaleCredential:
                # The exchange has checked the former credential. The caller may try again with the new one.
                raise Contended from None
            except CustomerNotActive:
                raise InvalidInput([NO_CUSTOMER]) from None
            return account

        connected = until_fresh_from(known, attempt, partial(self._store.connected, new.user_id), stale=StaleAccounts)
        self._backfills.begin(connected.id)
        return connected

    def _prepare(self, new: NewConnection, valuation: AccountValuation) -> tuple[TradingAccount, SealedCredential]:
        now = self._now()
        credential = new.stored_credential or self._sealed(new, now)
        account = TradingAccount(
            id=new.id,
            user_id=new.user_id,
            venue=new.venue,
            trade_type=new.trade_type,
            strategy_type=new.strategy_type,
            name=new.name,
            active=new.active,
            api_key_status=ApiKeyStatus.AUTHORIZED,
            api_key=new.api_key,
            credential_id=credential.id,
            created_at=now,
            updated_at=now,
            valuation=valuation,
            customer_id=new.customer_id,
        )
        return account, credential

    def _sealed(self, new: NewConnection, now: int) -> SealedCredential:
        ciphertext = self._vault.encrypt(new.secret, sealing_context(new.user_id, new.id))
        return SealedCredential(new.id, new.user_id, new.venue, new.api_key, ciphertext, now, version=now)

    def update(
        self,
        user_id: str,
        trading_account_id: str,
        *,
        name: str | None = None,
        active: bool | None = None,
        limits: Mapping[str, Any] | None = None,
        by: Actor = SYSTEM,
    ) -> TradingAccount:
        """Change the given properties of an account, and return it. Limits are given by field; None removes one.

        Enabling checks the key and the plan's limits again. It goes first, so that a refusal changes nothing.

        Raises:
            NotFound: the user has no such account.
            As ``connect``: enabling was refused.
        """
        account: TradingAccount | None = found(self._store.get(user_id, trading_account_id))
        now = self._now()
        if active is True:
            account = self._enable(user_id, trading_account_id, by)
        if active is False:
            audit_entry = operation(OperationType.DISABLE, user_id, trading_account_id, by, now)
            account = self._store.disable(user_id, trading_account_id, now, audit_entry)
        if name is not None:
            audit_entry = operation(OperationType.UPDATE, user_id, trading_account_id, by, now)
            account = self._store.rename(user_id, trading_account_id, name, now, audit_entry)
        if limits:
            audit_entry = operation(OperationType.UPDATE, user_id, trading_account_id, by, now)
            account = self._store.limit(user_id, trading_account_id, limits, now, audit_entry)
        return found(account)

    def _enable(self, user_id: str, trading_account_id: str, by: Actor) -> TradingAccount | None:
        known = self._store.connected(user_id)
        known.check_room(self._plans.plan_of(user_id), joining=0)
        account, credential = self._access.get(user_id, trading_account_id)
        with self._access.recording_key_status(account):
            valuation = self._key_validator.validate(credential, account.trade_type)

        def attempt(fresh: ConnectedAccounts) -> TradingAccount | None:
            plan = self._plans.plan_of(user_id)
            fresh.check_room(plan, joining=0)
            fresh.check_balance(plan, trading_account_id, valuation)
            now = self._now()
            audit_entry = operation(OperationType.ENABLE, user_id, trading_account_id, by, now)
            return self._store.activate(account, valuation, now, fresh.version, audit_entry)

        return until_fresh_from(known, attempt, partial(self._store.connected, user_id), stale=StaleAccounts)

    def balance(self, user_id: str, trading_account_id: str) -> AccountBalance:
        """Return the live balance at the exchange.

        Raises:
            NotFound: the user has no such account.
            ExchangeAuthorizationFailed: the exchange refuses the key, which is UNAUTHORIZED and inactive from now on.
            ExchangeError: the exchange refuses or fails otherwise; the account stays as it is.
        """
        account, credential = self._access.get(user_id, trading_account_id)
        with self._access.recording_key_status(account):
            return self._gateway.account_balance(credential, account.trade_type)

    def disconnect(self, user_id: str, trading_account_id: str, by: Actor = SYSTEM) -> None:
        """Disconnect a trading account for good: remove its credential, cancel its open orders, keep its history.

        An exchange that is down delays the cancelling, not the removal.

        Raises:
            NotFound: the user has no such account.
        """
        account, credential = found(self._store.with_credential(user_id, trading_account_id))
        now = self._now()
        cancellation = cancellation_for(account, credential, now, by)
        if not self._store.disconnect(account, cancellation, now, _audit_entry(account, by, now)):
            raise NotFound
        self._cancellations.begin(cancellation)


def _audit_entry(account: TradingAccount, by: Actor, now: int) -> AuditEntry | None:
    """Return the audit entry of an admin who disconnects a user's account. Its user sees an operation."""
    if by.user_id in (account.user_id, SYSTEM.user_id):
        return None
    return audit_entry(by, Action.TRADING_ACCOUNT_DISCONNECT, f"tradingAccount/{account.id}", now, account.user_id)
