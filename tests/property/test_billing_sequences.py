"""Test that random events in the life of subscriptions break no promise about plans and money.

Random sequences run in process on a virtual clock, at the Stripe double and with the gateway that production uses.
``BillingLife`` and ``BillingRules`` say what happens and what must hold. A failure tells the shortest sequence that was
found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.support.billing_life import BillingLife, Step
from tests.support.billing_sequences import (
    DAY,
    HOUR,
    MAKERS,
    MINUTE,
    Buy,
    ByHand,
    Change,
    Crash,
    Deliver,
    Deliveries,
    Fail,
    ForgetPrices,
    Lie,
    Shop,
    Wait,
)
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
    "a user whose subscription ended can buy while a duplicate is still being ended": [
        Buy(0, plan=0),
        Deliveries("held"),
        ByHand("buy by a payment link", which=1),
        Fail("http_500", "/v1/subscriptions", "DELETE", times=99),
        *[Deliver(0)] * 5,
        ByHand("end"),
        Change(0, ends=True),
        Buy(0, plan=2),
    ],
    "what was bought while another was unpaid is refunded when that is paid for the same days": [
        Buy(0, plan=0, action="pay_declined_later"),
        Deliveries("lost"),
        Wait(4 * DAY + 2 * HOUR),
        ByHand("buy by a payment link", which=1),
        Wait(1),
        ByHand("pay an invoice"),
    ],
    "a change of plan whose invoice has a waiting item is declined as a whole": [
        Buy(0, plan=0, action="pay_declined_later"),
        ByHand("set an old price", which=2),
        ByHand("add an item"),
        Change(0, plan=0),
    ],
    "what was paid beside a trial that a running subscription was given is refunded": [
        Buy(0, plan=0),
        Wait(2 * DAY),
        ByHand("give a trial"),
        Deliveries("lost"),
        Lie("empty list", times=3),
        Wait(DAY + HOUR),
        ByHand("buy by a payment link", which=1),
        Wait(5 * DAY),
    ],
    "a sweep that was killed after it sent a message may send another": [
        Buy(0, plan=0, action="pay_declined_later"),
        Wait(3 * DAY + 2 * HOUR),
        Wait(22 * HOUR),
        Wait(50 * MINUTE),
        Fail("http_500", times=500),
        Crash(26),
        Wait(4 * HOUR),
    ],
    "a customer who is due has one message while Stripe is down": [
        Buy(0, plan=0, action="pay_declined_later"),
        Wait(4 * DAY),
        Fail("http_500", times=500),
        Wait(DAY + 12 * HOUR),
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
