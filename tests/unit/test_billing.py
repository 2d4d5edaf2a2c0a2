"""The plan that applies to a user, and the rules of buying one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from purser.billing.model import Entitlements, PaidSubscription, PaymentType, Prices, Status, Subscription
from purser.billing.paying import ROUNDS, Payments
from purser.errors import (
    BalanceLimitExceeded,
    Contended,
    InvalidInput,
    KeyLimitExceeded,
    NoStripeSubscription,
    PaymentUnavailable,
    PlanNotPublic,
    StripeSubscriptionExists,
    Unauthorized,
)
from purser.plans.model import CATALOG, Plan
from purser.settings import MissingSetting, read
from purser.trading_accounts.model import AccountValuation, ConnectedAccounts
from tests.support.billing import GRACE_MS, PRICES, FakeCustomers, FakeStripe, FakeSubscriptions
from tests.support.fakes import connected_account

BASIC, ADVANCED, PROFESSIONAL, PARTNER = CATALOG
NOW = 1_800_000_000_000


def paid(status: Status, plan: Plan | None = BASIC, past_due_since: int | None = None) -> PaidSubscription:
    return PaidSubscription("me", "cus_1", "sub_1", status, plan, past_due_since, 1, 2, version=1)


def grant(plan: Plan) -> Subscription:
    return Subscription("me", plan, PaymentType.ADMIN, 1, 2)


@pytest.mark.parametrize("status", Status)
def test_active_and_trialing_subscriptions_give_the_plan(status: Status) -> None:
    ruling = Entitlements(None, paid(status, past_due_since=NOW - GRACE_MS)).ruling(NOW, GRACE_MS)
    assert (ruling is not None) == (status in {Status.ACTIVE, Status.TRIALING})


def test_a_past_due_subscription_gives_the_plan_until_the_grace_time_ends() -> None:
    entitlements = Entitlements(None, paid(Status.PAST_DUE, past_due_since=NOW))
    assert entitlements.ruling(NOW + GRACE_MS - 1, GRACE_MS)
    assert entitlements.ruling(NOW + GRACE_MS, GRACE_MS) is None


@pytest.mark.parametrize(
    ("granted", "bought", "rules"),
    [
        (None, None, None),
        (BASIC, None, (BASIC, PaymentType.ADMIN)),
        (None, BASIC, (BASIC, PaymentType.STRIPE)),
        (BASIC, ADVANCED, (ADVANCED, PaymentType.STRIPE)),
        (PARTNER, ADVANCED, (PARTNER, PaymentType.ADMIN)),
        (BASIC, BASIC, (BASIC, PaymentType.STRIPE)),
    ],
)
def test_the_larger_of_granted_and_paid_plan_applies(
    granted: Plan | None, bought: Plan | None, rules: tuple[Plan, PaymentType] | None
) -> None:
    entitlements = Entitlements(grant(granted) if granted else None, paid(Status.ACTIVE, bought) if bought else None)
    ruling = entitlements.ruling(NOW, GRACE_MS)
    assert (ruling and (ruling.plan, ruling.payment_type)) == rules


def test_the_first_price_of_a_plan_is_for_sale_and_later_ones_stay_valid() -> None:
    prices = Prices(read({"STRIPE_PRICES": "BASIC=price_new:price_old:price_first, ADVANCED=price_a"}).stripe_prices)
    assert (prices.of(BASIC), prices.of(ADVANCED), prices.of(PROFESSIONAL)) == ("price_new", "price_a", None)
    assert [prices.plan(f"price_{name}") for name in ("new", "old", "first", "a")] == [BASIC, BASIC, BASIC, ADVANCED]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("BASIC=price_a,BASIC=price_b", "BASIC is named twice; write BASIC=price:older price"),
        ("BASIC=price_a,ADVANCED=price_b:price_a", "price_a is named twice"),
        ("BASIC=price_a:", "BASIC=price_a: is not NAME=price"),
        ("BASIC", "BASIC is not NAME=price"),
    ],
)
def test_ambiguous_prices_are_refused_with_a_reason(given: str, reason: str) -> None:
    with pytest.raises(MissingSetting) as refused:
        read({"STRIPE_PRICES": given})
    assert str(refused.value) == f"environment variable STRIPE_PRICES is invalid: {reason}"


def test_a_price_of_no_plan_gives_no_plan() -> None:
    assert PRICES.plan("price_of_long_ago") is None
    assert Entitlements(None, paid(Status.ACTIVE, None)).ruling(NOW, GRACE_MS) is None


@dataclass
class FakeUsage:
    balances: tuple[int, ...] = ()

    def connected(self, user_id: str) -> ConnectedAccounts:
        accounts = [
            connected_account(user_id, str(number), AccountValuation(Decimal(balance), NOW))
            for number, balance in enumerate(self.balances)
        ]
        return ConnectedAccounts(1, tuple(accounts))


def begin(at_stripe: FakeStripe, plan: Plan = BASIC, **given: Any) -> str:
    """Give the user a subscription, and return its id."""
    return at_stripe.begin("cus_me", plan, NOW, "me", **given)


@pytest.fixture
def at_stripe() -> FakeStripe:
    return FakeStripe()


def paying(at_stripe: FakeStripe, usage: FakeUsage | None = None, prices: Prices = PRICES) -> Payments:
    customers, used = FakeCustomers(cus_me="me"), usage or FakeUsage()
    return Payments(lambda: at_stripe, customers, FakeSubscriptions(), prices, used, {"me"}.__contains__)


def test_a_user_who_was_deleted_opens_no_page(at_stripe: FakeStripe) -> None:
    with pytest.raises(Unauthorized):
        paying(at_stripe).check_out("me", "deleted", BASIC.id)
    assert at_stripe.checkouts("cus_me") == []


def test_a_checkout_is_reused_until_it_is_closed(at_stripe: FakeStripe) -> None:
    payments = paying(at_stripe)
    first = payments.check_out("me", "me", BASIC.id)
    assert payments.check_out("me", "me", BASIC.id) == first
    at_stripe.close_checkout(first.id)
    assert payments.check_out("me", "me", BASIC.id) != first


def test_only_one_checkout_is_open_at_a_time(at_stripe: FakeStripe) -> None:
    payments = paying(at_stripe)
    payments.check_out("me", "me", BASIC.id)
    second = payments.check_out("me", "me", ADVANCED.id)
    assert [page for page in at_stripe.pages if page.is_open] == [second]


@pytest.mark.parametrize("status", Status)
def test_a_running_subscription_prevents_another_purchase(at_stripe: FakeStripe, status: Status) -> None:
    begin(at_stripe, status=status)
    payments = paying(at_stripe)
    if status in {Status.ACTIVE, Status.TRIALING, Status.PAST_DUE}:
        with pytest.raises(StripeSubscriptionExists):
            payments.check_out("me", "me", BASIC.id)
        assert payments.subscription("me") is not None
    else:
        payments.check_out("me", "me", BASIC.id)
        assert payments.subscription("me") is None


@pytest.mark.parametrize(
    ("plan_id", "refusal"), [(PARTNER.id, PlanNotPublic), ("eefffe05-5d1d-4be8-a300-20c7c39c9fee", InvalidInput)]
)
def test_a_plan_that_is_not_for_sale_is_refused(at_stripe: FakeStripe, plan_id: str, refusal: type[Exception]) -> None:
    begin(at_stripe)
    with pytest.raises(refusal):
        paying(FakeStripe()).check_out("me", "me", plan_id)
    with pytest.raises(refusal):
        paying(at_stripe).update("me", cancel_at_period_end=True, plan_id=plan_id)
    assert not at_stripe.updates


def test_a_plan_without_a_price_cannot_be_bought(at_stripe: FakeStripe) -> None:
    with pytest.raises(PaymentUnavailable):
        paying(at_stripe, prices=Prices({})).check_out("me", "me", BASIC.id)


@pytest.mark.parametrize(
    ("balances", "refusal"), [((1, 1, 1), KeyLimitExceeded), ((2000, 501), BalanceLimitExceeded), ((2000, 500), None)]
)
def test_a_downgrade_below_the_plan_usage_is_refused(
    at_stripe: FakeStripe, balances: tuple[int, ...], refusal: type[Exception] | None
) -> None:
    begin(at_stripe, PROFESSIONAL)
    payments = paying(at_stripe, FakeUsage(balances))
    if refusal:
        with pytest.raises(refusal):
            payments.update("me", cancel_at_period_end=None, plan_id=BASIC.id)
        assert not at_stripe.updates
    else:
        payments.update("me", cancel_at_period_end=None, plan_id=BASIC.id)
        assert at_stripe.updates == [(None, PRICES.of(BASIC))]


@pytest.mark.parametrize(("current", "wanted"), [(BASIC, ADVANCED), (ADVANCED, PROFESSIONAL)])
def test_an_upgrade_is_never_refused_for_the_plan_usage(at_stripe: FakeStripe, current: Plan, wanted: Plan) -> None:
    begin(at_stripe, current)
    paying(at_stripe, FakeUsage((90_000,) * 9)).update("me", cancel_at_period_end=None, plan_id=wanted.id)
    assert at_stripe.updates == [(None, PRICES.of(wanted))]


def test_leaving_a_discontinued_price_is_subject_to_the_limits(at_stripe: FakeStripe) -> None:
    begin(at_stripe, price_id="price_of_long_ago")
    with pytest.raises(KeyLimitExceeded):
        paying(at_stripe, FakeUsage((1, 1, 1))).update("me", cancel_at_period_end=None, plan_id=BASIC.id)


def test_a_running_subscription_closes_open_checkouts(at_stripe: FakeStripe) -> None:
    payments = paying(at_stripe)
    payments.check_out("me", "me", BASIC.id)
    begin(at_stripe)
    with pytest.raises(StripeSubscriptionExists):
        payments.check_out("me", "me", BASIC.id)
    assert not any(page.is_open for page in at_stripe.pages)


def test_a_checkout_paid_while_others_are_closed_prevents_another_purchase(
    at_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    payments = paying(at_stripe)
    payments.check_out("me", "me", BASIC.id)

    def paid_first(_: str) -> None:
        begin(at_stripe)

    monkeypatch.setattr(at_stripe, "close_checkout", paid_first)
    with pytest.raises(StripeSubscriptionExists):
        payments.check_out("me", "me", ADVANCED.id)


def test_a_concurrent_checkout_is_retried_a_limited_number_of_times(at_stripe: FakeStripe) -> None:
    at_stripe.taken = ROUNDS - 1
    assert paying(at_stripe).check_out("me", "me", BASIC.id).is_open
    at_stripe.pages, at_stripe.taken = [], ROUNDS
    with pytest.raises(Contended):
        paying(at_stripe).check_out("me", "me", BASIC.id)


def test_an_unchanged_subscription_is_not_sent_to_stripe(at_stripe: FakeStripe) -> None:
    subscription_id = begin(at_stripe)
    payments = paying(at_stripe, FakeUsage((9999, 9999, 9999)))
    assert payments.update("me", cancel_at_period_end=None, plan_id=None) == at_stripe.known[subscription_id]
    assert payments.update("me", cancel_at_period_end=None, plan_id=BASIC.id) == at_stripe.known[subscription_id]
    assert not at_stripe.updates


def test_changing_without_a_subscription_is_refused(at_stripe: FakeStripe) -> None:
    with pytest.raises(NoStripeSubscription):
        paying(at_stripe).update("me", cancel_at_period_end=True, plan_id=None)
    with pytest.raises(NoStripeSubscription):
        paying(at_stripe).update("a stranger", cancel_at_period_end=True, plan_id=None)


def test_stripe_is_not_asked_about_users_who_are_not_customers(at_stripe: FakeStripe) -> None:
    at_stripe.failing = PaymentUnavailable()
    assert paying(at_stripe).subscription("a stranger") is None
    assert paying(at_stripe).invoices("a stranger") == []
    with pytest.raises(PaymentUnavailable):
        paying(at_stripe).invoices("me")
