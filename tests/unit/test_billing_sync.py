"""What is noted of a subscription is what it is at Stripe, whatever the order; and what follows from it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from purser import retrying
from purser.billing.model import PaidSubscription, Status
from purser.billing.ports import StalePaidSubscription
from purser.billing.reconciling import STEP, YOUNG_MS
from purser.billing.sync import SETTLING_MS
from purser.errors import Contended, PaymentUnavailable
from purser.plans.model import CATALOG, Plan
from tests.support.billing import GRACE_MS, PRICES
from tests.support.billing import BillingWorld as World

BASIC, ADVANCED, PROFESSIONAL, _ = CATALOG


@pytest.fixture
def world() -> World:
    return World()


def test_a_subscription_gives_its_plan_and_what_the_user_has_follows(world: World) -> None:
    subscription = world.begin(ADVANCED)
    world.sync("cus_1")
    assert world.noted == (subscription, Status.ACTIVE)
    assert world.enforced_plan() == ADVANCED
    world.stripe.change(subscription, price_id=PRICES.of(BASIC))
    world.sync("cus_1")
    assert world.enforced_plan() == BASIC
    world.stripe.change(subscription, status=Status.CANCELED)
    world.sync("cus_1")
    assert world.noted == (subscription, Status.CANCELED)
    assert world.enforced_plan() is None


@pytest.mark.parametrize("status", Status)
def test_only_active_trialing_and_past_due_ones_give_a_plan(world: World, status: Status) -> None:
    world.begin(status=status)
    world.sync("cus_1")
    assert world.enforced_plan() == (BASIC if status in (Status.ACTIVE, Status.TRIALING, Status.PAST_DUE) else None)


def test_a_customer_without_subscriptions_changes_nothing(world: World) -> None:
    world.sync("cus_1")
    assert world.store.noted == {}
    assert world.enforcement.plans == {}


def test_a_customer_that_was_deleted_has_nothing_any_more(world: World) -> None:
    world.begin()
    world.sync("cus_1")
    world.stripe.known.clear()
    world.sync("cus_1")
    assert world.enforced_plan() is None


def test_a_new_one_after_the_end_of_the_old(world: World) -> None:
    old = world.begin()
    world.sync("cus_1")
    world.stripe.change(old, status=Status.CANCELED)
    new = world.begin(PROFESSIONAL)
    world.sync("cus_1")
    assert world.noted == (new, Status.ACTIVE)
    assert world.enforced_plan() == PROFESSIONAL
    assert world.stripe.refunds == []


def test_an_older_reading_never_overwrites_a_newer_one(world: World) -> None:
    subscription = world.begin()

    def end_and_tell() -> None:
        world.stripe.change(subscription, status=Status.CANCELED)
        world.sync("cus_1")

    world.stripe.meanwhile = [end_and_tell]
    world.sync("cus_1")
    assert world.noted == (subscription, Status.CANCELED)
    assert world.enforced_plan() is None


def test_an_older_reading_never_overwrites_an_unchanged_newer_one(world: World) -> None:
    """It was past due for a moment: A reads that, B reads that it is active again as noted, A writes."""
    subscription = world.begin()
    world.sync("cus_1")
    world.stripe.change(subscription, status=Status.PAST_DUE)

    def heal_and_tell() -> None:
        world.stripe.change(subscription, status=Status.ACTIVE)
        world.sync("cus_1")

    world.stripe.meanwhile = [heal_and_tell]
    world.sync("cus_1")
    assert world.noted == (subscription, Status.ACTIVE)


def test_readings_that_never_rest_are_contended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.begin()

    def stale(paid: PaidSubscription) -> None:
        raise StalePaidSubscription

    monkeypatch.setattr(retrying, "backoff", lambda tried: None)
    monkeypatch.setattr(world.store, "put_paid", stale)
    with pytest.raises(Contended):
        world.sync("cus_1")


def test_of_two_subscriptions_the_newer_is_ended_and_refunded_once(world: World) -> None:
    first, second = world.begin(BASIC), world.begin(PROFESSIONAL)
    for _ in range(3):
        world.sync("cus_1")
    assert world.noted == (first, Status.ACTIVE)
    assert world.enforced_plan() == BASIC
    assert (world.stripe.cancelled, world.stripe.refunds) == ([second], [second])
    assert world.telemetry.names() == ["duplicate"]


def test_of_two_subscriptions_one_always_stays(world: World) -> None:
    """The first is past due, or ends, while the second is being ended by another reading."""
    first, second = world.begin(), world.begin()

    def troubled() -> None:
        world.stripe.change(first, status=Status.PAST_DUE)
        world.sync("cus_1")

    world.stripe.meanwhile = [troubled]
    world.sync("cus_1")
    assert world.stripe.cancelled == [second]
    assert world.noted == (first, Status.PAST_DUE)


def test_ending_the_newer_goes_on_where_it_was_cut(world: World) -> None:
    first, second = world.begin(), world.begin()
    cancel = world.stripe.cancel

    def cut(subscription_id: str) -> None:
        cancel(subscription_id)
        raise PaymentUnavailable

    world.stripe.cancel = cut  # type: ignore[method-assign]
    with pytest.raises(PaymentUnavailable):
        world.sync("cus_1")
    world.stripe.cancel = cancel  # type: ignore[method-assign]
    assert world.stripe.refunds == []
    world.sync("cus_1")
    assert world.stripe.refunds == [second]
    assert world.noted == (first, Status.ACTIVE)


def test_a_duplicate_being_ended_never_gives_a_plan(world: World) -> None:
    first, second = world.begin(), world.begin()
    world.enforcement.failing = Contended()
    with pytest.raises(Contended):
        world.sync("cus_1")
    world.enforcement.failing = None
    world.stripe.change(first, status=Status.CANCELED)
    world.sync("cus_1")
    assert world.enforced_plan() is None
    assert world.stripe.refunds == [second]


def test_stripe_down_changes_nothing(world: World) -> None:
    world.begin()
    world.sync("cus_1")
    before = dict(world.store.noted)
    world.stripe.failing = PaymentUnavailable()
    with pytest.raises(PaymentUnavailable):
        world.sync("cus_1")
    assert world.store.noted == before


def test_an_unknown_customer_is_mended_by_what_its_subscription_says(world: World) -> None:
    user_id = str(uuid4())
    world.begin(customer="cus_2", user_id=user_id)
    world.sync("cus_2")
    assert world.customers.user_of("cus_2") == user_id
    assert world.enforcement.plans[user_id] == BASIC


@pytest.mark.parametrize("user_id", [None, "", "user", "not an id"])
def test_a_customer_that_nobody_is_raises_an_alarm(world: World, user_id: str | None) -> None:
    world.begin(customer="cus_2", user_id=user_id)
    world.sync("cus_2")
    assert world.telemetry.names() == ["stranger"]
    assert world.store.noted == {}


def test_a_second_customer_of_a_user_is_nobody(world: World) -> None:
    user_id = str(uuid4())
    world.customers.users["cus_2"] = user_id
    world.begin(customer="cus_3", user_id=user_id)
    world.sync("cus_3")
    assert world.telemetry.names() == ["stranger"]


def test_customers_of_other_products_are_not_reported(world: World) -> None:
    world.begin(customer="cus_2", price_id="price_of_a_mug")
    world.sync("cus_2")
    assert world.telemetry.names() == []
    assert world.reconcile() == []


def test_a_price_without_a_plan_gives_none_and_raises_an_alarm(world: World) -> None:
    subscription = world.begin(price_id="price_of_last_year")
    world.sync("cus_1")
    assert world.enforced_plan() is None
    assert world.telemetry.seen[-2] == ("unpriced", subscription)


def test_past_due_keeps_the_plan_for_the_grace_time_and_nobody_need_say_that_it_is_over(world: World) -> None:
    subscription = world.begin()
    world.stripe.change(subscription, status=Status.PAST_DUE)
    world.sync("cus_1")
    world.clock.advance(GRACE_MS - 1)
    assert world.reconcile(only_due=True) == []
    world.sync("cus_1")
    assert world.enforced_plan() == BASIC
    world.clock.advance(1)
    assert world.subscriptions.plan_of("user") is None
    assert world.reconcile(only_due=True) == ["cus_1"]
    assert world.enforced_plan() is None
    assert world.reconcile(only_due=True) == []
    world.stripe.change(subscription, status=Status.ACTIVE)
    world.sync("cus_1")
    assert world.enforced_plan() == BASIC
    assert world.store.noted["user"].due_at is None


def test_each_failing_payment_has_a_grace_time_of_its_own(world: World) -> None:
    subscription = world.begin()
    for _ in range(2):
        world.stripe.change(subscription, status=Status.PAST_DUE)
        world.sync("cus_1")
        assert world.store.noted["user"].past_due_since == world.clock.now
        world.clock.advance(GRACE_MS // 2)
        world.stripe.change(subscription, status=Status.ACTIVE)
        world.sync("cus_1")


def test_a_sync_cut_after_its_write_is_finished_later(world: World) -> None:
    world.begin()
    world.enforcement.failing = Contended()
    with pytest.raises(Contended):
        world.sync("cus_1")
    world.enforcement.failing = None
    assert world.reconcile(only_due=True) == []
    world.clock.advance(SETTLING_MS)
    assert world.reconcile(only_due=True) == ["cus_1"]
    assert world.enforced_plan() == BASIC
    assert world.reconcile(only_due=True) == []


def begun_long_ago(world: World, plan: Plan = BASIC) -> str:
    subscription = world.begin(plan)
    world.clock.advance(YOUNG_MS)
    return subscription


def test_without_drift_nothing_is_queued(world: World) -> None:
    begun_long_ago(world)
    world.sync("cus_1")
    assert world.reconcile() == []


def test_a_lost_beginning_is_mended(world: World) -> None:
    begun_long_ago(world)
    assert world.reconcile() == ["cus_1"]
    assert world.enforced_plan() == BASIC
    assert world.telemetry.names() == ["drifted"]
    assert world.reconcile() == []


def test_a_lost_change_is_mended(world: World) -> None:
    subscription = begun_long_ago(world)
    world.sync("cus_1")
    world.stripe.change(subscription, price_id=PRICES.of(ADVANCED))
    assert world.reconcile() == ["cus_1"]
    assert world.enforced_plan() == ADVANCED


@pytest.mark.parametrize("status", [Status.CANCELED, Status.UNPAID, Status.PAUSED, Status.PAST_DUE])
def test_a_lost_end_is_mended(world: World, status: Status) -> None:
    subscription = begun_long_ago(world)
    world.sync("cus_1")
    world.stripe.change(subscription, status=status)
    assert world.reconcile() == ["cus_1"]
    assert world.noted == (subscription, status)
    assert world.reconcile() == []


def test_a_lost_duplicate_is_mended(world: World) -> None:
    begun_long_ago(world)
    world.sync("cus_1")
    second = begun_long_ago(world)
    assert world.reconcile() == ["cus_1"]
    assert world.stripe.refunds == [second]
    assert world.reconcile() == []


def test_young_subscriptions_are_not_reconciled(world: World) -> None:
    world.begin()
    assert world.reconcile() == []


def test_a_difference_that_was_healed_meanwhile_is_no_drift(world: World) -> None:
    begun_long_ago(world)
    world.reconciliation.compare_all(world.clock.now + 1)
    world.sync("cus_1")
    assert world.work() == ["cus_1"]
    assert world.telemetry.names() == []


def test_begun_in_the_same_second_all_are_compared(world: World) -> None:
    for n in range(2, 8):
        world.customers.users[f"cus_{n}"] = f"user{n}"
        world.stripe.begin(f"cus_{n}", BASIC, world.clock.now)
        if n % 2:
            world.sync(f"cus_{n}")
    world.clock.advance(YOUNG_MS)
    assert sorted(world.reconcile()) == ["cus_2", "cus_4", "cus_6"]


def test_a_long_comparison_is_left_and_gone_on_with(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(STEP + 500):
        world.customers.users[f"cus_n{n}"] = f"user{n}"
        world.begin(customer=f"cus_n{n}")
    world.clock.advance(YOUNG_MS)
    # The first run has time for one step.
    times = iter([world.clock.now] * 3)
    monkeypatch.setattr(world.reconciliation, "_now", lambda: next(times, world.clock.now + 1))
    assert world.reconciliation.compare_all(world.clock.now + 1) == STEP
    assert world.progress.get() is not None
    monkeypatch.undo()
    assert world.reconciliation.look_after(world.clock.now + 1) == 500
    assert world.progress.get() is None
    assert len({message["customerId"] for message in world.queue.sent}) == STEP + 500


def test_stripe_down_leaves_the_comparison_to_later(world: World) -> None:
    begun_long_ago(world)
    world.stripe.failing = PaymentUnavailable()
    with pytest.raises(PaymentUnavailable):
        world.reconcile()
    world.stripe.failing = None
    assert world.reconcile(only_due=True) == ["cus_1"]
    assert world.progress.get() is None


def test_no_message_says_more_than_whose_state_is_to_be_read(world: World) -> None:
    begun_long_ago(world)
    world.reconciliation.compare_all(world.clock.now + 1)
    assert world.queue.sent == [{"customerId": "cus_1", "type": "reconciliation"}]
