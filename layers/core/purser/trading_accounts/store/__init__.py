"""Trading accounts, credentials, operations and cancellations on DynamoDB; ``items`` shows the table."""

from purser.trading_accounts.store.accounts import DynamoTradingAccounts
from purser.trading_accounts.store.cancellations import DynamoCancellations
from purser.trading_accounts.store.credentials import DynamoCredentials
from purser.trading_accounts.store.operations import DynamoOperations
from purser.trading_accounts.store.ties import DynamoTies

__all__ = ["DynamoCancellations", "DynamoCredentials", "DynamoOperations", "DynamoTies", "DynamoTradingAccounts"]
