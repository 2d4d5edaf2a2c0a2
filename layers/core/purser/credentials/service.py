"""What can be done with credentials: create, verify, rotate, revoke, list."""

from __future__ import annotations

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
)
from purser.exchanges.model import ApiCredential, TradeType, Venue
from purser.exchanges.port import ExchangeGateway
from purser.operations.model import Operation, OperationType, operation
from purser.plans.model import Plans
from purser.ports import Vault
from purser.retrying import until_fresh
from purser.trading_accounts.access import AccountAccess
from purser.trading_accounts.key_validator import KeyValidator
from purser.trading_accounts.model import (
    AccountValuation,
    ConnectedAccounts,
    StaleAccounts,
    TradingAccount,
    cancellation_for,
)

VERIFIERS = 8
"""Credentials that are verified at the same time."""


class CredentialStore(Protocol):
    """Where credentials are kept. Every method may raise ``purser.errors.Unavailable``."""

    def create(self, credential: Credential, sealed: SealedCredential) -> bool:
        """Keeps a new credential; False when its id is taken."""

    def get(self, user_id: str, credential_id: str) -> Credential | None:
        """One of the user's credentials."""

    def sealed(self, user_id: str, credential_id: str) -> tuple[Credential, SealedCredential | None] | None:
        """One of the user's credentials with its secret, which a revoked one has no more."""

    def of(self, user_id: str) -> list[Credential]:
        """The user's credentials, oldest first."""

    def owner_of(self, credential_id: str) -> str | None:
        """Whose credential this is; None when nobody's."""

    def accounts_of(self, credential: Credential) -> list[TradingAccount]:
        """The connected trading accounts that use a credential."""

    def mark(self, credential: Credential, status: CredentialStatus, now: int) -> None:
        """Notes the status of a credential that no account uses, unless it has changed since it was read."""

    def rotate(
        self,
        before: SealedCredential,
        after: SealedCredential,
        accounts: Sequence[tuple[TradingAccount, AccountValuation]],
        version: int,
        now: int,
        operations: Sequence[Operation],
    ) -> None:
        """Gives a credential, and all accounts that use it, another API key and secret, all or nothing.

        Raises:
            StaleAccounts, StaleCredential: something is no longer as it was read.
            AlreadyConnected: the API key is claimed.
            StillCancelling: orders of the API key are still to be cancelled, for an account that has been disconnected.
        """


class Accounts(Protocol):
    """The trading accounts that use credentials."""

    def connected(self, user_id: str) -> ConnectedAccounts:
        """The user's connected trading accounts, oldest first."""

    def revoke(
        self, credential: Credential, cancellations: Sequence[Cancellation], operations: Sequence[Operation], now: int
    ) -> None:
        """Takes a credential's secret away and disconnects every account that uses it, all or nothing.

        Raises:
            StaleCredential: it, or who uses it, is no longer as it was read.
        """


@dataclass(frozen=True, slots=True)
class NewCredential:
    """What a user gives to have a credential kept under the id ``id``."""

    id: str
    user_id: str
    venue: Venue
    type: CredentialType
    nickname: str
    api_key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verified:
    """What the exchange says of a credential: which accounts it reaches, and what kept it from saying so."""

    credential: Credential
    reaches: tuple[TradeType, ...]
    error: ExchangeError | None = None


@dataclass(frozen=True, slots=True)
class Exchanges:
    """Everything that speaks with the exchange on a credential's behalf."""

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
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._vault = vault
        self._exchanges = exchanges
        self._plans = plans
        self._now = now

    def create(self, new: NewCredential) -> Credential:
        """Keeps a credential that no account uses yet; the exchange is not asked. The same again answers what is there.

        Raises:
            IdempotencyKeyReused: the id belongs to another credential.
        """
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
        if self._store.create(credential, sealed):
            return credential
        existing = self._store.get(new.user_id, new.id)
        if existing is None or (existing.venue, existing.type, existing.api_key) != (new.venue, new.type, new.api_key):
            raise IdempotencyKeyReused
        return existing

    def find(
        self,
        user_id: str,
        *,
        kind: CredentialType | None = None,
        status: CredentialStatus | None = None,
        ids: frozenset[str] | None = None,
    ) -> list[Credential]:
        """The user's credentials, oldest first, revoked ones too; what is None does not narrow."""
        return [
            credential
            for credential in self._store.of(user_id)
            if kind in (None, credential.type)
            and status in (None, credential.status)
            and (ids is None or credential.id in ids)
        ]

    def get(self, user_id: str, credential_id: str) -> Credential | None:
        """One of the user's credentials, or None."""
        return self._store.get(user_id, credential_id)

    def usable(self, user_id: str, credential_id: str) -> tuple[SealedCredential, ApiCredential]:
        """One of the user's credentials, sealed and opened.

        Raises:
            CredentialNotFound: no such credential.
            Forbidden: another user's.
            CredentialRevoked: it is revoked.
        """
        _, sealed = self._not_revoked(user_id, credential_id)
        return sealed, opened(sealed, self._vault.decrypt(sealed.ciphertext, sealed.context))

    def _not_revoked(self, user_id: str, credential_id: str) -> tuple[Credential, SealedCredential]:
        credential, sealed = self._owned(user_id, credential_id)
        if sealed is None:
            raise CredentialRevoked
        return credential, sealed

    def _owned(self, user_id: str, credential_id: str) -> tuple[Credential, SealedCredential | None]:
        found = self._store.sealed(user_id, credential_id)
        if found is not None:
            return found
        if self._store.owner_of(credential_id) in (None, user_id):
            raise CredentialNotFound
        raise Forbidden

    def verify(self, user_id: str, credential_ids: Sequence[str]) -> list[Verified]:
        """Asks the exchange which accounts credentials reach, and notes it on them and on the accounts that use them.

        A revoked one reaches none, and is not asked about. What the exchange fails at is told of that credential alone.

        Raises:
            CredentialNotFound: there is no such credential.
            Forbidden: one is another user's.
        """
        found = [self._owned(user_id, credential_id) for credential_id in dict.fromkeys(credential_ids)]
        with ThreadPoolExecutor(VERIFIERS) as pool:
            return list(pool.map(lambda each: self._verify(*each), found))

    def _verify(self, credential: Credential, sealed: SealedCredential | None) -> Verified:
        if sealed is None:
            return Verified(credential, ())
        key = opened(sealed, self._vault.decrypt(sealed.ciphertext, sealed.context))
        using = {account.trade_type: account for account in self._store.accounts_of(credential)}
        reaches, trouble = [], None
        for kind in TradeType:
            try:
                with self._recording_key_status(using.get(kind)):
                    self._exchanges.gateway.account_balance(key, kind)
                reaches.append(kind)
            except ExchangeAuthorizationFailed:
                continue
            except ExchangeError as error:
                trouble = error
        if not using and trouble is None:
            status = CredentialStatus.CREATED if reaches else CredentialStatus.EXPIRED
            self._store.mark(credential, status, self._now())
        fresh = self._store.get(credential.user_id, credential.id)
        return Verified(fresh or credential, tuple(reaches), trouble)

    def _recording_key_status(self, account: TradingAccount | None) -> AbstractContextManager[None]:
        return self._exchanges.access.recording_key_status(account) if account else nullcontext()

    def rotate(self, user_id: str, credential_id: str, key: ApiCredential, by: Actor) -> Credential:
        """Gives a credential another API key and secret; the accounts that use it stay connected.

        The exchange must accept the key for each of them, as for a new one. Without any it is not asked.

        Raises:
            CredentialNotFound, Forbidden, CredentialRevoked: as ``usable``.
            ExchangeAuthorizationFailed: the exchange does not accept the key.
            WithdrawalsAllowed: the key may withdraw.
            BalanceLimitExceeded: the key is another, and with it the accounts are worth more than the plan allows.
            AlreadyConnected: the API key is connected already.
            ExchangeError: the exchange refuses or fails otherwise.
            Contended: too many changes at once.
        """
        stale = (StaleAccounts, StaleCredential)
        return until_fresh(lambda: self._rotate(user_id, credential_id, key, by), stale=stale)

    def _rotate(self, user_id: str, credential_id: str, key: ApiCredential, by: Actor) -> Credential:
        known = self._accounts.connected(user_id)
        credential, before = self._not_revoked(user_id, credential_id)
        using = [account for account in known.accounts if account.credential_id == credential.id]
        valuations = [self._exchanges.key_validator.validate(key, account.trade_type) for account in using]
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
            self._exchanges.cancellations.settle(waiting.trading_account_id)
            raise StaleAccounts from None
        rotated = self._store.get(user_id, credential_id)
        if rotated is None:
            raise CredentialNotFound
        return rotated

    def revoke(self, user_id: str, credential_id: str, by: Actor) -> Credential:
        """Delete a credential's secret for good, and disconnect every account that uses it.

        Raises:
            CredentialNotFound, Forbidden, CredentialRevoked: as ``usable``.
            Contended: too many changes at once.
        """
        for cancellation in until_fresh(lambda: self._revoke(user_id, credential_id, by), stale=StaleCredential):
            self._exchanges.cancellations.begin(cancellation)
        revoked = self._store.get(user_id, credential_id)
        if revoked is None:
            raise CredentialNotFound
        return revoked

    def _revoke(self, user_id: str, credential_id: str, by: Actor) -> list[Cancellation]:
        """Take a credential's secret away; return what is left to do for the accounts that used it."""
        credential, sealed = self._not_revoked(user_id, credential_id)
        accounts = self._store.accounts_of(credential)
        if len(accounts) < len(credential.account_ids):
            raise StaleCredential
        now = self._now()
        cancellations = [cancellation_for(account, sealed, now, by) for account in accounts]
        audit_entries = _audit_entries(OperationType.CREDENTIAL_REVOKE, credential, accounts, by, now)
        self._accounts.revoke(credential, cancellations, audit_entries, now)
        return cancellations


def _audit_entries(
    kind: OperationType, credential: Credential, accounts: Sequence[TradingAccount], by: Actor, now: int
) -> list[Operation]:
    """An operation for each account that uses a credential; without any, one under the credential's own id."""
    ids = [account.id for account in accounts] or [credential.id]
    return [operation(kind, credential.user_id, account_id, by, now) for account_id in ids]
