"""What several domains are put together from: tables, queues, the vault, and accounts as others ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.aws.key_vault import KeyVault
    from purser.aws.queues import Queue
    from purser.aws.tables import Table
    from purser.trading_accounts.access import AccountAccess


@kept
def table(setting: str) -> Table:
    """The table that a setting names."""
    from purser.aws.tables import Table

    return Table(settings().require(setting))


@kept
def queue(setting: str) -> Queue:
    """The queue that a setting names."""
    from purser.aws.queues import Queue

    return Queue(settings().require(setting))


@kept
def vault() -> KeyVault:
    """What seals and opens exchange keys."""
    from purser.aws.key_vault import KeyVault

    return KeyVault(settings().require("credential_key_id"))


@kept
def account_access() -> AccountAccess:
    """Trading accounts, opened to act at their exchange."""
    from purser.trading_accounts.access import AccountAccess
    from purser.trading_accounts.store.accounts import DynamoTradingAccountStore

    return AccountAccess(DynamoTradingAccountStore(table("keys_table")), vault(), now_ms)


def has_account(owner_id: str, account_id: str) -> bool:
    """Whether a customer is this user's and not disconnected."""
    from purser.customers.store import DynamoCustomerStore

    customer = DynamoCustomerStore(table("accounts_table")).get(account_id)
    return customer is not None and customer.owner_id == owner_id and customer.disconnected_at is None
