"""What can be done with customers: create, find, change, disconnect."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

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
from purser.errors import AccountInUse, FieldError, Forbidden, InvalidInput, NotFound
from purser.ports import Sealer
from purser.retrying import until_fresh_from

SEARCHED = 10_000
"""How many of an owner's customers, newest first, one list looks at before it gives up."""


class CustomerStore(Protocol):
    """Where customers are kept. Every method may raise ``purser.errors.Unavailable``."""

    def get(self, customer_id: str) -> Customer | None:
        """A customer, whoever owns it."""

    def get_many(self, customer_ids: Sequence[str]) -> list[Customer]:
        """Customers in the order of their ids."""

    def rows(self, owner_id: str, limit: int) -> Iterator[Summary]:
        """The owner's newest ``limit`` customers in short, newest first."""

    def by_foreign_id(self, owner_id: str, foreign_id: str) -> Customer | None:
        """The owner's customer of a foreign id."""

    def add(self, customer: Customer) -> None:
        """Keeps a new customer and its claim on its foreign id, all or nothing.

        Raises:
            CustomerExists: the id is taken.
            purser.errors.ForeignIdTaken: the owner has another customer of that foreign id.
        """

    def replace(self, before: Customer, after: Customer) -> None:
        """Keeps a changed customer in the place of the one before, all or nothing.

        Raises:
            StaleCustomer: it is no longer the one before.
            purser.errors.ForeignIdTaken: as for ``add``.
            purser.errors.AccountInUse: it is disconnected, and something was linked to it at the same moment.
        """


class CustomerLinks(Protocol):
    """Links to a customer that keep it from being disconnected: its wallets, its trading accounts."""

    def is_free(self, owner_id: str, customer_id: str) -> bool:
        """Tell whether nothing of this kind is linked to the customer."""


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """What an owner gives to create a customer under the id ``id``; ``details`` may hold identifiers."""

    id: str
    owner_id: str
    account_type: AccountType
    details: Document = field(repr=False)


class Customers:
    """The use cases. ``now`` gives Unix milliseconds."""

    def __init__(
        self, store: CustomerStore, sealer: Sealer, links: Sequence[CustomerLinks], now: Callable[[], int]
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._links = links
        self._now = now

    def create(self, new: NewCustomer) -> Customer:
        """Creates a customer. Asked again with the same id, it answers the customer that is there.

        Raises:
            InvalidInput: the details break a rule.
            ForeignIdTaken: the owner has a customer of that foreign id.
            Unavailable: something of our own is down.
        """
        given, secret = divided(new.account_type, new.details)
        details = merged({}, given)
        check(new.account_type, details)
        now = self._now()
        sealed = self._seal(new.owner_id, new.id, secret)
        identifiers = {name: ciphertext for name, ciphertext in sealed.items() if ciphertext is not None}
        customer = Customer(new.id, new.owner_id, new.account_type, details, now, now, identifiers)
        try:
            self._store.add(customer)
        except CustomerExists:
            return self.get(new.owner_id, new.id)
        return customer

    def _seal(self, owner_id: str, customer_id: str, secret: Document) -> dict[str, bytes | None]:
        """The ciphertexts of identifiers, each bound to its owner, its customer and its name."""
        return {
            name: value and self._sealer.encrypt(json.dumps(value), sealing_context(owner_id, customer_id, name))
            for name, value in secret.items()
        }

    def get(self, caller_id: str, customer_id: str, *, any_owner: bool = False) -> Customer:
        """A customer, disconnected or not; ``any_owner`` reads those of others too.

        Raises:
            NotFound: no such customer.
            Forbidden: another's.
        """
        customer = self._store.get(customer_id)
        if customer is None:
            raise NotFound
        if customer.owner_id != caller_id and not any_owner:
            raise Forbidden
        return customer

    def find(self, owner_id: str, search: Search, *, skip: int, count: int) -> list[Customer]:
        """The owner's customers that a search admits, newest first: ``count`` of them after ``skip``.

        A foreign id costs two reads, whatever the owner has. Any other search reads rows of some 250 bytes until the
        page is full, and at most ``SEARCHED`` of them; then the page's customers, 100 a request.

        Raises:
            InvalidInput: the page was not full when the newest ``SEARCHED`` customers had been looked at.
        """
        if search.foreign_id is not None:
            customer = self._store.by_foreign_id(owner_id, search.foreign_id)
            found = [customer] if customer and search.admits(customer.summary) else []
            return found[skip : skip + count]
        return self._store.get_many(self._page(owner_id, search, skip, count))

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
        """Merges a change into a customer (RFC 7396) and answers it. Changes made at the same time lose no field.

        Raises:
            NotFound: no such customer.
            Forbidden: another's.
            AccountDisconnected: it is read-only.
            InvalidInput: changed so, it would break a rule.
            ForeignIdTaken: the owner has another customer of that foreign id.
            Contended: too many changes of it at once.
        """
        customer = self.get(owner_id, customer_id)
        given, secret = divided(customer.account_type, change)
        customer.patched(given, {}, self._now())  # before anything is spent on it
        sealed = self._seal(owner_id, customer_id, secret)
        return self._write(customer, lambda fresh: fresh.patched(given, sealed, self._now()))

    def disconnect(self, owner_id: str, customer_id: str) -> None:
        """Ends a customer: it stays readable, and nothing else.

        Raises:
            NotFound: no such customer.
            Forbidden: another's.
            AccountDisconnected: it is disconnected already.
            AccountInUse: a wallet of it has a balance, or a trading account of it is connected.
            Contended: too many changes of it at once.
        """
        customer = self.get(owner_id, customer_id)
        customer.check_active()
        if not all(links.is_free(owner_id, customer_id) for links in self._links):
            raise AccountInUse
        self._write(customer, lambda fresh: fresh.disconnected(self._now()))

    def _write(self, customer: Customer, change: Callable[[Customer], Customer]) -> Customer:
        def attempt(known: Customer) -> Customer:
            changed = change(known)
            self._store.replace(known, changed)
            return changed

        read = partial(self.get, customer.owner_id, customer.id)
        return until_fresh_from(customer, attempt, read, stale=StaleCustomer)


def sealing_context(owner_id: str, customer_id: str, name: str) -> dict[str, str]:
    """The KMS encryption context of an identifier."""
    return {"userId": owner_id, "accountId": customer_id, "identifier": name}
