"""Trading accounts and cancellations on DynamoDB; ``items`` shows the table."""

from purser.trading_accounts.store.accounts import DynamoTradingAccounts
from purser.trading_accounts.store.cancellations import DynamoCancellations

__all__ = ["DynamoCancellations", "DynamoTradingAccounts"]
