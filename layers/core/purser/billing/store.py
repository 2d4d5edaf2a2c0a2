"""Subscriptions in the Accounts table: ``PK=USER#<sub>, SK=SUBSCRIPTION``."""

from __future__ import annotations

from contextlib import suppress

from purser.aws.tables import ConditionFailed, Table
from purser.billing.model import PaymentType, Subscription, plan_by_id

SORT_KEY = "SUBSCRIPTION"


class DynamoSubscriptions:
    """The subscription store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, user_id: str) -> Subscription | None:
        """The user's subscription; None without one, or when its plan has left the catalog."""
        item = self._table.get(f"USER#{user_id}", SORT_KEY)
        plan = plan_by_id(item["planId"]) if item else None
        if item is None or plan is None:
            return None
        return Subscription(
            user_id, plan, PaymentType(item["paymentType"]), int(item["createdAt"]), int(item["updatedAt"])
        )

    def put(self, subscription: Subscription) -> None:
        """Keeps a subscription in the place of the one before."""
        self._table.put(
            {
                "PK": f"USER#{subscription.user_id}",
                "SK": SORT_KEY,
                "planId": subscription.plan.id,
                "paymentType": subscription.payment_type.value,
                "createdAt": subscription.created_at,
                "updatedAt": subscription.updated_at,
            }
        )

    def remove(self, user_id: str, payment_type: PaymentType) -> None:
        """Forgets the user's subscription if it is paid in that way."""
        condition, values = "paymentType = :type", {":type": payment_type.value}
        with suppress(ConditionFailed):
            self._table.delete(f"USER#{user_id}", SORT_KEY, condition=condition, values=values)
