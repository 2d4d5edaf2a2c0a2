"""Links of wallets to customers on DynamoDB, which keep a customer with a balance from being disconnected.

Creating a wallet of a customer checks that the customer is active and advances the version of its links. So does each
posting that can leave such a wallet with a balance. Disconnecting a customer reads the version, then the balances, and
checks the version in its write. Of two at the same instant, one is refused or reads again.
"""

from __future__ import annotations

from collections.abc import Callable

from purser.aws.tables import Part, Table
from purser.ledger.model import Wallet
from purser.ledger.ports import NoSuchCustomer
from purser.ledger.store.items import LINKS, customer_pk

WhileActive = Callable[[str, str], Part]
"""Returns the transaction part that requires an owner's customer to be active."""


class CustomerLinks:
    """Makes the parts of transactions that create a wallet or post to one.

    Without ``while_active`` no wallet can belong to a customer.
    """

    def __init__(self, table: Table, while_active: WhileActive | None) -> None:
        self._table = table
        self._while_active = while_active

    def creating(self, wallet: Wallet) -> list[Part]:
        """Return the parts that link a new wallet to its customer, if it has one."""
        if wallet.account_id is None:
            return []
        action, values = "ADD version :one, walletIds :id", {":one": 1, ":id": {wallet.id}}
        link = self._table.updating(customer_pk(wallet.account_id), LINKS, action, values)
        return [self._active(wallet.owner_id, wallet.account_id), link]

    def posting(self, owner_id: str, customer_id: str) -> list[Part]:
        """Return the parts of a posting that can leave a customer's wallet with a balance."""
        link = self._table.updating(customer_pk(customer_id), LINKS, "ADD version :one", {":one": 1})
        return [self._active(owner_id, customer_id), link]

    def _active(self, owner_id: str, customer_id: str) -> Part:
        if self._while_active is None:
            raise NoSuchCustomer
        return self._while_active(owner_id, customer_id)
