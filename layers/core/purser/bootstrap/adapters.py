"""Adapters that several domains use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.audit.model import AuditEntry
    from purser.audit.service import Audit
    from purser.aws.key_vault import KeyVault
    from purser.aws.queues import Queue
    from purser.aws.secrets import Secret
    from purser.aws.tables import Table
    from purser.trading_accounts.key_status import AccountAccess
    from purser.trading_accounts.store.accounts import DynamoTradingAccountStore


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
def secret(setting: str) -> Secret:
    """The secret that a setting names."""
    from purser.aws.secrets import Secret

    return Secret(settings().require(setting))


@kept
def vault() -> KeyVault:
    """The vault that encrypts and decrypts exchange secrets."""
    from purser.aws.key_vault import KeyVault

    return KeyVault(settings().require("credential_key_id"))


@kept
def account_store() -> DynamoTradingAccountStore:
    """The store of trading accounts."""
    from purser.trading_accounts.store.accounts import DynamoTradingAccountStore

    return DynamoTradingAccountStore(table("keys_table"), while_active, recording)


def while_active(owner_id: str, customer_id: str) -> dict[str, Any]:
    """Return the transaction part that requires an owner's customer to be active."""
    from purser.customers.store import DynamoCustomerStore

    return DynamoCustomerStore(table("accounts_table")).while_active(owner_id, customer_id)


@kept
def account_access() -> AccountAccess:
    """Access to trading accounts with their decrypted credentials."""
    from purser.trading_accounts.key_status import AccountAccess

    return AccountAccess(account_store(), vault(), now_ms)


def recording(entry: AuditEntry) -> list[dict[str, Any]]:
    """Return the transaction parts that record an act in the audit trail."""
    from purser.audit.store import recording

    return recording(table("audit_table"), entry)


@kept
def audit() -> Audit:
    """The use cases of the audit trail."""
    from purser.audit.service import Audit
    from purser.audit.store import DynamoAuditStore

    return Audit(DynamoAuditStore(table("audit_table")), now_ms)


def has_user(user_id: str) -> bool:
    """Tell whether there is a user with an id."""
    from purser.users.cognito import CognitoDirectory

    return CognitoDirectory(settings().require("user_pool_id")).find(user_id) is not None


def may_sign_in(username: str) -> bool:
    """Tell whether there is a user with a username, who is not disabled."""
    from purser.users.cognito import CognitoDirectory

    return CognitoDirectory(settings().require("user_pool_id")).is_enabled(username)


def has_account(owner_id: str, account_id: str) -> bool:
    """Tell whether a customer is this user's and not disconnected."""
    from purser.customers.store import DynamoCustomerStore

    customer = DynamoCustomerStore(table("accounts_table")).get(account_id)
    return customer is not None and customer.owner_id == owner_id and customer.disconnected_at is None
