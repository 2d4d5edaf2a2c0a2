"""Logs and metrics of billing."""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from purser.billing.model import PaidSubscription, Refund


class PowertoolsBillingTelemetry:
    """The telemetry port on the logs of a function, and on its metrics in ``namespace``."""

    def __init__(self, namespace: str) -> None:
        self._logger = Logger()
        self._metrics = Metrics(namespace=namespace)

    def noted(self, paid: PaidSubscription) -> None:
        self._logger.info("subscription recorded", extra=_which(paid) | {"due": paid.due_at})

    def drifted(self, paid: PaidSubscription) -> None:
        self._logger.warning("subscription differed from Stripe", extra=_which(paid))
        self._count(SubscriptionsDrifted=1)

    def duplicate(self, paid: PaidSubscription, subscription_id: str) -> None:
        extra = _which(paid) | {"duplicateId": subscription_id}
        self._logger.error("ending and refunding a second subscription", extra=extra)
        self._count(DuplicateSubscriptions=1)

    def refunded(self, paid: PaidSubscription, subscription_id: str, refund: Refund) -> None:
        extra = _which(paid) | {"duplicateId": subscription_id, "refunded": refund.cents, "refused": refund.refused}
        if refund.refused:
            self._logger.error("Stripe refuses to end or refund a second subscription", extra=extra)
            self._count(RefundsRefused=1)
        else:
            self._logger.warning("a second subscription was refunded", extra=extra)

    def unpriced(self, paid: PaidSubscription) -> None:
        self._logger.error("a running subscription has no plan", extra=_which(paid))
        self._count(SubscriptionsWithoutPlan=1)

    def stranger(self, customer_id: str) -> None:
        self._logger.error("a Stripe customer belongs to no user", extra={"customerId": customer_id})
        self._count(UnknownStripeCustomers=1)

    def vanished(self, paid: PaidSubscription) -> None:
        self._logger.error("Stripe does not know a running subscription", extra=_which(paid))
        self._count(UnknownToStripe=1)

    def unknown(self, customer_id: str) -> None:
        self._logger.error("Stripe does not know a customer", extra={"customerId": customer_id})
        self._count(UnknownToStripe=1)

    def doubted(self, changes: int, compared: int) -> None:
        extra = {"changes": changes, "compared": compared}
        self._logger.error("the comparison with Stripe was stopped", extra=extra)
        self._count(ComparisonsStopped=1)

    def compared(self, queued: int, finished: bool) -> None:
        self._logger.info("subscriptions compared with Stripe", extra={"queued": queued, "finished": finished})

    def _count(self, **counts: int) -> None:
        for name, value in counts.items():
            self._metrics.add_metric(name, MetricUnit.Count, value)
        self._metrics.flush_metrics()


def _which(paid: PaidSubscription) -> dict[str, object]:
    return {
        "userId": paid.user_id,
        "customerId": paid.customer_id,
        "subscriptionId": paid.subscription_id,
        "status": paid.status.value,
        "plan": paid.plan.name if paid.plan else None,
    }
