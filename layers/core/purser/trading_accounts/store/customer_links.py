"""Links of trading accounts to customers on DynamoDB, which keep a customer in use from being disconnected.

Connecting an account checks the customer and writes here. Disconnecting a customer writes the customer and checks here.
Each is one transaction, so of two at the same instant one is refused.
"""

from __future__ import annotations

from purser.aws.tables import Part, Table
from purser.keys_table import LINKS, customer_pk
from purser.trading_accounts.model import TradingAccount


def linking(table: Table, account: TradingAccount) -> list[Part]:
    """Return the transaction parts that link a new account to its customer, if it has one."""
    return _changing(table, account, "ADD")


def unlinking(table: Table, account: TradingAccount) -> list[Part]:
    """Return the transaction parts that remove the link of an account."""
    return _changing(table, account, "DELETE")


def _changing(table: Table, account: TradingAccount, action: str) -> list[Part]:
    if account.customer_id is None:
        return []
    values = {":id": {account.id}}
    return [table.updating(customer_pk(account.customer_id), LINKS, f"{action} accountIds :id", values)]


def while_unused(table: Table, customer_id: str) -> Part:
    """Return the transaction part that requires that no connected account belongs to a customer."""
    return table.checking(customer_pk(customer_id), LINKS, condition="attribute_not_exists(accountIds)")
