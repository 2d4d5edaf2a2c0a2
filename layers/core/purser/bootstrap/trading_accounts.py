"""Trading accounts, their credentials, and the cancelling of orders after a disconnect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import account_access, account_store, audit, has_account, queue, table, vault
from purser.bootstrap.billing import subscriptions
from purser.bootstrap.exchanges import exchange_gateway
from purser.bootstrap.snapshots import backfill_requests
from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.credentials.service import Credentials
    from purser.disconnecting.model import Cancellation
    from purser.disconnecting.service import Cancellations
    from purser.trading_accounts.desk import Desk
    from purser.trading_accounts.service import TradingAccounts
    from purser.work.sweeper import Sweeper
    from purser.work.telemetry import PowertoolsWorkTelemetry


@kept
def trading_accounts() -> TradingAccounts:
    """The use cases of trading accounts."""
    from purser.trading_accounts.service import TradingAccounts

    return TradingAccounts(
        store=account_store(),
        vault=vault(),
        gateway=exchange_gateway(),
        plans=subscriptions(),
        cancellations=cancellations(),
        backfills=backfill_requests(),
        now=now_ms,
        usdc_usd=settings().usdc_usd,
    )


@kept
def credentials() -> Credentials:
    """The use cases of credentials."""
    from purser.credentials.service import Credentials, Exchanges
    from purser.credentials.store.credentials import DynamoCredentialStore
    from purser.exchanges.store import DynamoBudgetStore
    from purser.trading_accounts.key_validator import KeyValidator

    gateway, store = exchange_gateway(), DynamoCredentialStore(table("keys_table"))
    key_validator = KeyValidator(gateway, now_ms, settings().usdc_usd)
    exchanges = Exchanges(gateway, key_validator, account_access(), cancellations())
    counters = DynamoBudgetStore(table("venues_table"))
    return Credentials(store, account_store(), vault(), exchanges, subscriptions(), counters, now_ms)


@kept
def desk() -> Desk:
    """The use cases of the desk API's trading accounts."""
    from purser.operations.store import DynamoOperationStore
    from purser.trading_accounts.desk import Desk

    operations = DynamoOperationStore(table("keys_table"))
    return Desk(trading_accounts(), credentials(), account_store(), operations, has_account, audit())


@kept
def cancellations() -> Cancellations:
    """The use cases of cancellations."""
    from purser.disconnecting.service import Cancellations
    from purser.disconnecting.store.cancellations import DynamoCancellationStore
    from purser.exchanges.budget import Purpose

    store, gateway = DynamoCancellationStore(table("keys_table")), exchange_gateway().spending(Purpose.CLOSING)
    return Cancellations(store, vault(), gateway, queue("cancellation_queue_url"), _work_telemetry(), now_ms)


@kept
def cancellation_sweeper() -> Sweeper[Cancellation]:
    """The sweeper that queues due cancellations."""
    from purser.disconnecting.service import cancellation_sweeper
    from purser.disconnecting.store.cancellations import DynamoCancellationStore

    store = DynamoCancellationStore(table("keys_table"))
    return cancellation_sweeper(store, queue("cancellation_queue_url"), _work_telemetry(), now_ms)


@kept
def _work_telemetry() -> PowertoolsWorkTelemetry:
    from purser.work.telemetry import PowertoolsWorkTelemetry

    return PowertoolsWorkTelemetry(settings().powertools_metrics_namespace)
