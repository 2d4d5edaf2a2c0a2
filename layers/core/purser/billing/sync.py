"""Bring our record of a customer's subscription in line with Stripe, then enforce the plan and refund duplicates.

A doubtful answer never ends a plan. A list without the subscription, a price without a plan, or a customer that Stripe
does not know changes nothing, and raises an alarm.

Events may come late, twice or out of order. Each sync reads the version of our record first and Stripe second, and
writes on condition of that version. The version grows even when nothing has changed. So whatever is written was read
at Stripe after everything that was written before it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from purser.billing.model import (
    ENDED,
    RESEND_AFTER_MS,
    PaidSubscription,
    Refund,
    Status,
    StripeSubscription,
    in_order_of_use,
    ours_among,
)
from purser.billing.ports import PaymentGateway, StalePaidSubscription, StripeCustomerStore, SubscriptionStore
from purser.errors import PaymentRefused, StripeCustomerUnknown
from purser.plans.model import Plan
from purser.retrying import until_fresh


class Enforcement(Protocol):
    """The enforcement of plans."""

    def enforce(self, user_id: str) -> int:
        """Enforce the user's plan. Return how many trading accounts and follows changed."""


class Telemetry(Protocol):
    """Logs and metrics."""

    def noted(self, paid: PaidSubscription) -> None:
        """A user's subscription was synchronized."""

    def drifted(self, paid: PaidSubscription) -> None:
        """Our record differed from Stripe, and no event had announced it."""

    def duplicate(self, paid: PaidSubscription, subscription_id: str) -> None:
        """A second running subscription is about to be ended and refunded."""

    def refunded(self, paid: PaidSubscription, subscription_id: str, refund: Refund) -> None:
        """A second subscription was ended, and what could be refunded was."""

    def unpriced(self, paid: PaidSubscription) -> None:
        """A user pays a price that no plan has."""

    def vanished(self, paid: PaidSubscription) -> None:
        """Stripe does not know a subscription that we have as running, though its customer exists."""

    def unknown(self, customer_id: str) -> None:
        """Stripe does not know a customer."""

    def stranger(self, customer_id: str) -> None:
        """A customer without a user pays for a plan."""


class Synchronization:
    """The use case. ``now`` gives Unix milliseconds. A plan that is past due is valid for ``grace_ms``."""

    def __init__(
        self,
        gateway: PaymentGateway,
        store: SubscriptionStore,
        customers: StripeCustomerStore,
        enforcement: Enforcement,
        telemetry: Telemetry,
        now: Callable[[], int],
        grace_ms: int,
    ) -> None:
        self._gateway = gateway
        self._store = store
        self._customers = customers
        self._enforcement = enforcement
        self._telemetry = telemetry
        self._now = now
        self._grace_ms = grace_ms

    def sync(self, customer_id: str, *, suspected: bool = False) -> None:
        """Synchronize a customer with Stripe. It is idempotent.

        Args:
            suspected: a comparison found a difference that no event announced.

        Raises:
            Contended, PaymentUnavailable, Unavailable: call it again.
        """
        try:
            self._sync_user_of(customer_id, suspected=suspected)
        except StripeCustomerUnknown:
            self._telemetry.unknown(customer_id)

    def _sync_user_of(self, customer_id: str, *, suspected: bool) -> None:
        user_id = self._customers.user_of(customer_id) or self._adopted(customer_id)
        if user_id is None:
            return
        until_fresh(lambda: self._sync(user_id, customer_id, suspected=suspected), stale=StalePaidSubscription)

    def _sync(self, user_id: str, customer_id: str, *, suspected: bool) -> None:
        noted = self._store.get(user_id).paid
        if not self._is_asked_of(user_id, customer_id, noted):
            if any(each.is_running for each in self._ours(customer_id)):
                self._telemetry.stranger(customer_id)
            return
        fresh = self._read(user_id, customer_id, noted)
        if fresh is None:
            return
        for duplicate in fresh.duplicates:
            if noted is None or duplicate not in noted.duplicates:
                # Reported before it is stored: after a crash in between, nobody would report it.
                self._telemetry.duplicate(fresh, duplicate)
        self._store.put_paid(fresh)
        if suspected and _differ(noted, fresh):
            self._telemetry.drifted(fresh)
        self._settle(replace(fresh, version=fresh.version + 1))

    def _is_asked_of(self, user_id: str, customer_id: str, noted: PaidSubscription | None) -> bool:
        """Tell whether the user's plan depends on this customer, not on a later one that has subscribed."""
        if noted and noted.customer_id == customer_id:
            return True
        return self._customers.customer_of(user_id) == customer_id

    def _adopted(self, customer_id: str) -> str | None:
        """Link the customer to the user that its subscriptions name. Return the user, or None."""
        found = self._ours(customer_id)
        user_id = next((each.user_id for each in found if each.user_id and _is_uuid(each.user_id)), None)
        if user_id is not None and self._customers.link(user_id, customer_id) == customer_id:
            return user_id
        if any(each.is_running and each.plan for each in found):
            self._telemetry.stranger(customer_id)
        return None

    def _read(self, user_id: str, customer_id: str, noted: PaidSubscription | None) -> PaidSubscription | None:
        """Read the next version of our record from Stripe, or None if it stays as it is."""
        found = self._found(customer_id, noted)
        if found is None:
            return None
        ending = noted.duplicates if noted else {}
        running = in_order_of_use(found, noted)
        now = self._now()
        if not found:  # the customer was deleted at Stripe, or never had one
            ended = noted and replace(noted, status=Status.CANCELED, past_due_since=None)
            return ended and replace(ended, updated_at=now, due_at=now + RESEND_AFTER_MS)
        current = running[0] if running else _kept(found, noted)
        fresh = PaidSubscription(
            user_id=user_id,
            customer_id=customer_id,
            subscription_id=current.id,
            # A duplicate that is being ended entitles to nothing.
            status=Status.CANCELED if current.id in ending else current.status,
            plan=current.plan or _plan_so_far(current, noted),
            past_due_since=_past_due_since(current, noted, now),
            created_at=current.created_at,
            updated_at=now,
            # They are ended whatever happens to the one in use, so that never both are kept or ended.
            duplicates={**ending, **{each.id: current.id for each in running[1:]}},
            due_at=now + RESEND_AFTER_MS,
            version=noted.version if noted else 0,
        )
        if current.is_running and current.plan is None:
            self._telemetry.unpriced(fresh)
        return fresh

    def _found(self, customer_id: str, noted: PaidSubscription | None) -> list[StripeSubscription] | None:
        """Return the customer's subscriptions that count, or None if Stripe contradicts itself.

        A list is no proof that the subscription in our record has ended. If it is not in the list, Stripe is asked for
        it.
        """
        found = self._gateway.subscriptions(customer_id)
        if noted is None or not noted.is_running or any(each.id == noted.subscription_id for each in found):
            return ours_among(found, noted)
        recorded = self._gateway.subscription(noted.subscription_id)
        if noted.customer_id != customer_id:
            if recorded and recorded.is_running:
                self._telemetry.stranger(noted.customer_id)
            return ours_among(found, noted)
        if recorded is None and not self._gateway.is_deleted(customer_id):
            self._telemetry.vanished(noted)
            return None
        return ours_among([*found, recorded] if recorded else found, noted)

    def _ours(self, customer_id: str) -> list[StripeSubscription]:
        return [each for each in self._gateway.subscriptions(customer_id) if each.is_ours]

    def _settle(self, paid: PaidSubscription) -> None:
        """Enforce the plan, end duplicates, and record that it is done.

        If it breaks off, it is repeated by its message, or at ``due_at`` if that is lost.
        """
        # Read before enforcing: a grace period that ends from here on has another reading, which enforces that.
        due_at = self._due_at(paid)
        self._enforcement.enforce(paid.user_id)
        left = {each: beside for each, beside in paid.duplicates.items() if not self._undo(paid, each, beside)}
        due = [at for at in (due_at, paid.due_at if left else None) if at is not None]
        self._telemetry.noted(settled := replace(paid, duplicates=left, due_at=min(due, default=None)))
        with suppress(StalePaidSubscription):  # then a later sync settles it
            self._store.put_paid(settled)

    def _undo(self, paid: PaidSubscription, duplicate: str, beside: str) -> bool:
        """End a duplicate and refund it. Return False if a payment for it is under way, which is to be refunded, too.

        If Stripe never ends it, every later sync finds it again.
        """
        is_over = True
        try:
            is_over = self._gateway.cancel(duplicate)
            refund = self._gateway.refund(duplicate, beside)
        except PaymentRefused as refused:
            refund = Refund(refused=(str(refused.__cause__ or refused),))
        # A concurrent sync may report the same. Once settled, nobody reports a refused refund any more.
        self._telemetry.refunded(paid, duplicate, refund)
        return is_over

    def _due_at(self, paid: PaidSubscription) -> int | None:
        """Return when the grace period ends, unless it has ended."""
        if paid.past_due_since is None:
            return None
        end = paid.past_due_since + self._grace_ms
        return end if end > self._now() else None


def _kept(found: Sequence[StripeSubscription], noted: PaidSubscription | None) -> StripeSubscription:
    """Return the subscription that our record names while none runs, preferably one that can run again.

    The record stays with a lapsed one, so that this comes last if it comes back beside another.
    """

    def rank(each: StripeSubscription) -> tuple[bool, bool, bool, int, str]:
        is_ending = noted is not None and each.id in noted.duplicates
        is_noted = noted is not None and each.id == noted.subscription_id
        return not is_ending, each.status not in ENDED, is_noted, each.created_at, each.id

    return max(found, key=rank)


def _plan_so_far(current: StripeSubscription, noted: PaidSubscription | None) -> Plan | None:
    """Return the plan of a subscription whose price has none: it keeps its plan until an operator decides."""
    return noted.plan if noted and noted.subscription_id == current.id else None


def _past_due_since(current: StripeSubscription, noted: PaidSubscription | None, now: int) -> int | None:
    if current.status is not Status.PAST_DUE or (noted and current.id in noted.duplicates):
        return None
    known = noted.past_due_since if noted and noted.subscription_id == current.id else None
    return now if known is None else known


def _differ(noted: PaidSubscription | None, fresh: PaidSubscription) -> bool:
    if noted is None:
        return True
    return (noted.subscription_id, noted.status, noted.plan) != (fresh.subscription_id, fresh.status, fresh.plan)


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
