"""Open a trading account to act at its exchange, and record how the exchange takes its credential."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from purser.actor import SYSTEM
from purser.credentials.model import SealedCredential, opened
from purser.errors import ExchangeAuthorizationFailed, ExchangeUnavailable, NotFound
from purser.exchanges.model import ApiCredential
from purser.operations.model import Operation, OperationType, operation
from purser.ports import Opener
from purser.trading_accounts.model import ApiKeyStatus, TradingAccount


class Accounts(Protocol):
    """The store of trading accounts. Every method may raise ``purser.errors.Unavailable``."""

    def with_credential(self, user_id: str, trading_account_id: str) -> tuple[TradingAccount, SealedCredential] | None:
        """Return one of the user's connected trading accounts with its credential."""

    def deactivate(
        self,
        user_id: str,
        trading_account_id: str,
        now: int,
        status: ApiKeyStatus | None = None,
        *,
        refused: TradingAccount | None = None,
        operation: Operation | None = None,
    ) -> TradingAccount | None:
        """Make an account inactive, with a new key status where one is given.

        None when there is none. With ``refused``, the account as it was when the exchange was asked, also None when its
        user has had a credential accepted since, or when the refusal is recorded already.
        """

    def mark(self, account: TradingAccount, status: ApiKeyStatus, now: int, operation: Operation | None = None) -> None:
        """Note how the exchange met the credential, unless that was noted otherwise since the account was read.

        It neither activates nor deactivates.
        """


class AccountAccess:
    """Opens trading accounts. ``now`` gives Unix milliseconds."""

    def __init__(self, accounts: Accounts, vault: Opener, now: Callable[[], int]) -> None:
        self._accounts = accounts
        self._vault = vault
        self._now = now

    def get(self, user_id: str, trading_account_id: str) -> tuple[TradingAccount, ApiCredential]:
        """Return one of the user's trading accounts with its credential.

        Raises:
            NotFound: the user has no such account.
        """
        found = self._accounts.with_credential(user_id, trading_account_id)
        if found is None:
            raise NotFound
        account, sealed = found
        return account, opened(sealed, self._vault.decrypt(sealed.ciphertext, sealed.context))

    @contextmanager
    def recording_key_status(self, account: TradingAccount) -> Iterator[None]:
        """Record on the account how the exchange takes its credential in the block (contract.md, ``apiKeyStatus``).

        It deactivates an account whose key is dead, unless its user has enabled it or rotated its credential meanwhile.
        It never activates one: only the user does.
        """
        try:
            yield
        except ExchangeAuthorizationFailed:
            now = self._now()
            self._accounts.deactivate(
                account.user_id,
                account.id,
                now,
                ApiKeyStatus.UNAUTHORIZED,
                refused=account,
                operation=stopped(account, now),
            )
            raise
        except ExchangeUnavailable:
            if account.api_key_status is ApiKeyStatus.AUTHORIZED:
                self._accounts.mark(account, ApiKeyStatus.FAILED, self._now())
            raise
        if account.api_key_status is not ApiKeyStatus.AUTHORIZED:
            now = self._now()
            self._accounts.mark(account, ApiKeyStatus.AUTHORIZED, now, _healed(account, now))


def stopped(account: TradingAccount, now: int) -> Operation | None:
    """Return the audit entry of an account whose credential was refused, or None if it had been refused before."""
    if account.api_key_status is ApiKeyStatus.UNAUTHORIZED and not account.active:
        return None
    return operation(OperationType.DISABLE, account.user_id, account.id, SYSTEM, now)


def _healed(account: TradingAccount, now: int) -> Operation | None:
    """Return the audit entry of an account whose credential is accepted again, or None if it was not refused."""
    if account.api_key_status is not ApiKeyStatus.UNAUTHORIZED:
        return None
    return operation(OperationType.UPDATE, account.user_id, account.id, SYSTEM, now)
