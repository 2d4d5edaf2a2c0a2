"""Trading accounts, credentials, operations and cancellations on DynamoDB; ``items`` shows the table."""

from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from purser.trading_accounts.store.cancellations import DynamoCancellationStore
from purser.trading_accounts.store.credentials import DynamoCredentialStore
from purser.trading_accounts.store.customer_links import DynamoCustomerLinks
from purser.trading_accounts.store.operation_store import DynamoOperationStore

__all__ = [
    "DynamoCancellationStore",
    "DynamoCredentialStore",
    "DynamoCustomerLinks",
    "DynamoOperationStore",
    "DynamoTradingAccountStore",
]
