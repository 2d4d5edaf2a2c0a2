"""The record of a subscription ends in the state of Stripe, also if events are lost, late or repeated."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from purser.billing.model import Status
from purser.billing.reconciling import YOUNG_MS
from purser.billing.sync import SETTLING_MS
from purser.errors import Contended, PaymentUnavailable, Unavailable
from purser.plans.model import CATALOG
from tests.support.billing import DAY_MS, PRICES, BillingWorld

Step = tuple[str, Any]

changing = st.one_of(
    st.tuples(st.just("begin"), st.integers(0, 2)),
    st.tuples(st.just("plan"), st.integers(0, 2)),
    st.tuples(st.just("status"), st.sampled_from([Status.ACTIVE, Status.PAST_DUE, Status.TRIALING])),
)
ending = st.tuples(st.just("status"), st.sampled_from([Status.CANCELED, Status.UNPAID, Status.PAUSED]))
telling = st.one_of(
    st.tuples(st.sampled_from(["deliver", "repeat", "lose", "cut"]), st.integers(0, 20)),
    st.tuples(st.just("wait"), st.sampled_from([1, 1000, SETTLING_MS, DAY_MS, 8 * DAY_MS])),
    st.tuples(st.just("look after"), st.none()),
)


def lives(*steps: st.SearchStrategy[Step]) -> st.SearchStrategy[list[Step]]:
    """Return changes at Stripe and deliveries in any order, some of them during another delivery."""
    simple = st.one_of(*steps)
    nested = st.tuples(st.just("during"), st.lists(simple, max_size=4))
    return st.lists(st.one_of(simple, nested), max_size=25)


class Life:
    """The subscriptions of a customer, and the number of undelivered events."""

    def __init__(self) -> None:
        self.world = BillingWorld()
        self.events = 0
        self.begun: list[str] = []

    def live(self, steps: list[Step]) -> None:
        for step in steps:
            self.take(*step)

    def take(self, kind: str, what: Any) -> None:
        match kind:
            case "begin":
                self.begun.append(self.world.begin(CATALOG[what]))
                self.events += 1
            case "plan" | "status" if self.begun:
                self.change(kind, what)
            case "deliver" | "repeat" if self.events:
                self.events -= kind == "deliver"
                self.deliver()
            case "lose":
                self.events = max(0, self.events - 1)
            case "cut":
                self.cut(what)
            case "wait":
                self.world.clock.advance(what)
            case "look after":
                self.world.reconcile(only_due=True)
            case "during":
                self.world.stripe.meanwhile.append(lambda: self.live(what))
                self.deliver()
                self.world.stripe.meanwhile.clear()

    def change(self, kind: str, what: Any) -> None:
        """Change the newest running subscription; one that was cancelled never runs again."""
        left = [id for id in self.begun if self.world.stripe.known[id].status is not Status.CANCELED]
        if left:
            change = {"status": what} if kind == "status" else {"price_id": PRICES.of(CATALOG[what])}
            self.world.stripe.change(left[-1], **change)
            self.events += 1

    def deliver(self) -> None:
        with suppress(Contended):
            self.world.sync("cus_1")

    def cut(self, what: int) -> None:
        """Interrupt a sync before it enforces the plan, or while it cancels a duplicate."""
        stripe, enforcement = self.world.stripe, self.world.enforcement
        cancel = stripe.cancel

        def cancel_and_die(subscription_id: str) -> None:
            cancel(subscription_id)
            raise PaymentUnavailable

        enforcement.failing = Contended() if what % 2 else None
        with patch.object(stripe, "cancel", cancel_and_die), suppress(Unavailable):
            self.world.sync("cus_1")
        enforcement.failing = None

    def reconcile(self) -> None:
        """Lose all undelivered events, let time pass, and reconcile."""
        self.events = 0
        self.world.clock.advance(max(YOUNG_MS, SETTLING_MS))
        self.world.reconcile()
        self.world.reconcile(only_due=True)


@given(lives(changing, ending, telling))
def test_the_record_ends_in_the_state_of_stripe(steps: list[Step]) -> None:
    life = Life()
    life.live(steps)
    life.reconcile()
    world = life.world
    running = world.stripe.running("cus_1")
    assert len(running) <= 1
    noted = world.store.noted.get("user")
    if running:
        (at_stripe,) = running
        assert noted is not None
        assert (noted.subscription_id, noted.status) == (at_stripe.id, at_stripe.status)
        assert noted.plan == PRICES.plan(at_stripe.price_id)
    else:
        assert noted is None or not noted.is_running
    assert world.enforced_plan() == world.subscriptions.plan_of("user")
    assert noted is None or noted.duplicates == ()
    world.clock.advance(SETTLING_MS)
    seen = world.clock.now
    assert world.reconcile() == []
    assert noted is None or noted.due_at is None or noted.due_at > seen


@given(lives(changing, telling))
def test_of_concurrent_subscriptions_the_first_is_kept_and_the_others_are_refunded_once(steps: list[Step]) -> None:
    life = Life()
    life.live(steps)
    life.reconcile()
    stripe = life.world.stripe
    assert [each.id for each in stripe.running("cus_1")] == life.begun[:1]
    assert sorted(stripe.cancelled) == sorted(stripe.refunds) == life.begun[1:]
