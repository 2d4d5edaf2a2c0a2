"""The use cases of customers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from purser.actor import Actor
from purser.audit.model import Action
from purser.customers.model import (
    AccountType,
    Customer,
    CustomerExists,
    Document,
    Search,
    StaleCustomer,
    Summary,
    check,
    divided,
    merged,
)
from purser.errors import FieldError, Forbidden, InvalidInput, NotFound
from purser.ports import Audit, Sealer
from purser.retrying import until_fresh_from

SEARCHED = 10_000
"""The number of an owner's newest customers that a list searches at most."""


class CustomerStore(Protocol):
    """The store of customers. Every method may raise ``purser.errors.Unavailable``."""

    def get(self, customer_id: str) -> Customer | None:
        """Return any owner's customer."""

    def get_many(self, customer_ids: Sequence[str]) -> list[Customer]:
        """Return customers in the order of ``customer_ids``."""

    def rows(self, owner_id: str, limit: int) -> Iterator[Summary]:
        """Return the rows of the owner's newest ``limit`` customers, newest first."""

    def by_foreign_id(self, owner_id: str, foreign_id: str) -> Customer | None:
        """Return the owner's active customer with a foreign id."""

    def add(self, customer: Customer, most: int | None = None) -> None:
        """Store a new customer, of which the owner may have ``most`` that are active.

        Raises:
            purser.errors.TooManyAccounts: the owner has as many.
            CustomerExists: the id is taken.
            purser.errors.ForeignIdTaken: the owner has another customer with this foreign id.
        """

    def replace(self, before: Customer, after: Customer) -> None:
        """Replace a customer.

        Raises:
            StaleCustomer: the stored customer is no longer ``before``.
            purser.errors.ForeignIdTaken: as ``add``.
            purser.errors.AccountInUse: ``after`` is disconnected, but one of its wallets has a balance, or one of its
                trading accounts is connected.
        """


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A customer to create. ``details`` may contain identifiers."""

    id: str
    owner_id: str
    account_type: AccountType
    details: Document = field(repr=False)


class Customers:
    """The use cases. ``now`` gives Unix milliseconds."""

    def __init__(self, store: CustomerStore, sealer: Sealer, audit: Audit, now: Callable[[], int]) -> None:
        self._store = store
        self._sealer = sealer
        self._audit = audit
        self._now = now

    def create(self, new: NewCustomer, *, most: int | None = None) -> Customer:
        """Create a customer. A repeat with the same id returns the existing one.

        Raises:
            InvalidInput: the details break a rule.
            ForeignIdTaken: the owner has a customer with this foreign id.
            TooManyAccounts: the owner has ``most`` active customers.
        """
        given, secret = divided(new.account_type, new.details)
        details = merged({}, given)
        check(new.account_type, details)
        now = self._now()
        sealed = self._seal(new.owner_id, new.id, secret)
        identifiers = {name: ciphertext for name, ciphertext in sealed.items() if ciphertext is not None}
        customer = Customer(new.id, new.owner_id, new.account_type, details, now, now, identifiers)
        try:
            self._store.add(customer, most)
        except CustomerExists:
            return self._own(new.owner_id, new.id)
        return customer

    def _seal(self, owner_id: str, customer_id: str, secret: Document) -> dict[str, bytes | None]:
        """Encrypt identifiers, each bound to its owner, customer and name."""
        return {
            name: value and self._sealer.encrypt(json.dumps(value), sealing_context(owner_id, customer_id, name))
            for name, value in secret.items()
        }

    def get(self, actor: Actor, customer_id: str) -> Customer:
        """Return one of the actor's customers (any for an admin), disconnected or not.

        Raises:
            NotFound: no such customer.
            Forbidden: the customer is another owner's.
        """
        customer = self._store.get(customer_id)
        if customer is None:
            raise NotFound
        if customer.owner_id != actor.user_id and not actor.is_admin:
            raise Forbidden
        self._audit.read(actor, Action.ACCOUNT_READ, f"account/{customer_id}", customer.owner_id)
        return customer

    def _own(self, owner_id: str, customer_id: str) -> Customer:
        return self.get(Actor(owner_id), customer_id)

    def find(self, owner_id: str, search: Search, *, skip: int, count: int) -> list[Customer]:
        """Return the owner's customers that match a search, newest first: ``count`` of them after ``skip``.

        A search by foreign id among active customers costs two reads. Any other search reads rows of some 250 bytes
        until the page is full.

        Raises:
            InvalidInput: the newest ``SEARCHED`` customers did not fill the page, and there are more.
        """
        if search.foreign_id is not None and not search.include_disconnected:
            customer = self._store.by_foreign_id(owner_id, search.foreign_id)
            found = [customer] if customer and search.admits(customer.summary) else []
            return found[skip : skip + count]
        found = self._store.get_many(self._page(owner_id, search, skip, count))
        return [customer for customer in found if customer.owner_id == owner_id]

    def _page(self, owner_id: str, search: Search, skip: int, count: int) -> list[str]:
        wanted: list[str] = []
        for looked_at, row in enumerate(self._store.rows(owner_id, SEARCHED + 1)):
            if looked_at == SEARCHED:
                text = f"reaches beyond the newest {SEARCHED} accounts; search by foreignID"
                raise InvalidInput([FieldError(("skip",), text, "query", skip)])
            if search.admits(row):
                wanted.append(row.id)
            if len(wanted) == skip + count:
                break
        return wanted[skip:]

    def update(self, owner_id: str, customer_id: str, change: Document) -> Customer:
        """Merge a change into a customer (RFC 7396), and return it. Concurrent changes lose no field.

        Raises:
            NotFound, Forbidden: as ``get``.
            AccountDisconnected, InvalidInput: as ``Customer.patched``.
            ForeignIdTaken: the owner has another customer with this foreign id.
            Contended: too many concurrent changes.
        """
        customer = self._own(owner_id, customer_id)
        given, secret = divided(customer.account_type, change)
        customer.patched(given, {}, self._now())  # refuse an invalid change before encrypting
        sealed = self._seal(owner_id, customer_id, secret)
        return self._write(customer, lambda fresh: fresh.patched(given, sealed, self._now()))

    def disconnect(self, owner_id: str, customer_id: str) -> None:
        """Disconnect a customer for good. It stays readable.

        Raises:
            NotFound, Forbidden: as ``get``.
            AccountDisconnected: it is disconnected already.
            AccountInUse: one of its wallets has a balance, or one of its trading accounts is connected.
            Contended: too many concurrent changes.
        """
        customer = self._own(owner_id, customer_id)
        self._write(customer, lambda fresh: fresh.disconnected(self._now()))

    def _write(self, customer: Customer, change: Callable[[Customer], Customer]) -> Customer:
        def attempt(known: Customer) -> Customer:
            changed = change(known)
            self._store.replace(known, changed)
            return changed

        read = partial(self._own, customer.owner_id, customer.id)
        return until_fresh_from(customer, attempt, read, stale=StaleCustomer)


def sealing_context(owner_id: str, customer_id: str, name: str) -> dict[str, str]:
    """Return the KMS encryption context of an identifier."""
    return {"userId": owner_id, "accountId": customer_id, "identifier": name}
