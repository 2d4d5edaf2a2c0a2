"""Synchronizing records of subscriptions with Stripe, and reconciling what events have missed."""

from __future__ import annotations

from uuid import uuid4

import pytest

from purser import retrying
from purser.billing.model import RESEND_AFTER_MS, PaidSubscription, Status
from purser.billing.ports import StalePaidSubscription
from purser.billing.reconciling import STEP, YOUNG_MS
from purser.errors import Contended, PaymentRefused, PaymentUnavailable, StripeCustomerUnknown, Unavailable
from purser.plans.model import CATALOG, Plan
from tests.support.billing import DAY_MS, GRACE_MS, PRICES
from tests.support.billing import BillingWorld as World
from tests.support.crashes import Killed

BASIC, ADVANCED, PROFESSIONAL, _ = CATALOG


@pytest.fixture
def world() -> World:
    return World()


def test_the_plan_of_a_subscription_is_enforced(world: World) -> None:
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


def test_a_deleted_customer_loses_the_plan(world: World) -> None:
    world.begin()
    world.sync("cus_1")
    world.stripe.known.clear()
    world.stripe.deleted.add("cus_1")
    world.sync("cus_1")
    assert world.enforced_plan() is None


def test_a_new_subscription_after_a_cancelled_one_counts(world: World) -> None:
    old = world.begin()
    world.sync("cus_1")
    world.stripe.change(old, status=Status.CANCELED)
    new = world.begin(PROFESSIONAL)
    world.sync("cus_1")
    assert world.noted == (new, Status.ACTIVE)
    assert world.enforced_plan() == PROFESSIONAL
    assert world.stripe.refunds == []


def test_an_older_state_never_overwrites_a_newer_one(world: World) -> None:
    subscription = world.begin()

    def end_and_tell() -> None:
        world.stripe.change(subscription, status=Status.CANCELED)
        world.sync("cus_1")

    world.stripe.meanwhile = [end_and_tell]
    world.sync("cus_1")
    assert world.noted == (subscription, Status.CANCELED)
    assert world.enforced_plan() is None


def test_an_older_state_never_overwrites_a_newer_one_that_changed_nothing(world: World) -> None:
    """A reads that it is past due; then B reads that it is active again, as recorded; then A writes."""
    subscription = world.begin()
    world.sync("cus_1")
    world.stripe.change(subscription, status=Status.PAST_DUE)

    def heal_and_tell() -> None:
        world.stripe.change(subscription, status=Status.ACTIVE)
        world.sync("cus_1")

    world.stripe.meanwhile = [heal_and_tell]
    world.sync("cus_1")
    assert world.noted == (subscription, Status.ACTIVE)


def test_a_sync_gives_up_when_the_record_keeps_changing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.begin()

    def stale(paid: PaidSubscription) -> None:
        raise StalePaidSubscription

    monkeypatch.setattr(retrying, "backoff", lambda tried: None)
    monkeypatch.setattr(world.store, "put_paid", stale)
    with pytest.raises(Contended):
        world.sync("cus_1")


def test_the_newer_of_two_subscriptions_is_cancelled_and_refunded_once(world: World) -> None:
    first, second = world.begin(BASIC), world.begin(PROFESSIONAL)
    for _ in range(3):
        world.sync("cus_1")
    assert world.noted == (first, Status.ACTIVE)
    assert world.enforced_plan() == BASIC
    assert (world.stripe.cancelled, world.stripe.refunds) == ([second], [second])
    assert world.telemetry.names() == ["duplicate"]


def test_one_of_two_subscriptions_is_always_kept(world: World) -> None:
    """The first becomes past due while another sync is cancelling the second."""
    first, second = world.begin(), world.begin()

    def troubled() -> None:
        world.stripe.change(first, status=Status.PAST_DUE)
        world.sync("cus_1")

    world.stripe.meanwhile = [troubled]
    world.sync("cus_1")
    assert world.stripe.cancelled == [second]
    assert world.noted == (first, Status.PAST_DUE)


def test_an_interrupted_cancelling_of_a_duplicate_is_resumed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = world.begin(), world.begin()
    cancel = world.stripe.cancel

    def cut(subscription_id: str) -> None:
        cancel(subscription_id)
        raise PaymentUnavailable

    monkeypatch.setattr(world.stripe, "cancel", cut)
    with pytest.raises(PaymentUnavailable):
        world.sync("cus_1")
    monkeypatch.undo()
    assert world.stripe.refunds == []
    world.sync("cus_1")
    assert world.stripe.refunds == [second]
    assert world.noted == (first, Status.ACTIVE)


def test_a_refund_is_measured_by_the_subscription_that_was_in_use(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one in use ends before the refund is made, and the user buys another."""
    first, second = world.begin(), world.begin()

    def lose(*_: object) -> None:
        raise PaymentUnavailable

    monkeypatch.setattr(world.stripe, "refund", lose)
    with pytest.raises(PaymentUnavailable):
        world.sync("cus_1")
    monkeypatch.undo()
    world.stripe.change(first, status=Status.CANCELED)
    third = world.begin(ADVANCED)
    world.sync("cus_1")
    assert world.noted == (third, Status.ACTIVE)
    assert world.stripe.refunds == [second]


def test_concurrent_syncs_count_and_refund_a_duplicate_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.begin()
    second = world.begin()
    cancel = world.stripe.cancel

    def be_overtaken(subscription_id: str) -> bool:
        monkeypatch.undo()
        world.sync("cus_1")
        return cancel(subscription_id)

    monkeypatch.setattr(world.stripe, "cancel", be_overtaken)
    world.sync("cus_1")
    assert world.telemetry.names() == ["duplicate"]
    assert world.stripe.refunds == [second]


def test_a_duplicate_that_is_being_cancelled_gives_no_plan(world: World) -> None:
    first, second = world.begin(), world.begin()
    world.enforcement.failing = Contended()
    with pytest.raises(Contended):
        world.sync("cus_1")
    world.enforcement.failing = None
    world.stripe.change(first, status=Status.CANCELED)
    world.sync("cus_1")
    assert world.enforced_plan() is None
    assert world.stripe.refunds == [second]


def test_a_revived_subscription_is_ended_and_the_one_in_use_stays(world: World) -> None:
    old = world.begin(BASIC)
    world.sync("cus_1")
    world.stripe.change(old, status=Status.UNPAID)
    world.sync("cus_1")
    new = world.begin(PROFESSIONAL)
    world.sync("cus_1")
    for _ in range(5):
        world.clock.advance(30 * DAY_MS)
        world.stripe.pay(new, world.clock.now)
    world.stripe.change(old, status=Status.ACTIVE)
    world.stripe.pay(old, world.clock.now)
    world.sync("cus_1")
    assert world.noted == (new, Status.ACTIVE)
    assert world.enforced_plan() == PROFESSIONAL
    assert (world.stripe.refunds, world.stripe.refunded) == ([old], BASIC.monthly_price_usd * 100)


def test_a_revived_subscription_does_not_end_one_whose_events_were_lost(world: World) -> None:
    old = world.begin(BASIC, status=Status.UNPAID)
    world.sync("cus_1")
    new = world.begin(PROFESSIONAL)
    world.stripe.change(old, status=Status.ACTIVE)
    world.sync("cus_1")
    assert world.noted == (new, Status.ACTIVE)
    assert world.stripe.cancelled == [old]


def test_a_revived_subscription_is_ended_though_a_later_duplicate_was_ended_before(world: World) -> None:
    old = world.begin(BASIC)
    duplicate = world.begin(BASIC)
    world.sync("cus_1")
    world.stripe.change(old, status=Status.UNPAID)
    world.sync("cus_1")
    assert world.noted == (old, Status.UNPAID)
    new = world.begin(PROFESSIONAL)
    world.stripe.change(old, status=Status.ACTIVE)
    world.sync("cus_1")
    assert world.noted == (new, Status.ACTIVE)
    assert world.stripe.cancelled == [duplicate, old]


def test_the_alarm_of_a_duplicate_comes_before_its_refund(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.begin()
    second = world.begin()

    def down(*_: object) -> None:
        raise PaymentUnavailable

    monkeypatch.setattr(world.stripe, "refund", down)
    with pytest.raises(PaymentUnavailable):
        world.sync("cus_1")
    assert ("duplicate", second) in world.telemetry.seen


def test_a_crash_after_a_duplicate_was_stored_does_not_silence_its_alarm(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.begin()
    second = world.begin()
    put_paid = world.store.put_paid

    def store_and_crash(paid: PaidSubscription) -> None:
        put_paid(paid)
        raise Killed

    monkeypatch.setattr(world.store, "put_paid", store_and_crash)
    with pytest.raises(Killed):
        world.sync("cus_1")
    monkeypatch.undo()
    world.sync("cus_1")
    assert world.telemetry.names() == ["duplicate"]
    assert world.stripe.refunds == [second]


def test_a_refused_refund_is_reported_and_does_not_stop_the_others(world: World) -> None:
    first, second, third = world.begin(), world.begin(), world.begin()
    world.stripe.unrefundable = {second}
    world.sync("cus_1")
    assert world.noted == (first, Status.ACTIVE)
    assert world.stripe.refunds == [third]
    assert world.telemetry.refused() == ["charge_disputed"]
    assert world.store.noted["user"].duplicates == {}
    assert world.store.noted["user"].due_at is None


def test_a_duplicate_that_stripe_refuses_to_end_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second, third = world.begin(), world.begin(), world.begin()
    cancel = world.stripe.cancel

    def refuse(subscription_id: str) -> bool:
        if subscription_id == second:
            raise PaymentRefused
        return cancel(subscription_id)

    monkeypatch.setattr(world.stripe, "cancel", refuse)
    world.sync("cus_1")
    assert world.stripe.cancelled == [third]
    assert world.telemetry.refused() == [PaymentRefused.default]
    monkeypatch.undo()
    world.sync("cus_1")
    assert world.stripe.cancelled == [third, second]


def test_a_duplicate_stays_marked_and_due_until_a_payment_that_is_under_way_was_refunded(world: World) -> None:
    first, second, third = world.begin(), world.begin(), world.begin()
    world.stripe.under_way = {second}
    world.sync("cus_1")
    assert world.stripe.refunds == [second, third]
    noted = world.store.noted["user"]
    assert (noted.duplicates, noted.due_at) == ({second: first}, world.clock.now + RESEND_AFTER_MS)
    world.stripe.pay(second, world.clock.now)
    world.stripe.under_way.clear()
    world.clock.advance(RESEND_AFTER_MS)
    assert world.reconcile(only_due=True) == ["cus_1"]
    assert world.stripe.refunds == [second, third, second]
    assert (world.store.noted["user"].duplicates, world.store.noted["user"].due_at) == ({}, None)
    assert world.telemetry.names() == ["duplicate", "duplicate"]


def test_an_outage_of_stripe_changes_nothing(world: World) -> None:
    world.begin()
    world.sync("cus_1")
    before = dict(world.store.noted)
    world.stripe.failing = PaymentUnavailable()
    with pytest.raises(PaymentUnavailable):
        world.sync("cus_1")
    assert world.store.noted == before


def test_an_unknown_customer_is_linked_to_the_user_of_its_subscription(world: World) -> None:
    user_id = str(uuid4())
    world.begin(customer="cus_2", user_id=user_id)
    world.sync("cus_2")
    assert world.customers.user_of("cus_2") == user_id
    assert world.enforcement.plans[user_id] == BASIC


@pytest.mark.parametrize("user_id", [None, "", "user", "not an id"])
def test_a_customer_without_a_user_is_reported(world: World, user_id: str | None) -> None:
    world.begin(customer="cus_2", user_id=user_id)
    world.sync("cus_2")
    assert world.telemetry.names() == ["stranger"]
    assert world.store.noted == {}


def test_a_second_customer_of_a_user_is_reported_and_not_linked(world: World) -> None:
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


def test_a_subscription_to_another_product_is_neither_a_plan_nor_a_duplicate(world: World) -> None:
    contract = world.begin(price_id="price_of_support")
    plan = world.begin(ADVANCED)
    later = world.begin(price_id="price_of_support")
    world.sync("cus_1")
    assert world.noted == (plan, Status.ACTIVE)
    assert world.stripe.cancelled == []
    world.stripe.change(plan, status=Status.CANCELED)
    world.sync("cus_1")
    assert world.noted == (plan, Status.CANCELED)
    assert {each.id for each in world.stripe.running("cus_1")} == {contract, later}


def test_a_record_of_another_product_does_not_count(world: World) -> None:
    contract = world.begin(price_id="price_of_support")
    world.sync("cus_1")
    at_stripe = world.stripe.known[contract]
    world.store.put_paid(
        PaidSubscription("user", "cus_1", contract, Status.ACTIVE, None, None, at_stripe.created_at, world.clock.now)
    )
    plan = world.begin(ADVANCED)
    world.sync("cus_1")
    assert world.noted == (plan, Status.ACTIVE)
    assert world.stripe.cancelled == []


@pytest.mark.parametrize("user_id", [None, "user"])
def test_a_price_that_lost_its_plan_keeps_the_plan_and_is_reported(world: World, user_id: str | None) -> None:
    subscription = world.begin(ADVANCED, user_id=user_id)
    world.clock.advance(YOUNG_MS)
    world.sync("cus_1")
    world.stripe.change(subscription, price_id="price_of_last_year")
    for _ in range(2):
        assert world.reconcile() == ["cus_1"]
    assert world.enforced_plan() == ADVANCED
    assert world.telemetry.names() == ["unpriced", "unpriced"]
    assert world.stripe.cancelled == []


def test_an_empty_list_ends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    subscription = world.begin(ADVANCED)
    world.sync("cus_1")
    monkeypatch.setattr(world.stripe, "subscriptions", lambda customer_id: [])
    world.sync("cus_1")
    assert world.noted == (subscription, Status.ACTIVE)
    world.stripe.change(subscription, status=Status.CANCELED)
    world.sync("cus_1")
    assert world.noted == (subscription, Status.CANCELED)


def test_a_list_that_lacks_the_subscription_ends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    subscription = world.begin(ADVANCED)
    world.sync("cus_1")
    others = [world.stripe.known[world.begin(status=Status.CANCELED)]]
    monkeypatch.setattr(world.stripe, "subscriptions", lambda customer_id: others)
    world.sync("cus_1")
    assert world.noted == (subscription, Status.ACTIVE)


def test_a_subscription_that_stripe_does_not_know_keeps_its_plan_and_is_reported(world: World) -> None:
    subscription = world.begin(ADVANCED)
    world.sync("cus_1")
    world.stripe.known.clear()
    world.sync("cus_1")
    assert world.noted == (subscription, Status.ACTIVE)
    assert world.enforced_plan() == ADVANCED
    assert world.telemetry.names() == ["vanished"]


def test_a_customer_that_stripe_does_not_know_keeps_its_plan_and_is_reported(world: World) -> None:
    subscription = world.begin(ADVANCED)
    world.sync("cus_1")
    world.stripe.failing = StripeCustomerUnknown()
    for customer in ("cus_1", "cus_of_nobody"):
        world.sync(customer)
    assert world.noted == (subscription, Status.ACTIVE)
    assert world.telemetry.names() == ["unknown", "unknown"]


def test_a_subscription_that_still_runs_at_a_former_customer_is_reported(world: World) -> None:
    world.begin(ADVANCED)
    world.sync("cus_1")
    assert world.customers.link("user", "cus_2", "cus_1") == "cus_2"
    second = world.begin(BASIC, customer="cus_2")
    world.sync("cus_2")
    assert world.telemetry.names() == ["stranger"]
    assert world.noted == (second, Status.ACTIVE)
    world.sync("cus_1")
    assert world.telemetry.names() == ["stranger", "stranger"]


def test_a_price_without_a_plan_gives_no_plan_and_is_reported(world: World) -> None:
    subscription = world.begin(price_id="price_of_last_year", user_id="user")
    world.sync("cus_1")
    assert world.enforced_plan() is None
    assert world.telemetry.seen[0] == ("unpriced", subscription)


def test_past_due_keeps_the_plan_until_the_grace_time_ends_without_another_event(world: World) -> None:
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


def test_a_grace_time_that_ends_while_a_duplicate_is_ended_is_enforced(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription = world.begin()
    world.stripe.change(subscription, status=Status.PAST_DUE)
    world.sync("cus_1")
    world.clock.advance(GRACE_MS - 2000)
    world.begin()
    cancel = world.stripe.cancel

    def take_long(subscription_id: str) -> bool:
        world.clock.advance(2000)
        return cancel(subscription_id)

    monkeypatch.setattr(world.stripe, "cancel", take_long)
    world.sync("cus_1")
    assert (world.subscriptions.plan_of("user"), world.enforced_plan()) == (None, BASIC)
    assert world.reconcile(only_due=True) == ["cus_1"]
    assert world.enforced_plan() is None
    assert world.store.noted["user"].due_at is None


def test_each_failed_payment_starts_a_new_grace_time(world: World) -> None:
    subscription = world.begin()
    for _ in range(2):
        world.stripe.change(subscription, status=Status.PAST_DUE)
        world.sync("cus_1")
        assert world.store.noted["user"].past_due_since == world.clock.now
        world.clock.advance(GRACE_MS // 2)
        world.stripe.change(subscription, status=Status.ACTIVE)
        world.sync("cus_1")


def test_a_sync_interrupted_after_its_write_is_completed_later(world: World) -> None:
    world.begin()
    world.enforcement.failing = Contended()
    with pytest.raises(Contended):
        world.sync("cus_1")
    world.enforcement.failing = None
    world.clock.advance(RESEND_AFTER_MS - 1)
    assert world.reconcile(only_due=True) == []
    world.clock.advance(1)
    assert world.reconcile(only_due=True) == ["cus_1"]
    assert world.enforced_plan() == BASIC
    assert world.reconcile(only_due=True) == []


def past_grace(world: World) -> None:
    """Let the grace time of ``user`` end, so that a reading is due."""
    world.begin(status=Status.PAST_DUE)
    world.sync("cus_1")
    world.clock.advance(GRACE_MS)


def sweep(world: World) -> list[dict[str, str]]:
    """Sweep what is due, and return the messages."""
    world.reconciliation.look_after(world.clock.now + 1)
    messages, world.queue.sent = world.queue.sent, []
    return messages


def test_a_due_reading_is_queued_once_until_its_message_must_be_lost(world: World) -> None:
    past_grace(world)
    message = {"customerId": "cus_1", "type": "due"}
    for _ in range(10):
        assert sweep(world) == [message]
        world.clock.advance(RESEND_AFTER_MS - 1)
        assert sweep(world) == []
        world.clock.advance(1)
    world.sync("cus_1")
    assert world.enforced_plan() is None
    assert sweep(world) == []


def test_a_reading_that_fails_has_one_message_however_long_stripe_is_down(world: World) -> None:
    past_grace(world)
    world.stripe.failing = PaymentUnavailable()
    sent = 0
    for _ in range(48):
        sent += len(sweep(world))
        with pytest.raises(PaymentUnavailable):
            world.sync("cus_1")
        world.clock.advance(RESEND_AFTER_MS // 8)
    assert sent == 48 // 8
    world.stripe.failing = None
    world.sync("cus_1")
    assert world.enforced_plan() is None
    assert world.store.noted["user"].due_at is None


def test_a_sweep_does_not_delay_a_reading_under_way(world: World) -> None:
    past_grace(world)
    subscription, _ = world.noted
    world.stripe.change(subscription, status=Status.ACTIVE)
    swept: list[dict[str, str]] = []
    world.stripe.meanwhile = [lambda: swept.extend(sweep(world))]
    world.sync("cus_1")
    assert len(swept) == 1
    assert world.noted == (subscription, Status.ACTIVE)
    assert world.enforced_plan() == BASIC
    assert sweep(world) == []


def test_a_reading_that_was_stored_meanwhile_is_not_queued(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    past_grace(world)
    (due,) = world.readings.due(world.clock.now)
    world.sync("cus_1")
    settled = world.store.noted["user"]
    monkeypatch.setattr(world.readings, "due", lambda now: iter([due]))
    assert sweep(world) == []
    assert world.store.noted["user"] == settled


def test_a_reading_that_the_queue_does_not_take_is_due_for_the_next_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    past_grace(world)

    def down(*_: object, **__: object) -> int:
        raise Unavailable

    monkeypatch.setattr(world.queue, "send", down)
    with pytest.raises(ExceptionGroup):
        sweep(world)
    monkeypatch.undo()
    assert len(sweep(world)) == 1


def begun_long_ago(world: World, plan: Plan = BASIC) -> str:
    subscription = world.begin(plan)
    world.clock.advance(YOUNG_MS)
    return subscription


def test_without_drift_nothing_is_queued(world: World) -> None:
    begun_long_ago(world)
    world.sync("cus_1")
    assert world.reconcile() == []


def test_a_lost_creation_is_reconciled(world: World) -> None:
    begun_long_ago(world)
    assert world.reconcile() == ["cus_1"]
    assert world.enforced_plan() == BASIC
    assert world.telemetry.names() == ["drifted"]
    assert world.reconcile() == []


def test_a_lost_change_is_reconciled(world: World) -> None:
    subscription = begun_long_ago(world)
    world.sync("cus_1")
    world.stripe.change(subscription, price_id=PRICES.of(ADVANCED))
    assert world.reconcile() == ["cus_1"]
    assert world.enforced_plan() == ADVANCED


@pytest.mark.parametrize("status", [Status.CANCELED, Status.UNPAID, Status.PAUSED, Status.PAST_DUE])
def test_a_lost_cancellation_is_reconciled(world: World, status: Status) -> None:
    subscription = begun_long_ago(world)
    world.sync("cus_1")
    world.stripe.change(subscription, status=status)
    assert world.reconcile() == ["cus_1"]
    assert world.noted == (subscription, status)
    assert world.reconcile() == []


def test_a_lost_duplicate_is_reconciled(world: World) -> None:
    begun_long_ago(world)
    world.sync("cus_1")
    second = begun_long_ago(world)
    assert world.reconcile() == ["cus_1"]
    assert world.stripe.refunds == [second]
    assert world.reconcile() == []


def test_young_subscriptions_are_not_reconciled(world: World) -> None:
    world.begin()
    assert world.reconcile() == []


def test_a_difference_resolved_in_the_meantime_is_not_drift(world: World) -> None:
    begun_long_ago(world)
    world.reconciliation.compare_all(world.clock.now + 1)
    world.sync("cus_1")
    assert world.work() == ["cus_1"]
    assert world.telemetry.names() == []


def test_all_subscriptions_created_in_the_same_second_are_compared(world: World) -> None:
    for n in range(2, 8):
        world.customers.users[f"cus_{n}"] = f"user{n}"
        world.stripe.begin(f"cus_{n}", BASIC, world.clock.now)
        if n % 2:
            world.sync(f"cus_{n}")
    world.clock.advance(YOUNG_MS)
    assert sorted(world.reconcile()) == ["cus_2", "cus_4", "cus_6"]


def test_a_long_comparison_is_resumed_by_the_next_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_comparison_is_resumed_after_an_outage_of_stripe(world: World) -> None:
    begun_long_ago(world)
    world.stripe.failing = PaymentUnavailable()
    with pytest.raises(PaymentUnavailable):
        world.reconcile()
    world.stripe.failing = None
    assert world.reconcile(only_due=True) == ["cus_1"]
    assert world.progress.get() is None


def many(world: World, count: int) -> list[str]:
    """Begin and note a subscription for each of many users."""
    begun = []
    for n in range(count):
        world.customers.users[f"cus_n{n}"] = f"user{n}"
        begun.append(world.begin(customer=f"cus_n{n}"))
        world.sync(f"cus_n{n}")
    world.clock.advance(YOUNG_MS)
    return begun


@pytest.mark.parametrize(
    ("count", "changed", "believed"), [(100, 21, False), (100, 20, True), (11, 11, False), (10, 10, True)]
)
def test_a_comparison_that_would_change_too_much_is_stopped(
    world: World, count: int, changed: int, believed: bool
) -> None:
    for subscription_id in many(world, count)[:changed]:
        world.stripe.change(subscription_id, status=Status.CANCELED)
    assert len(world.reconcile()) == (changed if believed else 0)
    running = [each for each in world.store.noted.values() if each.is_running]
    assert len(running) == (count - changed if believed else count)
    assert ("doubted" in world.telemetry.names()) is not believed
    assert world.progress.get() is None


def test_a_key_of_another_account_changes_nothing(world: World) -> None:
    many(world, 30)
    world.stripe.known.clear()
    assert world.reconcile() == []
    assert all(each.is_running for each in world.store.noted.values())
    assert world.telemetry.names() == ["doubted"]


def test_a_price_removed_from_the_settings_stops_no_comparison(world: World) -> None:
    for subscription_id in many(world, 30):
        world.stripe.change(subscription_id, price_id="price_of_last_year")
    assert len(world.reconcile()) == 30
    assert all(each.plan == BASIC for each in world.store.noted.values())
    assert set(world.telemetry.names()) == {"unpriced"}


def test_a_reconciliation_message_contains_only_the_customer(world: World) -> None:
    begun_long_ago(world)
    world.reconciliation.compare_all(world.clock.now + 1)
    assert world.queue.sent == [{"customerId": "cus_1", "type": "reconciliation"}]
