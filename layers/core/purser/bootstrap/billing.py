"""Subscriptions, payments through Stripe, and the enforcement of plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import account_store, may_sign_in, queue, recording, secret, table
from purser.clock import DAY_MS, now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.billing.inbox import Inbox
    from purser.billing.model import Prices
    from purser.billing.paying import Payments
    from purser.billing.ports import PaymentGateway
    from purser.billing.reconciling import Reconciliation
    from purser.billing.service import Subscriptions
    from purser.billing.stripe_gateway import StripeGateway
    from purser.billing.sync import Synchronization
    from purser.billing.telemetry import PowertoolsBillingTelemetry
    from purser.enforcement.service import Enforcement

PRODUCTION = "prod"
"""The stage in which payments must be real."""

PAYMENT_S = 22.0
"""The time that all calls of one use case together wait for Stripe. API Gateway gives up after 29 s."""


@kept
def subscriptions() -> Subscriptions:
    """The use cases of subscriptions."""
    from purser.billing.service import Subscriptions
    from purser.billing.store import DynamoSubscriptionStore

    grace_ms = settings().billing_grace_days * DAY_MS
    return Subscriptions(DynamoSubscriptionStore(table("accounts_table"), recording), now_ms, grace_ms)


@kept
def enforcement() -> Enforcement:
    """The enforcement of plans."""
    from purser.enforcement.service import Enforcement
    from purser.enforcement.store import DynamoPlanUsageStore

    return Enforcement(DynamoPlanUsageStore(table("keys_table")), subscriptions(), now_ms)


@kept
def prices() -> Prices:
    """The prices of plans at Stripe."""
    from purser.billing.model import Prices

    return Prices(settings().stripe_prices)


@kept
def payment_gateway() -> StripeGateway:
    """The gateway to Stripe."""
    from purser.billing.stripe_gateway import StripeGateway

    given = settings()
    return StripeGateway(
        secret("stripe_secret_id").value,
        given.stripe_endpoint,
        prices(),
        given.checkout_success_url,
        given.checkout_cancel_url,
        live_only=given.stage == PRODUCTION,
    )


@kept
def payments() -> Payments:
    """The use cases of payments. The first call that needs Stripe's library loads it."""
    from purser.billing.paying import Payments
    from purser.billing.store import DynamoStripeCustomerStore, DynamoSubscriptionStore

    def gateway() -> PaymentGateway:
        return payment_gateway().within(PAYMENT_S)

    accounts = table("accounts_table")
    customers, store = DynamoStripeCustomerStore(accounts), DynamoSubscriptionStore(accounts, recording)
    return Payments(gateway, customers, store, prices(), account_store(), may_sign_in)


@kept
def stripe_inbox() -> Inbox:
    """The inbox of Stripe's webhooks."""
    from purser.aws.seen import Seen
    from purser.billing.inbox import Inbox
    from purser.billing.stripe_signature import StripeSignatures

    seen = Seen(settings().require("idempotency_table"), "STRIPE_EVENT")
    # Without a secret, every signature is refused.
    keys = secret("stripe_secret_id").value if settings().stripe_secret_id else str
    return Inbox(StripeSignatures(keys), seen, queue("billing_queue_url"))


@kept
def _billing_telemetry() -> PowertoolsBillingTelemetry:
    from purser.billing.telemetry import PowertoolsBillingTelemetry

    return PowertoolsBillingTelemetry(settings().powertools_metrics_namespace)


@kept
def synchronization() -> Synchronization:
    """The synchronization of our subscriptions with Stripe."""
    from purser.billing.store import DynamoStripeCustomerStore, DynamoSubscriptionStore
    from purser.billing.sync import Synchronization

    accounts = table("accounts_table")
    return Synchronization(
        gateway=payment_gateway(),
        store=DynamoSubscriptionStore(accounts, recording),
        customers=DynamoStripeCustomerStore(accounts),
        enforcement=enforcement(),
        telemetry=_billing_telemetry(),
        now=now_ms,
        grace_ms=settings().billing_grace_days * DAY_MS,
    )


@kept
def reconciliation() -> Reconciliation:
    """The comparison of all subscriptions with Stripe."""
    from purser.billing.reconciling import Reconciliation
    from purser.billing.store import DynamoDueReadingStore, DynamoProgress, DynamoSubscriptionStore

    accounts = table("accounts_table")
    return Reconciliation(
        gateway=payment_gateway,
        index=DynamoSubscriptionStore(accounts, recording),
        readings=DynamoDueReadingStore(accounts),
        progress=DynamoProgress(accounts),
        queue=queue("billing_queue_url"),
        telemetry=_billing_telemetry(),
        now=now_ms,
    )
