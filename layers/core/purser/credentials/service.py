"""The use cases of credentials."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Protocol

from purser.actor import Actor
from purser.credentials.model import (
    Credential,
    CredentialStatus,
    CredentialType,
    SealedCredential,
    StaleCredential,
    opened,
    sealing_context,
)
from purser.disconnecting.model import Cancellation, StillCancelling
from purser.disconnecting.service import Cancellations
from purser.errors import (
    CredentialNotFound,
    CredentialRevoked,
    ExchangeAuthorizationFailed,
    ExchangeError,
    Forbidden,
    IdempotencyKeyReused,
    TooManyCredentials,
    TooManyRequests,
)
from purser.exchanges.model import ApiCredential, TradeType, Venue
from purser.exchanges.port import ExchangeGateway
from purser.operations.model import Operation, OperationType, operation
from purser.plans.model import Plans
from purser.ports import Vault
from purser.retrying import until_fresh
from purser.trading_accounts.key_status import AccountAccess
from purser.trading_accounts.key_validator import KeyValidator
from purser.trading_accounts.model import (
    AccountStatus,
    AccountValuation,
    ConnectedAccounts,
    StaleAccounts,
    TradingAccount,
    cancellation_for,
)

VERIFIERS = 8
"""The number of credentials that are verified at the same time."""

HOUR_MS = 3_600_000
PER_HOUR_WITHOUT_PLAN = 10
"""The number of credentials that a user without a plan may create in an hour, and may also verify."""


class CredentialStore(Protocol):
    """The store of credentials. Every method may raise ``purser.errors.Unavailable``."""

    def create(self, credential: Credential, sealed: SealedCredential, version: int) -> bool:
        """Store a new credential. Return False if its id is taken.

        Raises:
            StaleAccounts: the user's set of accounts, which every new credential changes, is no longer at ``version``.
        """

    def get(self, user_id: str, credential_id: str) -> tuple[Credential, SealedCredential | None] | None:
        """Return one of the user's credentials, with its encrypted secret unless it is revoked, or None."""

    def of(self, user_id: str) -> list[Credential]:
        """Return the user's credentials, oldest first."""

    def owner_of(self, credential_id: str) -> str | None:
        """Return the owner of a credential, or None if there is no such credential."""

    def accounts_of(self, credential: Credential) -> list[TradingAccount]:
        """Return the connected trading accounts that use a credential."""

    def mark(self, credential: Credential, status: CredentialStatus, now: int) -> None:
        """Record the status of a credential without accounts, unless it has changed since it was read."""

    def rotate(
        self,
        before: SealedCredential,
        after: SealedCredential,
        accounts: Sequence[tuple[TradingAccount, AccountValuation]],
        version: int,
        now: int,
        operations: Sequence[Operation],
    ) -> None:
        """Replace the API key and secret of a credential and of all accounts that use it, with their new values.

        Raises:
            StaleAccounts: the user's set of accounts is no longer at ``version``.
            StaleCredential: the credential is no longer ``before``, or its accounts have changed.
            AlreadyConnected: the API key is claimed.
            StillCancelling: orders of a disconnected account with this API key are still to be cancelled.
        """


class Counters(Protocol):
    """Counters of periods. The method may raise ``purser.errors.Unavailable``."""

    def add(self, counter: str, ends_at: int, amount: int, most: int | None = None) -> int | None:
        """Add to a counter of the period that ends then (Unix ms). Return None if it would exceed ``most``."""


class Accounts(Protocol):
    """The store of trading accounts."""

    def connected(self, user_id: str) -> ConnectedAccounts:
        """Return the user's connected trading accounts, oldest first."""

    def revoke(
        self, credential: Credential, cancellations: Sequence[Cancellation], operations: Sequence[Operation], now: int
    ) -> None:
        """Delete a credential's secret and disconnect its accounts. Raises ``StaleCredential`` if any has changed."""


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential to create."""

    id: str
    user_id: str
    venue: Venue
    type: CredentialType
    nickname: str
    api_key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verified:
    """An account at the exchange, as verified with a credential.

    ``account`` is its trading account, or None if it is not connected. ``is_reached`` is False if the exchange refuses
    the credential for it, or could not answer, which is the ``error``.
    """

    credential: Credential
    trade_type: TradeType
    account: TradingAccount | None
    is_reached: bool
    error: ExchangeError | None = None

    @property
    def id(self) -> str:
        """The id of the trading account. Before it is connected, the same id for every caller."""
        if self.account is not None:
            return self.account.id
        return str(uuid.uuid5(uuid.UUID(self.credential.id), self.trade_type.value))

    @property
    def status(self) -> AccountStatus:
        """ACTIVE or NEW for an account that is reached, whether its user has disabled it or not."""
        if not self.is_reached:
            return AccountStatus.UNAVAILABLE
        return AccountStatus.ACTIVE if self.account else AccountStatus.NEW


@dataclass(frozen=True, slots=True)
class Exchanges:
    """The collaborators that call the exchange."""

    gateway: ExchangeGateway
    key_validator: KeyValidator
    access: AccountAccess
    cancellations: Cancellations


class Credentials:
    """The use cases. ``now`` gives Unix milliseconds."""

    def __init__(
        self,
        store: CredentialStore,
        accounts: Accounts,
        vault: Vault,
        exchanges: Exchanges,
        plans: Plans,
        counters: Counters,
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._vault = vault
        self._exchanges = exchanges
        self._plans = plans
        self._counters = counters
        self._now = now

    def create(self, new: NewCredential, *, most: int | None = None) -> Credential:
        """Store a credential without asking the exchange. A repeat with the same id returns the existing one.

        The user may have ``most`` that are not revoked. Those that came with an account count too.

        Raises:
            IdempotencyKeyReused: the id belongs to another credential.
            TooManyCredentials: the user has as many.
            TooManyRequests: the user has no plan, and has created as many in this hour as allowed without one.
        """
        self._check_allowance(new.user_id, "CREATED", 1)
        now = self._now()
        ciphertext = self._vault.encrypt(new.secret, sealing_context(new.user_id, new.id))
        sealed = SealedCredential(new.id, new.user_id, new.venue, new.api_key, ciphertext, now, version=now)
        credential = Credential(
            id=new.id,
            user_id=new.user_id,
            venue=new.venue,
            type=new.type,
            nickname=new.nickname,
            status=CredentialStatus.CREATED,
            api_key=new.api_key,
            account_ids=frozenset(),
            created_at=now,
            updated_at=now,
            version=now,
        )

        def attempt() -> bool:
            # First the version, so that a credential that is added after the others are read makes it stale.
            version = self._accounts.connected(new.user_id).version
            stored = self._store.of(new.user_id)
            if any(each.id == new.id for each in stored):
                return False
            if most is not None and sum(each.status is not CredentialStatus.REVOKED for each in stored) >= most:
                raise TooManyCredentials
            return self._store.create(credential, sealed, version)

        if until_fresh(attempt, stale=StaleAccounts):
            return credential
        existing = self.get(new.user_id, new.id)
        if existing is None or (existing.venue, existing.type, existing.api_key) != (new.venue, new.type, new.api_key):
            raise IdempotencyKeyReused
        return existing

    def _check_allowance(self, user_id: str, action: str, count: int) -> None:
        if self._plans.plan_of(user_id) is not None:
            return
        now = self._now()
        hour_end = (now // HOUR_MS + 1) * HOUR_MS
        if self._counters.add(f"{action}#{user_id}", hour_end, count, PER_HOUR_WITHOUT_PLAN) is None:
            raise TooManyRequests(retry_after=(hour_end - now) / 1000)

    def find(
        self,
        user_id: str,
        *,
        kind: CredentialType | None = None,
        status: CredentialStatus | None = None,
        ids: frozenset[str] | None = None,
    ) -> list[Credential]:
        """Return the user's credentials, revoked ones included, oldest first. A filter that is None matches all."""
        return [
            credential
            for credential in self._store.of(user_id)
            if kind in (None, credential.type)
            and status in (None, credential.status)
            and (ids is None or credential.id in ids)
        ]

    def get(self, user_id: str, credential_id: str) -> Credential | None:
        """Return one of the user's credentials, or None."""
        found = self._store.get(user_id, credential_id)
        return found[0] if found else None

    def usable(self, user_id: str, credential_id: str) -> tuple[SealedCredential, ApiCredential]:
        """Return one of the user's credentials, encrypted and decrypted.

        Raises:
            CredentialNotFound: no such credential.
            Forbidden: the credential is another user's.
            CredentialRevoked: it is revoked.
        """
        _, sealed = self._not_revoked(user_id, credential_id)
        return sealed, opened(sealed, self._vault.decrypt(sealed.ciphertext, sealed.context), "")

    def _not_revoked(self, user_id: str, credential_id: str) -> tuple[Credential, SealedCredential]:
        credential, sealed = self._owned(user_id, credential_id)
        if sealed is None:
            raise CredentialRevoked
        return credential, sealed

    def _owned(self, user_id: str, credential_id: str) -> tuple[Credential, SealedCredential | None]:
        found = self._store.get(user_id, credential_id)
        if found is not None:
            return found
        if self._store.owner_of(credential_id) in (None, user_id):
            raise CredentialNotFound
        raise Forbidden

    def verify(self, user_id: str, credential_ids: Sequence[str]) -> list[Verified]:
        """Check at the exchange which accounts credentials can access, and record the status of their keys.

        The result has each account that is reached, is connected, or about which the exchange could not answer. A
        revoked credential has none.

        Raises:
            CredentialNotFound, Forbidden: as ``usable``.
            TooManyRequests: the user has no plan, and with these would verify more in this hour than allowed.
        """
        self._check_allowance(user_id, "VERIFIED", len(set(credential_ids)))
        found = [self._owned(user_id, credential_id) for credential_id in dict.fromkeys(credential_ids)]
        with ThreadPoolExecutor(VERIFIERS) as pool:
            return [each for verified in pool.map(lambda each: self._verify(*each), found) for each in verified]

    def _verify(self, credential: Credential, sealed: SealedCredential | None) -> list[Verified]:
        if sealed is None:
            return []
        key = opened(sealed, self._vault.decrypt(sealed.ciphertext, sealed.context), "")
        using = {account.trade_type: account for account in self._store.accounts_of(credential)}
        verified = [self._verified(credential, key, kind, using.get(kind)) for kind in TradeType]
        is_reached = any(each.is_reached for each in verified)
        verified = [replace(each, error=None) if _is_certain(each.error, is_reached) else each for each in verified]
        if not using and not any(each.error for each in verified):
            status = CredentialStatus.CREATED if is_reached else CredentialStatus.EXPIRED
            self._store.mark(credential, status, self._now())
        fresh = self.get(credential.user_id, credential.id) or credential
        shown = [each for each in verified if each.is_reached or each.account or each.error]
        return [replace(each, credential=fresh) for each in shown]

    def _verified(
        self, credential: Credential, key: ApiCredential, kind: TradeType, account: TradingAccount | None
    ) -> Verified:
        try:
            with self._recording_key_status(account):
                own = replace(key, trading_account_id=account.id) if account else key
                self._exchanges.gateway.account_balance(own, kind)
        except ExchangeError as error:
            return Verified(credential, kind, account, is_reached=False, error=error)
        return Verified(credential, kind, account, is_reached=True)

    def _recording_key_status(self, account: TradingAccount | None) -> AbstractContextManager[None]:
        return self._exchanges.access.recording_key_status(account) if account else nullcontext()

    def rotate(self, user_id: str, credential_id: str, key: ApiCredential, by: Actor) -> Credential:
        """Replace a credential's API key and secret. The accounts that use it stay connected.

        The exchange must accept the new key for each of these accounts.

        Raises:
            CredentialNotFound, Forbidden, CredentialRevoked: as ``usable``.
            ExchangeAuthorizationFailed, WithdrawalsAllowed, ExchangeError: as ``KeyValidator.validate``.
            BalanceLimitExceeded: with another API key, the accounts are worth more than the plan allows.
            AlreadyConnected: the API key is connected already.
            Contended: too many concurrent changes.
        """
        stale = (StaleAccounts, StaleCredential)
        return until_fresh(lambda: self._rotate(user_id, credential_id, key, by), stale=stale)

    def _rotate(self, user_id: str, credential_id: str, key: ApiCredential, by: Actor) -> Credential:
        known = self._accounts.connected(user_id)
        credential, before = self._not_revoked(user_id, credential_id)
        using = [account for account in known.accounts if account.credential_id == credential.id]
        valuations = [
            self._exchanges.key_validator.validate(replace(key, trading_account_id=account.id), account.trade_type)
            for account in using
        ]
        if using and key.api_key != before.api_key:
            plan = self._plans.plan_of(user_id)
            valued = known.valued({account.id: valuation for account, valuation in zip(using, valuations, strict=True)})
            valued.check_balance(plan, using[-1].id, valuations[-1])
        ciphertext = self._vault.encrypt(key.secret, before.context)
        after = replace(before, api_key=key.api_key, ciphertext=ciphertext)
        now = self._now()
        audit_entries = _audit_entries(OperationType.CREDENTIAL_ROTATE, credential, using, by, now)
        try:
            self._store.rotate(
                before, after, list(zip(using, valuations, strict=True)), known.version, now, audit_entries
            )
        except StillCancelling as waiting:
            self._exchanges.cancellations.finish(waiting.trading_account_id)
            raise StaleAccounts from None
        return self._owned(user_id, credential_id)[0]

    def revoke(self, user_id: str, credential_id: str, by: Actor) -> Credential:
        """Delete a credential's secret for good, and disconnect every account that uses it.

        Raises:
            CredentialNotFound, Forbidden, CredentialRevoked: as ``usable``.
            Contended: too many concurrent changes.
        """
        for cancellation in until_fresh(lambda: self._revoke(user_id, credential_id, by), stale=StaleCredential):
            self._exchanges.cancellations.begin(cancellation)
        return self._owned(user_id, credential_id)[0]

    def _revoke(self, user_id: str, credential_id: str, by: Actor) -> list[Cancellation]:
        """Delete a credential's secret, and return the cancellations for the accounts that used it."""
        credential, sealed = self._not_revoked(user_id, credential_id)
        accounts = self._store.accounts_of(credential)
        if len(accounts) < len(credential.account_ids):
            raise StaleCredential
        now = self._now()
        cancellations = [cancellation_for(account, sealed, now, by) for account in accounts]
        audit_entries = _audit_entries(OperationType.CREDENTIAL_REVOKE, credential, accounts, by, now)
        self._accounts.revoke(credential, cancellations, audit_entries, now)
        return cancellations


def _is_certain(error: ExchangeError | None, is_reached: bool) -> bool:
    """Return whether an error is a refusal that another account which is reached, or its own text, makes certain."""
    return isinstance(error, ExchangeAuthorizationFailed) and (is_reached or not error.is_ambiguous)


def _audit_entries(
    kind: OperationType, credential: Credential, accounts: Sequence[TradingAccount], by: Actor, now: int
) -> list[Operation]:
    """Return an operation for each account that uses a credential, or one under the credential's id."""
    ids = [account.id for account in accounts] or [credential.id]
    return [operation(kind, credential.user_id, account_id, by, now) for account_id in ids]
