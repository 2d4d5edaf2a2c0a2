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

CONFIRMING_MS = 10 * 60 * 1000
"""The time after which a second ambiguous refusal of a credential counts (contract.md, ``apiKeyStatus``)."""

LONGEST_BAN_MS = 4 * 24 * 3600 * 1000
"""Longer than Binance bans an address, which is at most three days.

Source: https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits.
"""

WIDESPREAD = 3
"""From so many users whose credentials are refused within minutes, our IP address is suspected."""


class Accounts(Protocol):
    """The store of trading accounts. Every method may raise ``purser.errors.Unavailable``."""

    def with_credential(self, user_id: str, trading_account_id: str) -> tuple[TradingAccount, SealedCredential] | None:
        """Return one of the user's connected trading accounts with its credential."""

    def disable(
        self, user_id: str, trading_account_id: str, now: int, operation: Operation | None = None
    ) -> TradingAccount | None:
        """Make an account inactive for its user; return None when there is no such account."""

    def refuse(self, account: TradingAccount, now: int, operation: Operation | None = None) -> TradingAccount | None:
        """Make an account inactive and UNAUTHORIZED, because the exchange has refused its credential.

        Return None if there is no such account, if its credential has been accepted since it was read, or if the
        refusal is already recorded.
        """

    def mark(self, account: TradingAccount, status: ApiKeyStatus, now: int, operation: Operation | None = None) -> None:
        """Note how the exchange met the credential, unless that was noted otherwise since the account was read.

        It deactivates nothing, and activates only an account that ``resumes`` when its credential is AUTHORIZED.
        """

    def suspect(self, account: TradingAccount, now: int) -> int:
        """Record an ambiguous refusal of an account's credential, whose status is FAILED from now on.

        Returns:
            How many users had a credential refused within minutes of it or of the account's first refusal, this one
            included. It counts no further than ``WIDESPREAD``.
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
        return account, opened(sealed, self._vault.decrypt(sealed.ciphertext, sealed.context), account.id)

    @contextmanager
    def recording_key_status(self, account: TradingAccount) -> Iterator[None]:
        """Record on the account how the exchange takes its credential in the block (contract.md, ``apiKeyStatus``).

        An account whose key is dead is deactivated, unless its user has enabled it or rotated its credential meanwhile.
        Once the exchange accepts the key again, such an account is active again.
        """
        try:
            yield
        except ExchangeAuthorizationFailed as error:
            record_refusal(self._accounts, account, error, self._now())
            raise
        except ExchangeUnavailable:
            if account.api_key_status is ApiKeyStatus.AUTHORIZED:
                self._accounts.mark(account, ApiKeyStatus.FAILED, self._now())
            raise
        if account.api_key_status is not ApiKeyStatus.AUTHORIZED:
            now = self._now()
            self._accounts.mark(account, ApiKeyStatus.AUTHORIZED, now, _healed(account, now))


def record_refusal(accounts: Accounts, account: TradingAccount, error: ExchangeAuthorizationFailed, now: int) -> bool:
    """Deactivate an account whose credential was refused. Return False if that was not done.

    An ambiguous refusal only counts after a second one, ``CONFIRMING_MS`` later. While refusals are widespread, our IP
    address is suspected, and they count only after the longest ban is over.
    """
    was_stopped = account.api_key_status is ApiKeyStatus.UNAUTHORIZED and not account.active
    if error.is_ambiguous and not was_stopped:
        refused_for = now - (account.refused_at or now)
        is_widespread = accounts.suspect(account, now) >= WIDESPREAD
        if refused_for < (LONGEST_BAN_MS if is_widespread else CONFIRMING_MS):
            return False
    stopped = None if was_stopped else operation(OperationType.DISABLE, account.user_id, account.id, SYSTEM, now)
    return accounts.refuse(account, now, stopped) is not None


def _healed(account: TradingAccount, now: int) -> Operation | None:
    """Return the audit entry of an account whose credential is accepted again, or None if it was not refused."""
    if account.api_key_status is not ApiKeyStatus.UNAUTHORIZED:
        return None
    kind = OperationType.ENABLE if account.resumes else OperationType.UPDATE
    return operation(kind, account.user_id, account.id, SYSTEM, now)
