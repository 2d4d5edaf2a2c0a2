"""Customers in the Accounts table.

    PK                  SK                            what
    CUSTOMER#<id>       CUSTOMER                      a customer, with its owner
    OWNER#<owner>       CUSTOMER#<created ms>#<id>    its row in the owner's list, in order of creation
    OWNER#<owner>       FOREIGN#<foreign id>          the active customer with a foreign id
    OWNER#<owner>       COUNT                         the number of an owner's active customers

A change that affects the row or the foreign id is one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from purser.aws.counts import Count
from purser.aws.integrity import identity
from purser.aws.tables import Item, Part, Table, Transaction
from purser.customers.model import AccountType, Capability, Customer, CustomerExists, StaleCustomer, Summary
from purser.errors import ForeignIdTaken, TooManyAccounts

CUSTOMER = "CUSTOMER"
NEW = "attribute_not_exists(PK)"
ROWS_A_REQUEST = 1000
"""Some 250 KB, a quarter of what one query can return."""

LinkCheck = tuple[Callable[[str], Part], type[Exception]]
"""Returns the part that requires data elsewhere not to use a customer, or raises ``AccountInUse``; and its refusal."""


def _pk(customer_id: str) -> str:
    return f"CUSTOMER#{customer_id}"


def _owner_pk(owner_id: str) -> str:
    return f"OWNER#{owner_id}"


def _row_sk(customer: Customer) -> str:
    return f"CUSTOMER#{customer.created_at:013d}#{customer.id}"


class DynamoCustomerStore:
    """The customer store on DynamoDB.

    ``link_checks`` are made in the write that disconnects a customer, since its data elsewhere keeps it in use.
    """

    def __init__(self, table: Table, link_checks: Sequence[LinkCheck] = ()) -> None:
        self._table = table
        self._link_checks = link_checks
        self._count = Count(table, "customers", TooManyAccounts)

    def get(self, customer_id: str) -> Customer | None:
        item = self._table.get(_pk(customer_id), CUSTOMER)
        return customer_of(item) if item else None

    def get_many(self, customer_ids: Sequence[str]) -> list[Customer]:
        items = self._table.get_many([(_pk(customer_id), CUSTOMER) for customer_id in customer_ids])
        found = {customer.id: customer for customer in map(customer_of, items)}
        return [found[customer_id] for customer_id in customer_ids if customer_id in found]

    def rows(self, owner_id: str, limit: int | None = None) -> Iterator[Summary]:
        """Return rows, read ``ROWS_A_REQUEST`` at a time as they are taken."""
        items = self._table.query(
            "PK = :pk AND begins_with(SK, :kind)",
            {":pk": _owner_pk(owner_id), ":kind": "CUSTOMER#"},
            limit=limit,
            newest_first=True,
            consistent=True,
            page_size=ROWS_A_REQUEST,
        )
        return map(_summary_of, items)

    def by_foreign_id(self, owner_id: str, foreign_id: str) -> Customer | None:
        claim = self._table.get(_owner_pk(owner_id), f"FOREIGN#{foreign_id}")
        customer = self.get(claim["customerId"]) if claim else None
        return customer if customer and customer.owner_id == owner_id else None

    def add(self, customer: Customer, most: int | None = None) -> None:
        def attempt() -> None:
            with Transaction() as write:
                write.add(self._table.putting(_item(customer), condition=NEW), refused=CustomerExists)
                write.add(self._table.putting(_row(customer)))
                write.add(*self._claiming(customer), refused=ForeignIdTaken)
                write.add(self._count.changing(_owner_pk(customer.owner_id), 1, most), refused=self._count.refusal)

        self._counted(customer.owner_id, attempt)

    def _counted(self, owner_id: str, write: Callable[[], None]) -> None:
        """Make a write that changes the count of an owner's active customers."""

        def count() -> int:
            return sum(not row.disconnected for row in self.rows(owner_id))

        self._count.kept(_owner_pk(owner_id), count, write)

    def replace(self, before: Customer, after: Customer) -> None:
        others = self._changes_elsewhere(before, after)
        if not others:
            self._table.put(_item(after), at_version=before.version, refused=StaleCustomer)
            return
        disconnects = before.disconnected_at is None and after.disconnected_at is not None

        def attempt() -> None:
            with Transaction() as write:
                write.add(self._table.putting(_item(after), at_version=before.version), refused=StaleCustomer)
                if disconnects:
                    for check, refused in self._link_checks:
                        write.add(check(after.id), refused=refused)
                    write.add(self._count.changing(_owner_pk(after.owner_id), -1), refused=self._count.refusal)
                write.add(*others, refused=ForeignIdTaken)

        self._counted(after.owner_id, attempt)

    def while_active(self, owner_id: str, customer_id: str) -> Part:
        """Return the check that an owner's customer is active."""
        condition = "ownerId = :owner AND attribute_not_exists(disconnectedAt)"
        return self._table.checking(_pk(customer_id), CUSTOMER, condition=condition, values={":owner": owner_id})

    def _changes_elsewhere(self, before: Customer, after: Customer) -> list[Part]:
        parts = [] if before.summary == after.summary else [self._table.putting(_row(after))]
        if before.claimed_foreign_id == after.claimed_foreign_id:
            return parts
        if before.claimed_foreign_id is not None:
            parts.append(self._table.deleting(_owner_pk(before.owner_id), f"FOREIGN#{before.claimed_foreign_id}"))
        return [*parts, *self._claiming(after)]

    def _claiming(self, customer: Customer) -> list[Part]:
        if customer.claimed_foreign_id is None:
            return []
        claim = {
            "PK": _owner_pk(customer.owner_id),
            "SK": f"FOREIGN#{customer.claimed_foreign_id}",
            "customerId": customer.id,
        }
        return [self._table.putting(claim, condition=NEW)]


def _item(customer: Customer) -> Item:
    return {
        "PK": _pk(customer.id),
        "SK": CUSTOMER,
        "customerId": customer.id,
        "ownerId": customer.owner_id,
        "accountType": customer.account_type.value,
        "details": customer.details,
        "identifiers": customer.identifiers,
        "createdAt": customer.created_at,
        "updatedAt": customer.updated_at,
        "disconnectedAt": customer.disconnected_at,
        "version": customer.version,
    }


def customer_of(item: Item) -> Customer:
    """Return the customer in an item."""
    return Customer(
        id=identity(item, "PK", "customerId"),
        owner_id=item["ownerId"],
        account_type=AccountType(item["accountType"]),
        details=item["details"],
        identifiers=item["identifiers"],
        created_at=int(item["createdAt"]),
        updated_at=int(item["updatedAt"]),
        disconnected_at=int(item["disconnectedAt"]) if "disconnectedAt" in item else None,
        version=int(item["version"]),
    )


def _row(customer: Customer) -> Item:
    summary = customer.summary
    return {
        "PK": _owner_pk(customer.owner_id),
        "SK": _row_sk(customer),
        "customerId": summary.id,
        "accountType": summary.account_type.value,
        "names": summary.names,
        "email": summary.email,
        "foreignId": summary.foreign_id,
        "capabilities": [capability.value for capability in summary.capabilities] or None,
        "disconnected": summary.disconnected or None,
    }


def _summary_of(item: Item) -> Summary:
    return Summary(
        id=item["customerId"],
        account_type=AccountType(item["accountType"]),
        names=item["names"],
        email=item.get("email"),
        foreign_id=item.get("foreignId"),
        capabilities=tuple(map(Capability, item.get("capabilities", ()))),
        disconnected=item.get("disconnected", False),
    )
