"""Which trading accounts belong to a customer: on DynamoDB, so that a customer in use can't be disconnected.

Who connects checks the customer and writes here; who disconnects the customer writes the customer and checks here, each
in one transaction. So of two at the same instant one is refused, whichever comes first.
"""

from __future__ import annotations

from typing import Any

from purser.aws.tables import Table
from purser.trading_accounts.model import TradingAccount
from purser.trading_accounts.store.items import TIES, customer_pk


def tying(table: Table, account: TradingAccount) -> list[dict[str, Any]]:
    """The parts of a transaction that tie a new account to its customer, where it has one."""
    return _changing(table, account, "ADD")


def untying(table: Table, account: TradingAccount) -> list[dict[str, Any]]:
    """The parts of a transaction that unlink an account that is disconnected."""
    return _changing(table, account, "DELETE")


def _changing(table: Table, account: TradingAccount, action: str) -> list[dict[str, Any]]:
    if account.customer_id is None:
        return []
    values = {":id": {account.id}}
    return [table.updating(customer_pk(account.customer_id), TIES, f"{action} accountIds :id", values)]


class DynamoCustomerLinks:
    """The ties on DynamoDB: ``purser.customers.service.CustomerLinks``, and their part in a customer's last write."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def is_free(self, owner_id: str, customer_id: str) -> bool:  # noqa: ARG002 - only the owner's own are ever tied
        """Whether no connected trading account belongs to the customer: one read."""
        item = self._table.get(customer_pk(customer_id), TIES)
        return item is None or "accountIds" not in item

    def while_free(self, customer_id: str) -> dict[str, Any]:
        """The part of a transaction that refuses it unless ``is_free``."""
        return self._table.checking(customer_pk(customer_id), TIES, condition="attribute_not_exists(accountIds)")
