"""Trading accounts as the desk sees them: with credentials, disconnected ones included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from purser.actor import Actor
from purser.audit.model import Action
from purser.credentials.model import Credential, SealedCredential
from purser.errors import (
    AlreadyDisconnected,
    FieldError,
    Forbidden,
    InvalidInput,
    NotFound,
    TradingAccountForbidden,
    TradingAccountNotFound,
)
from purser.exchanges.model import ApiCredential, Venue
from purser.operations.model import Operation, OperationFilter
from purser.ports import Audit
from purser.trading_accounts.model import AccountStatus, TradingAccount
from purser.trading_accounts.service import NO_CUSTOMER, NewConnection, TradingAccounts, TradingAccountStore


class DeskStore(TradingAccountStore, Protocol):
    """The store of trading accounts, with what only the desk asks of it."""

    def disconnected(self, user_id: str) -> list[TradingAccount]:
        """Return the user's disconnected trading accounts, oldest first."""

    def owner_of(self, trading_account_id: str, *, disconnected: bool = False) -> str | None:
        """Return the user who has connected an account, or (with ``disconnected``) who ever had, or None."""


class Credentials(Protocol):
    """The users' credentials."""

    def get(self, user_id: str, credential_id: str) -> Credential | None:
        """Return one of the user's credentials, or None."""

    def find(self, user_id: str) -> list[Credential]:
        """Return the user's credentials, revoked ones too."""

    def usable(self, user_id: str, credential_id: str) -> tuple[SealedCredential, ApiCredential]:
        """Return one of the user's credentials, sealed and opened. Raises why it cannot be used."""


class OperationStore(Protocol):
    """The store of operations."""

    def page(
        self, of: str, filters: OperationFilter, limit: int, before: str | None = None, *, offset: int = 0
    ) -> tuple[list[Operation], str | None]:
        """Return operations of a user or trading account after ``offset`` of them, newest first.

        The second value is the next page's position, or None at the end.
        """


@dataclass(frozen=True, slots=True)
class DeskAccount:
    """A trading account with the credentials that it uses. Disconnected ones have none."""

    account: TradingAccount
    credentials: tuple[Credential, ...]


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Select trading accounts. A field that is None does not restrict."""

    id: str | None = None
    venue: Venue | None = None
    status: AccountStatus | None = None
    user_id: str | None = None

    def admits(self, account: TradingAccount) -> bool:
        """Return whether an account passes the filter."""
        wanted, actual = (self.venue, self.status, self.user_id), (account.venue, account.status, account.user_id)
        return all(want in (None, has) for want, has in zip(wanted, actual, strict=True))


class Desk:
    """The use cases. ``has_customer`` tells whether a user has an active customer with an id."""

    def __init__(
        self,
        accounts: TradingAccounts,
        credentials: Credentials,
        store: DeskStore,
        operations: OperationStore,
        has_customer: Callable[[str, str], bool],
        audit: Audit,
    ) -> None:
        self._accounts = accounts
        self._credentials = credentials
        self._store = store
        self._operations = operations
        self._has_customer = has_customer
        self._audit = audit

    def connect(
        self, new: NewConnection, by: Actor, *, credential_id: str | None = None, most: int | None = None
    ) -> DeskAccount:
        """Connect a trading account, with a stored credential if ``credential_id`` is given.

        Raises:
            CredentialNotFound, Forbidden, CredentialRevoked: the stored credential cannot be used.
            InvalidInput: the credential is for another venue, or the user has no such active customer.
            As ``TradingAccounts.connect``.
        """
        if new.customer_id is not None and not self._has_customer(new.user_id, new.customer_id):
            raise InvalidInput([NO_CUSTOMER])
        if credential_id is not None:
            stored, key = self._credentials.usable(new.user_id, credential_id)
            if stored.venue is not new.venue:
                raise InvalidInput(
                    [FieldError(("venue",), "must be the venue of the credential", value=new.venue.value)]
                )
            new = replace(new, api_key=key.api_key, secret=key.secret, stored_credential=stored)
        return self._shown(self._accounts.connect(new, by, most=most))

    def _shown(self, account: TradingAccount) -> DeskAccount:
        if account.disconnected_at is not None:
            return DeskAccount(account, ())
        credential = self._credentials.get(account.user_id, account.credential_id)
        return DeskAccount(account, (credential,) if credential else ())

    def find(self, actor: Actor, filters: AccountFilter) -> list[DeskAccount]:
        """Return trading accounts, oldest first: the one of an id, else all of the actor or (for an admin) of a user.

        Disconnected accounts are included only if the id or the status asks for them.

        Raises:
            TradingAccountNotFound: no account has this id.
            TradingAccountForbidden: the account belongs to another user.
            Forbidden: the filter names another user.
        """
        if filters.user_id not in (None, actor.user_id) and not actor.is_admin:
            raise Forbidden
        if filters.id is not None:
            account = self._located(actor, filters.id)
            self._read(actor, Action.TRADING_ACCOUNT_READ, account)
            return [self._shown(account)] if filters.admits(account) else []
        owner = filters.user_id or actor.user_id
        self._audit.read(actor, Action.TRADING_ACCOUNT_LIST, f"user/{owner}", owner)
        disconnected = filters.status is AccountStatus.DISCONNECTED
        accounts = self._store.disconnected(owner) if disconnected else self._store.connected(owner).accounts
        used = {} if disconnected else {credential.id: credential for credential in self._credentials.find(owner)}
        return [
            DeskAccount(account, (used[account.credential_id],) if account.credential_id in used else ())
            for account in accounts
            if filters.admits(account)
        ]

    def _read(self, actor: Actor, action: Action, account: TradingAccount) -> None:
        self._audit.read(actor, action, f"tradingAccount/{account.id}", account.user_id)

    def _located(self, actor: Actor, trading_account_id: str) -> TradingAccount:
        account = self._store.known(actor.user_id, trading_account_id)
        if account is not None:
            return account
        owner = self._store.owner_of(trading_account_id, disconnected=True)
        if owner not in (None, actor.user_id) and not actor.is_admin:
            raise TradingAccountForbidden
        account = self._store.known(owner, trading_account_id) if owner else None
        if account is None:
            raise TradingAccountNotFound
        return account

    def _still_connected(self, actor: Actor, trading_account_id: str) -> TradingAccount:
        account = self._located(actor, trading_account_id)
        if account.disconnected_at is not None:
            raise AlreadyDisconnected
        return account

    def update(
        self, actor: Actor, trading_account_id: str, *, name: str | None = None, active: bool | None = None
    ) -> DeskAccount:
        """Change the given properties of one of the actor's own trading accounts.

        Raises:
            TradingAccountNotFound, TradingAccountForbidden: as ``find``.
            AlreadyDisconnected: the account is disconnected.
            As ``TradingAccounts.update``.
        """
        self._still_connected(replace(actor, is_admin=False), trading_account_id)
        try:
            changed = self._accounts.update(actor.user_id, trading_account_id, name=name, active=active, by=actor)
        except NotFound:
            raise AlreadyDisconnected from None
        return self._shown(changed)

    def disconnect(self, actor: Actor, trading_account_id: str) -> DeskAccount:
        """Disconnect a trading account for good (``TradingAccounts.disconnect``), and return what is left of it.

        Raises:
            TradingAccountNotFound, TradingAccountForbidden: as ``find``.
            AlreadyDisconnected: the account is already disconnected.
        """
        account = self._still_connected(actor, trading_account_id)
        try:
            self._accounts.disconnect(account.user_id, account.id, actor)
        except NotFound:
            raise AlreadyDisconnected from None
        return self._shown(self._located(Actor(account.user_id), account.id))

    def operations(
        self,
        actor: Actor,
        trading_account_id: str | None,
        filters: OperationFilter,
        limit: int,
        before: str | None,
        *,
        offset: int = 0,
    ) -> tuple[list[Operation], str | None]:
        """Return operations of the actor's trading accounts, or of one account (any for an admin), newest first.

        Returns:
            The operations, and the position of the next page, or None at the end.

        Raises:
            TradingAccountNotFound, TradingAccountForbidden: as ``find``.
        """
        if trading_account_id is None:
            return self._operations.page(actor.user_id, filters, limit, before, offset=offset)
        account = self._located(actor, trading_account_id)
        self._read(actor, Action.OPERATION_LIST, account)
        return self._operations.page(account.id, filters, limit, before, offset=offset)
