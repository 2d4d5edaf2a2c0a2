"""The customer store in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from purser.customers.model import Customer, CustomerExists, StaleCustomer, Summary
from purser.errors import AccountInUse, ForeignIdTaken, TooManyAccounts


class FakeCustomers:
    """The customer store, atomic under a lock. The next ``stale`` replacements find the customer changed.

    ``used`` are the customers that have a balance or a connected trading account.
    """

    def __init__(self) -> None:
        self.customers: dict[str, Customer] = {}
        self.used: set[str] = set()
        self.stale = 0
        self.rows_read = 0
        self._lock = threading.Lock()

    def get(self, customer_id: str) -> Customer | None:
        return self.customers.get(customer_id)

    def get_many(self, customer_ids: Sequence[str]) -> list[Customer]:
        return [self.customers[customer_id] for customer_id in customer_ids if customer_id in self.customers]

    def rows(self, owner_id: str, limit: int) -> Iterator[Summary]:
        owned = [customer for customer in self.customers.values() if customer.owner_id == owner_id]
        newest_first = sorted(owned, key=lambda customer: (customer.created_at, customer.id), reverse=True)
        for customer in newest_first[:limit]:
            self.rows_read += 1
            yield customer.summary

    def by_foreign_id(self, owner_id: str, foreign_id: str) -> Customer | None:
        claim = (owner_id, foreign_id)
        return next((c for c in self.customers.values() if (c.owner_id, c.claimed_foreign_id) == claim), None)

    def add(self, customer: Customer, most: int | None = None) -> None:
        with self._lock:
            if customer.id in self.customers:
                raise CustomerExists
            owned = [c for c in self.customers.values() if c.owner_id == customer.owner_id]
            if most is not None and sum(c.disconnected_at is None for c in owned) >= most:
                raise TooManyAccounts
            self._keep(customer)

    def replace(self, before: Customer, after: Customer) -> None:
        with self._lock:
            known = self.customers.get(before.id)
            if self.stale or known is None or known.version != before.version:
                self.stale = max(0, self.stale - 1)
                raise StaleCustomer
            if after.disconnected_at is not None and after.id in self.used:
                raise AccountInUse
            self._keep(after)

    def _keep(self, customer: Customer) -> None:
        claim = customer.claimed_foreign_id
        other = claim and self.by_foreign_id(customer.owner_id, claim)
        if other and other.id != customer.id:
            raise ForeignIdTaken
        self.customers[customer.id] = customer
