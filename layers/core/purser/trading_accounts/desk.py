"""Trading accounts for the desk: with credentials, disconnected ones too, and another user's told from unknown ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from purser.actor import Actor
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
from purser.operations.model import Operation, OperationType
from purser.trading_accounts.model import AccountStatus, ConnectedAccounts, TradingAccount
from purser.trading_accounts.service import NO_CUSTOMER, NewConnection, TradingAccounts


class DeskStore(Protocol):
    """Where trading accounts are kept. Every method may raise ``purser.errors.Unavailable``."""

    def connected(self, user_id: str) -> ConnectedAccounts:
        """The user's connected trading accounts, oldest first."""

    def disconnected(self, user_id: str) -> list[TradingAccount]:
        """The user's disconnected trading accounts, oldest first."""

    def known(self, user_id: str, trading_account_id: str) -> TradingAccount | None:
        """One of the user's trading accounts, connected or disconnected."""

    def owner_of(self, trading_account_id: str, *, disconnected: bool = False) -> str | None:
        """Whose trading account this is, connected or (with ``disconnected``) disconnected; None when nobody's."""


class Credentials(Protocol):
    """The users' credentials."""

    def get(self, user_id: str, credential_id: str) -> Credential | None:
        """Return one of the user's credentials, or None."""

    def find(self, user_id: str) -> list[Credential]:
        """Return the user's credentials, revoked ones too."""

    def usable(self, user_id: str, credential_id: str) -> tuple[SealedCredential, ApiCredential]:
        """Return one of the user's credentials, sealed and opened. It raises what says why it cannot be used."""


class OperationStore(Protocol):
    """Where operations are kept."""

    def page(
        self,
        of: str,
        kind: OperationType | None,
        since: int | None,
        until: int | None,
        limit: int,
        before: str | None = None,
    ) -> tuple[list[Operation], str | None]:
        """Operations of a user or trading account, newest first, and where the next page goes on."""


@dataclass(frozen=True, slots=True)
class DeskAccount:
    """A trading account with the credentials that it uses: none, once it is disconnected."""

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
        """Tell whether an account passes the filter."""
        wanted, actual = (self.venue, self.status, self.user_id), (account.venue, account.status, account.user_id)
        return all(want in (None, has) for want, has in zip(wanted, actual, strict=True))


class Desk:
    """The use cases. ``has_customer`` tells whether a user has an active customer of an id."""

    def __init__(
        self,
        accounts: TradingAccounts,
        credentials: Credentials,
        store: DeskStore,
        operations: OperationStore,
        has_customer: Callable[[str, str], bool],
    ) -> None:
        self._accounts = accounts
        self._credentials = credentials
        self._store = store
        self._operations = operations
        self._has_customer = has_customer

    def connect(self, new: NewConnection, by: Actor, *, credential_id: str | None = None) -> DeskAccount:
        """Connect a trading account, with the credential that ``credential_id`` names where it is given.

        Raises:
            CredentialNotFound, Forbidden, CredentialRevoked: of the credential that is named.
            InvalidInput: the credential is for another venue, or the customer not an active one of the user's.
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
        return self._shown(self._accounts.connect(new, by))

    def _shown(self, account: TradingAccount) -> DeskAccount:
        if account.disconnected_at is not None:
            return DeskAccount(account, ())
        credential = self._credentials.get(account.user_id, account.credential_id)
        return DeskAccount(account, (credential,) if credential else ())

    def find(self, caller_id: str, filters: AccountFilter, *, any_owner: bool = False) -> list[DeskAccount]:
        """Trading accounts, oldest first: with an id that one, else the caller's, or (``any_owner``) another user's.

        Disconnected ones are among them only where an id or the status asks for them.

        Raises:
            TradingAccountNotFound: no account has this id.
            TradingAccountForbidden: it is another user's.
            Forbidden: another user's accounts are asked for.
        """
        if filters.user_id not in (None, caller_id) and not any_owner:
            raise Forbidden
        if filters.id is not None:
            account = self._located(caller_id, filters.id, any_owner=any_owner)
            return [self._shown(account)] if filters.admits(account) else []
        owner = filters.user_id or caller_id
        disconnected = filters.status is AccountStatus.DISCONNECTED
        accounts = self._store.disconnected(owner) if disconnected else self._store.connected(owner).accounts
        used = {} if disconnected else {credential.id: credential for credential in self._credentials.find(owner)}
        return [
            DeskAccount(account, (used[account.credential_id],) if account.credential_id in used else ())
            for account in accounts
            if filters.admits(account)
        ]

    def _located(self, caller_id: str, trading_account_id: str, *, any_owner: bool = False) -> TradingAccount:
        account = self._store.known(caller_id, trading_account_id)
        if account is not None:
            return account
        owner = self._store.owner_of(trading_account_id, disconnected=True)
        if owner not in (None, caller_id) and not any_owner:
            raise TradingAccountForbidden
        account = self._store.known(owner, trading_account_id) if owner else None
        if account is None:
            raise TradingAccountNotFound
        return account

    def update(
        self,
        caller_id: str,
        trading_account_id: str,
        by: Actor,
        *,
        name: str | None = None,
        active: bool | None = None,
    ) -> DeskAccount:
        """Changes what is given of one of the caller's trading accounts.

        Raises:
            TradingAccountNotFound, TradingAccountForbidden: as ``find``.
            AlreadyDisconnected: it is disconnected.
            As ``TradingAccounts.update``.
        """
        self._still_connected(caller_id, trading_account_id)
        try:
            return self._shown(self._accounts.update(caller_id, trading_account_id, name=name, active=active, by=by))
        except NotFound:
            raise AlreadyDisconnected from None

    def _still_connected(self, caller_id: str, trading_account_id: str, *, any_owner: bool = False) -> TradingAccount:
        account = self._located(caller_id, trading_account_id, any_owner=any_owner)
        if account.disconnected_at is not None:
            raise AlreadyDisconnected
        return account

    def disconnect(self, caller_id: str, trading_account_id: str, by: Actor, *, any_owner: bool = False) -> DeskAccount:
        """Disconnect a trading account for good (``TradingAccounts.disconnect``) and return what is left of it.

        Raises:
            TradingAccountNotFound, TradingAccountForbidden: as ``find``.
            AlreadyDisconnected: it is disconnected already.
        """
        account = self._still_connected(caller_id, trading_account_id, any_owner=any_owner)
        try:
            self._accounts.disconnect(account.user_id, account.id, by)
        except NotFound:
            raise AlreadyDisconnected from None
        return self._shown(self._located(account.user_id, account.id))

    def operations(
        self,
        caller_id: str,
        *,
        trading_account_id: str | None,
        kind: OperationType | None,
        since: int | None,
        until: int | None,
        limit: int,
        before: str | None,
        any_owner: bool = False,
    ) -> tuple[list[Operation], str | None]:
        """What was done to the caller's trading accounts, or to one of them (anybody's, with ``any_owner``).

        Newest first, with where the next page goes on; both instants (Unix ms) are included.

        Raises:
            TradingAccountNotFound, TradingAccountForbidden: as ``find``.
        """
        of = caller_id
        if trading_account_id is not None:
            of = self._located(caller_id, trading_account_id, any_owner=any_owner).id
        return self._operations.page(of, kind, since, until, limit, before)
