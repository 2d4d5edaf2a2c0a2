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


class DynamoCustomerLinks:
    """``purser.customers.service.CustomerLinks`` on DynamoDB, and their check in the write that disconnects."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def is_free(self, owner_id: str, customer_id: str) -> bool:  # noqa: ARG002 - only the owner's own are ever linked
        item = self._table.get(customer_pk(customer_id), LINKS)
        return item is None or "accountIds" not in item

    def while_free(self, customer_id: str) -> Part:
        """Return the transaction part that requires ``is_free``."""
        return self._table.checking(customer_pk(customer_id), LINKS, condition="attribute_not_exists(accountIds)")
