"""Changes of a grant and of a paid subscription never overwrite each other."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from purser.billing.model import PaidSubscription, PaymentType, Status
from purser.billing.service import Subscriptions
from purser.plans.model import CATALOG, Plan
from tests.support.billing import GRACE_MS, FakeSubscriptions

NOW = 1_800_000_000_000

plans = st.sampled_from(CATALOG)
payments = st.builds(
    lambda status, plan, late: PaidSubscription(
        "me", "cus", "sub", status, plan, NOW - late if status is Status.PAST_DUE else None, 1, 2
    ),
    st.sampled_from(Status),
    st.none() | plans,
    st.integers(0, 2 * GRACE_MS),
)
steps = st.lists(st.tuples(st.just("grant"), st.none() | plans) | st.tuples(st.just("pay"), payments), max_size=12)


def worth(plan: Plan | None) -> int:
    return CATALOG.index(plan) + 1 if plan else 0


def paid_plan(paid: PaidSubscription | None) -> Plan | None:
    """Return the plan of a subscription by the rule: active and trialing give it, past due for the grace time."""
    if paid is None:
        return None
    late = paid.status is Status.PAST_DUE and NOW - (paid.past_due_since or 0) < GRACE_MS
    return paid.plan if late or paid.status in {Status.ACTIVE, Status.TRIALING} else None


@given(steps)
def test_the_larger_of_granted_and_paid_plan_applies(taken: list[tuple[str, Any]]) -> None:
    store = FakeSubscriptions()
    subscriptions = Subscriptions(store, lambda: NOW, GRACE_MS)
    granted, paid = None, None
    for kind, what in taken:
        if kind == "grant":
            granted = what
            subscriptions.grant("me", what.id if what else None)
        else:
            paid = what
            store.noted["me"] = what
        bought = paid_plan(paid)
        assert worth(subscriptions.plan_of("me")) == max(worth(granted), worth(bought))
        ruling = subscriptions.of("me")
        by_stripe = bought is not None and worth(bought) >= worth(granted)
        expected = PaymentType.STRIPE if by_stripe else PaymentType.ADMIN if granted else None
        assert (ruling.payment_type if ruling else None) == expected
        assert store.get("me").paid == paid
