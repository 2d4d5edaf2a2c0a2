"""Trading accounts, their credentials, and cancelling the orders of disconnected ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from purser.bootstrap.adapters import account_access, has_account, queue, table, vault
from purser.bootstrap.billing import subscriptions
from purser.bootstrap.exchanges import exchange_gateway
from purser.bootstrap.snapshots import backfill_requests
from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.aws.queues import Queue
    from purser.credentials.service import Credentials
    from purser.disconnecting.model import Cancellation
    from purser.disconnecting.service import Cancellations
    from purser.trading_accounts.desk import Desk
    from purser.trading_accounts.service import TradingAccounts
    from purser.work.sweeper import Sweeper


@kept
def trading_accounts() -> TradingAccounts:
    """The use cases of trading accounts."""
    from purser.trading_accounts.service import TradingAccounts
    from purser.trading_accounts.store.accounts import DynamoTradingAccountStore

    return TradingAccounts(
        store=DynamoTradingAccountStore(table("keys_table"), _while_active),
        vault=vault(),
        gateway=exchange_gateway(),
        plans=subscriptions(),
        cancellations=cancellations(),
        backfills=backfill_requests(),
        now=now_ms,
        usdc_usd=settings().usdc_usd,
    )


def _while_active(owner_id: str, customer_id: str) -> dict[str, Any]:
    from purser.customers.store import DynamoCustomerStore

    return DynamoCustomerStore(table("accounts_table")).while_active(owner_id, customer_id)


@kept
def credentials() -> Credentials:
    """The use cases of credentials."""
    from purser.credentials.service import Credentials, Exchanges
    from purser.credentials.store.credentials import DynamoCredentialStore
    from purser.trading_accounts.key_validator import KeyValidator
    from purser.trading_accounts.store.accounts import DynamoTradingAccountStore

    gateway, keys = exchange_gateway(), table("keys_table")
    key_validator = KeyValidator(gateway, now_ms, settings().usdc_usd)
    exchanges = Exchanges(gateway, key_validator, account_access(), cancellations())
    return Credentials(
        DynamoCredentialStore(keys), DynamoTradingAccountStore(keys), vault(), exchanges, subscriptions(), now_ms
    )


@kept
def desk() -> Desk:
    """The use cases of trading accounts as the desk sees them."""
    from purser.operations.store import DynamoOperationStore
    from purser.trading_accounts.desk import Desk
    from purser.trading_accounts.store.accounts import DynamoTradingAccountStore

    keys = table("keys_table")
    return Desk(
        trading_accounts(), credentials(), DynamoTradingAccountStore(keys), DynamoOperationStore(keys), has_account
    )


@kept
def cancellation_queue() -> Queue:
    """The queue of order cancellations."""
    return queue("cancellation_queue_url")


@kept
def cancellations() -> Cancellations:
    """Cancelling the orders of disconnected trading accounts."""
    from purser.disconnecting.service import Cancellations
    from purser.disconnecting.store.cancellations import DynamoCancellationStore

    store = DynamoCancellationStore(table("keys_table"))
    return Cancellations(store, vault(), exchange_gateway(), cancellation_queue(), now_ms)


@kept
def cancellation_sweeper() -> Sweeper[Cancellation]:
    """Queueing the order cancellations that are due."""
    from purser.disconnecting.model import PATIENCE_MS
    from purser.disconnecting.store.cancellations import DynamoCancellationStore
    from purser.work.sweeper import Sweeper

    return Sweeper(DynamoCancellationStore(table("keys_table")), cancellation_queue(), now_ms, PATIENCE_MS)
