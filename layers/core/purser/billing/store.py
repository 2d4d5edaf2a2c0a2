"""Subscriptions in the Accounts table.

PK                  SK                   what
USER#<user>         SUBSCRIPTION#ADMIN   the grant of an admin
USER#<user>         SUBSCRIPTION#STRIPE  the record of the user's subscription at Stripe
USER#<user>         STRIPE               the user's customer at Stripe, and those that it has replaced
STRIPE#<customer>   USER                 the user of a customer at Stripe
RECONCILIATION      STRIPE               the progress of an unfinished comparison with Stripe

A running subscription has ``runningShard`` and ``subscribedAt``, for the sparse ``RunningIndex`` in Stripe's order.
One with a reading to come has ``dueShard`` and ``dueAt``, for the sparse ``DueIndex``. A sweep moves ``dueAt`` on, and
adds the other attributes of a work item until the next reading is stored.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from contextlib import suppress

from purser.audit.model import AuditEntry
from purser.audit.store import Recording
from purser.aws.shards import shard_of
from purser.aws.tables import ConditionFailed, Item, Table, Transaction
from purser.billing.model import DueReading, Entitlements, PaidSubscription, PaymentType, Status, Subscription
from purser.billing.ports import StalePaidSubscription
from purser.correlation import KEY, correlation_id
from purser.errors import Contended
from purser.plans.model import plan_by_id
from purser.work.store import Attributes, DynamoItemStore, Layout

SUBSCRIPTIONS = "SUBSCRIPTION#"
GRANTED = SUBSCRIPTIONS + PaymentType.ADMIN
PAID = SUBSCRIPTIONS + PaymentType.STRIPE
RUNNING_SHARDS = 4
"""The partitions of the index of running subscriptions."""

DUE = "DUE"
READ_AHEAD = 200


def user_pk(user_id: str) -> str:
    """Return the partition key of a user's items."""
    return f"USER#{user_id}"


class DynamoSubscriptionStore:
    """The subscription store on DynamoDB."""

    def __init__(self, table: Table, recording: Recording) -> None:
        self._table = table
        self._recording = recording

    def get(self, user_id: str) -> Entitlements:
        """Return the user's entitlements, in one query. A grant whose plan left the catalog does not count."""
        values = {":pk": user_pk(user_id), ":kind": SUBSCRIPTIONS}
        items = self._table.query("PK = :pk AND begins_with(SK, :kind)", values, consistent=True)
        found = {item["SK"]: item for item in items}
        granted, paid = found.get(GRANTED), found.get(PAID)
        return Entitlements(_grant_of(user_id, granted) if granted else None, _paid_of(user_id, paid) if paid else None)

    def put_grant(self, grant: Subscription, entry: AuditEntry) -> None:
        item = {
            "PK": user_pk(grant.user_id),
            "SK": GRANTED,
            "planId": grant.plan.id,
            "createdAt": grant.created_at,
            "updatedAt": grant.updated_at,
        }
        with Transaction() as write:
            write.add(self._table.putting(item), *self._recording(entry))

    def remove_grant(self, user_id: str, entry: AuditEntry) -> None:
        grant = self._table.deleting(user_pk(user_id), GRANTED, condition="attribute_exists(PK)")
        with suppress(ConditionFailed), Transaction() as write:
            write.add(grant, refused=ConditionFailed)
            write.add(*self._recording(entry))

    def put_paid(self, paid: PaidSubscription) -> None:
        self._table.put(_paid_item(paid), at_version=paid.version, refused=StalePaidSubscription)

    def running(self, until: int) -> Iterator[PaidSubscription]:
        items = heapq.merge(
            *(self._running(str(shard), until) for shard in range(RUNNING_SHARDS)),
            key=lambda item: int(item["subscribedAt"]),
            reverse=True,
        )
        return (_paid_of(item["PK"].removeprefix(user_pk("")), item) for item in items)

    def _running(self, shard: str, until: int) -> Iterator[Item]:
        return self._table.query(
            "runningShard = :shard AND subscribedAt <= :until",
            {":shard": shard, ":until": until},
            index="RunningIndex",
            newest_first=True,
            page_size=READ_AHEAD,
        )


def _reading_of(item: Item) -> DueReading:
    return DueReading(item["PK"].removeprefix(user_pk("")), item["customerId"], **Attributes().read(item))


READINGS = Layout(lambda user_id: (user_pk(user_id), PAID), _reading_of, shards=())
"""Readings have no shards of their own, because an index finds those that are due."""


class DynamoDueReadingStore(DynamoItemStore[DueReading]):
    """The store of due readings on DynamoDB."""

    def __init__(self, table: Table) -> None:
        super().__init__(table, READINGS)

    def get(self, *key: str) -> DueReading | None:
        item = self._table.get(*READINGS.key(*key))
        return _reading_of(item) if item and "dueAt" in item else None

    def due(self, now: int) -> Iterator[DueReading]:
        condition, values = "dueShard = :due AND dueAt <= :now", {":due": DUE, ":now": now}
        for item in self._table.query(condition, values, index="DueIndex", page_size=READ_AHEAD):
            # The index lags, and does not have the version.
            reading = self.get(item["PK"].removeprefix(user_pk("")))
            if reading and reading.is_due(now):
                yield reading


class DynamoProgress:
    """The progress of an unfinished comparison on DynamoDB."""

    KEY = ("RECONCILIATION", "STRIPE")

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self) -> int | None:
        item = self._table.get(*self.KEY)
        return int(item["until"]) if item else None

    def keep(self, until: int) -> None:
        pk, sk = self.KEY
        self._table.put({"PK": pk, "SK": sk, "until": until})

    def finish(self) -> None:
        self._table.delete(*self.KEY)


class DynamoStripeCustomerStore:
    """The links between users and customers at Stripe on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def customer_of(self, user_id: str) -> str | None:
        return next(iter(self.customers_of(user_id)), None)

    def customers_of(self, user_id: str) -> list[str]:
        item = self._table.get(user_pk(user_id), "STRIPE")
        return [item["customerId"], *item.get("formerIds", ())] if item else []

    def user_of(self, customer_id: str) -> str | None:
        item = self._table.get(f"STRIPE#{customer_id}", "USER")
        return item["userId"] if item else None

    def link(self, user_id: str, customer_id: str, instead_of: str | None = None) -> str:
        absent = "attribute_not_exists(PK)"
        condition, values = ("customerId = :former", {":former": instead_of}) if instead_of else (absent, None)
        # If they are not all, the condition does not hold either.
        former = self.customers_of(user_id) if instead_of else []
        user_item = {"PK": user_pk(user_id), "SK": "STRIPE", "customerId": customer_id, "formerIds": former or None}
        customer_item = {"PK": f"STRIPE#{customer_id}", "SK": "USER", "userId": user_id}
        try:
            with Transaction() as write:
                write.add(self._table.putting(user_item, condition=condition, values=values), refused=ConditionFailed)
                write.add(self._table.putting(customer_item, condition=absent), refused=ConditionFailed)
        except ConditionFailed:
            first = self.customer_of(user_id)
            if first in (None, instead_of):
                raise Contended from None
            return first
        return customer_id


def _grant_of(user_id: str, item: Item) -> Subscription | None:
    plan = plan_by_id(item["planId"])
    if plan is None:
        return None
    return Subscription(user_id, plan, PaymentType.ADMIN, int(item["createdAt"]), int(item["updatedAt"]))


def _paid_of(user_id: str, item: Item) -> PaidSubscription:
    return PaidSubscription(
        user_id=user_id,
        customer_id=item["customerId"],
        subscription_id=item["subscriptionId"],
        status=Status(item["status"]),
        plan=plan_by_id(item["planId"]) if "planId" in item else None,
        past_due_since=int(item["pastDueSince"]) if "pastDueSince" in item else None,
        created_at=int(item["createdAt"]),
        updated_at=int(item["updatedAt"]),
        duplicates=_duplicates_of(item),
        due_at=int(item["dueAt"]) if "dueAt" in item else None,
        version=int(item["version"]),
    )


def _duplicates_of(item: Item) -> Mapping[str, str]:
    """Return the duplicates, each with the subscription that it ran beside. Earlier versions stored only their ids."""
    stored: dict[str, str] | list[str] = item.get("duplicates", {})
    return stored if isinstance(stored, dict) else dict.fromkeys(stored, str(item["subscriptionId"]))


def _paid_item(paid: PaidSubscription) -> Item:
    return {
        "PK": user_pk(paid.user_id),
        "SK": PAID,
        "customerId": paid.customer_id,
        "subscriptionId": paid.subscription_id,
        "status": paid.status.value,
        "planId": paid.plan.id if paid.plan else None,
        "pastDueSince": paid.past_due_since,
        "createdAt": paid.created_at,
        "updatedAt": paid.updated_at,
        "duplicates": dict(paid.duplicates) or None,
        "runningShard": str(shard_of(paid.user_id, RUNNING_SHARDS)) if paid.is_running else None,
        "subscribedAt": paid.created_at,
        "dueShard": DUE if paid.due_at is not None else None,
        "dueAt": paid.due_at,
        KEY: correlation_id(),
        "version": paid.version + 1,
    }
