"""Test that random events in the life of subscriptions break no promise about plans and money.

Random sequences run in process on a virtual clock, at the Stripe double and with the gateway that production uses.
``BillingLife`` and ``BillingRules`` say what happens and what must hold. A failure tells the shortest sequence that was
found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.support.billing_life import BillingLife, Step
from tests.support.billing_sequences import DAY, MAKERS, Buy, ByHand, Deliveries, Fail, ForgetPrices, Shop, Wait
from tests.support.sequences import BATCHES, IN_MEMORY, run
from tests.support.stored_billing import StoredBilling


@pytest.mark.parametrize("batch", BATCHES)
def test_the_rules_of_billing_hold(batch: int) -> None:
    for number in range(IN_MEMORY):
        run(f"{batch}.{number}", MAKERS, lambda steps: BillingLife().live(steps))


FOUND: dict[str, Sequence[Step]] = {
    "credit is restored once though Stripe fails after the work": [
        Buy(0, plan=0),
        ByHand("give credit"),
        Fail("http_500_after", "/v1/customers", "POST"),
        ByHand("buy by a payment link", which=2),
    ],
    "a plan whose price left the settings is not sold twice": [
        Shop(0, plan=0),
        ByHand("buy by a payment link"),
        ForgetPrices("BASIC"),
        Buy(0, plan=2),
    ],
    "a lapsed subscription comes last when it comes back, though a later duplicate was ended before": [
        Buy(0, plan=0, action="pay_declined_later"),
        Wait(DAY),
        ByHand("buy by a payment link", which=0),
        Wait(4 * DAY),
        Deliveries("lost"),
        ByHand("sell a bundle", which=3),
        Buy(1, plan=1),
        ByHand("pay an invoice", which=1),
    ],
    "a grace time that ends during a reading is enforced": [
        Buy(0, plan=1, action="pay_declined_later"),
        ByHand("add an item that is paid now", which=2),
        ByHand("set what happens after retries", which=2),
        Deliveries("held"),
        ByHand("sell a trial", which=2),
        Wait(4 * DAY),
    ],
}
"""Sequences that once broke a rule."""


@pytest.mark.parametrize("name", FOUND)
def test_a_rule_that_was_broken_holds(name: str) -> None:
    BillingLife().live(FOUND[name])


@pytest.fixture(scope="module")
def stored(dynamodb: str) -> Iterator[StoredBilling]:
    tables = StoredBilling()
    yield tables
    tables.drop()


@pytest.mark.parametrize("batch", BATCHES)
def test_the_rules_of_billing_hold_over_a_table(stored: StoredBilling, batch: int) -> None:
    run(f"{batch}.stored", MAKERS, lambda steps: BillingLife(stored.stores()).live(steps))
