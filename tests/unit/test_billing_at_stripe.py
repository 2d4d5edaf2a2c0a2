"""Test whose money is given back, and what is left alone, at the Stripe double in process."""

from __future__ import annotations

from dataclasses import dataclass

from local.doubles.stripe import invoice_routes, invoices, payments
from purser.billing.model import Refund, Status
from tests.support.billing import DAY_MS
from tests.support.billing_life import PLANS, USERS, BillingLife, Step
from tests.support.billing_sequences import DAY, HOUR, Buy, ByHand, Deliveries, Fail, Heal, Lie, Wait
from tests.support.stripe_in_process import gateway_in_process, virtual

BASIC, ADVANCED, PROFESSIONAL = range(len(PLANS))


def lived(*steps: Step) -> BillingLife:
    """Return a life after these steps, in which all rules held."""
    life = BillingLife()
    life.live(steps)
    return life


def charges(life: BillingLife) -> list[tuple[int, int]]:
    """Return the amount and the refunded amount of each payment, newest first."""
    paid = life.account.where("charge", paid=True)
    return [(each["amount"], each["amount_refunded"]) for each in paid][::-1]


def in_use(life: BillingLife) -> tuple[str | None, Status]:
    noted = life.rules.noted[USERS[0]]
    return noted.plan.name if noted.plan else None, noted.status


def test_a_subscription_that_comes_back_ends_and_only_its_new_payment_is_refunded() -> None:
    life = lived(
        Buy(0, BASIC, "pay_declined_later"),
        Wait(5 * DAY),
        Buy(0, PROFESSIONAL),
        Wait(13 * DAY),
        ByHand("pay an invoice"),
    )
    assert in_use(life) == ("PROFESSIONAL", Status.ACTIVE)
    come_back, *others = [each for each in charges(life) if each != (6000, 0)]
    assert come_back == (2000, 2000)
    assert others == [(2000, 0)]
    assert charges(life).count((6000, 0)) > 4


def test_a_duplicate_is_refunded_though_the_subscription_in_use_ends_first_and_another_follows() -> None:
    life = lived(
        Buy(0, BASIC),
        Fail("timeout_before", "/v1/refunds", times=99),
        ByHand("buy by a payment link", which=PROFESSIONAL),
        Wait(1),
        ByHand("end"),
        Wait(1),
        Buy(0, ADVANCED),
        Heal(),
    )
    assert in_use(life) == ("ADVANCED", Status.ACTIVE)
    assert charges(life) == [(4000, 0), (6000, 6000), (2000, 0)]


def test_a_duplicate_that_outlives_the_subscription_in_use_is_refunded_whole() -> None:
    """Purser notices it as the period ends, with which the user lets the one in use end, and cannot cancel in time."""
    life = lived(
        Deliveries("lost"),
        Lie("empty list", times=2),
        Buy(0, BASIC),
        Wait(1),
        ByHand("buy by a payment link", which=PROFESSIONAL),
        Wait(3 * DAY - 60),
        Deliveries("prompt"),
        Fail("http_500", "/v1/subscriptions", "DELETE", times=99),
        ByHand("cancel in the portal"),
        Wait(2 * HOUR),
        Heal(),
    )
    assert in_use(life)[1] == Status.CANCELED
    assert charges(life) == [(6000, 6000), (6000, 6000), (2000, 0)]


def test_a_payment_for_a_duplicate_beside_an_unpaid_subscription_is_refunded() -> None:
    """Purser marked the duplicate while the other one ran, and could not end it for days."""
    life = BillingLife()
    gateway = gateway_in_process(life.double.keys.api_key, life.settings, life.clock, life.double.handle)
    with life.double, virtual(life.clock):
        Buy(0, BASIC, "pay_declined_later").take(life)
        life.clock.advance(7 * DAY_MS)
        ByHand("sell on a page with a code").take(life)
        unpaid, duplicate = life.account.all("subscription")
        assert (unpaid["status"], duplicate["status"]) == ("unpaid", "active")
        assert gateway.refund(duplicate["id"], beside=unpaid["id"]) == Refund(1000)


def test_no_invoice_of_a_duplicate_can_be_paid_afterwards() -> None:
    """Purser cannot cancel the duplicate before an operator has paused it, with an invoice that Stripe gives up."""
    life = lived(
        Buy(0, BASIC),
        Fail("http_500", "/v1/subscriptions", "DELETE", times=999),
        ByHand("buy by a payment link", which=PROFESSIONAL),
        ByHand("pause", which=3),
        Wait(3 * DAY + 2 * HOUR),
        Heal(),
    )
    (duplicate,) = life.account.where("subscription", status="canceled")
    assert [each["status"] for each in invoices.latest_first(life.account, duplicate)] == ["void", "paid"]


@dataclass(frozen=True)
class Debit:
    """Let the bank debit for the renewal of the newest subscription begin, or at last arrive."""

    arrives: bool

    def take(self, life: BillingLife) -> None:
        newest = list(life.account.where("subscription"))[-1]
        renewal = invoices.latest_first(life.account, newest)[0]
        if not self.arrives:
            life.ask(invoice_routes.finalize, renewal["id"], auto_advance="false")
        with life.double.turn():
            intent = payments.intent_of(life.account, renewal)
            intent["status"] = "processing"
            if self.arrives:
                payments.charge(life.account, intent, payments.card_of(life.account, newest), first=False)
                invoices.mark_paid(life.account, renewal, renewal["amount_due"])


def test_a_payment_that_was_under_way_as_the_duplicate_ended_is_refunded_when_it_arrives() -> None:
    life = lived(
        Buy(0, BASIC),
        Fail("http_500", "/v1/subscriptions", "DELETE", times=999),
        ByHand("buy by a payment link", which=PROFESSIONAL),
        Wait(3 * DAY + HOUR // 2),
        Debit(arrives=False),
        Heal(),
        Wait(20 * HOUR),
        Debit(arrives=True),
    )
    assert charges(life) == [(6000, 6000), (2000, 0), (6000, 6000), (2000, 0)]
    assert life.rules.noted[USERS[0]].duplicates == {}


def test_a_support_contract_of_the_same_customer_is_left_alone() -> None:
    life = lived(Buy(0, BASIC), ByHand("sell support"))
    assert in_use(life) == ("BASIC", Status.ACTIVE)
    assert charges(life) == [(50_000, 0), (2000, 0)]
    assert [each["status"] for each in life.account.all("subscription")] == ["active", "active"]


def test_a_refund_that_stripe_never_makes_does_not_stop_the_others() -> None:
    life = lived(
        Deliveries("lost"),
        Buy(0, BASIC),
        Wait(1),
        ByHand("buy by a payment link", which=PROFESSIONAL),
        Wait(1),
        ByHand("buy by a payment link", which=PROFESSIONAL),
        ByHand("dispute", which=1),
        Wait(DAY),
    )
    assert charges(life) == [(6000, 6000), (6000, 0), (2000, 0)]
    noted = life.rules.noted[USERS[0]]
    assert (noted.duplicates, noted.due_at) == ({}, None)


def test_a_refund_that_stripe_never_makes_does_not_stop_that_of_another_payment_for_the_same() -> None:
    life = lived(
        Deliveries("lost"),
        Buy(0, BASIC),
        Wait(1),
        ByHand("buy by a payment link", which=PROFESSIONAL),
        ByHand("add an item that is paid now", which=1),
        ByHand("dispute", which=1),
        Wait(DAY),
    )
    assert charges(life) == [(50_000, 50_000), (6000, 0), (2000, 0)]
    assert life.rules.noted[USERS[0]].duplicates == {}


def test_a_duplicate_with_a_discount_gives_back_what_was_paid() -> None:
    life = lived(Buy(0, BASIC), ByHand("discount the customer"), ByHand("buy by a payment link", which=PROFESSIONAL))
    assert charges(life) == [(3000, 3000), (2000, 0)]


def test_a_duplicate_that_was_free_gives_nothing_back() -> None:
    life = lived(Buy(0, BASIC), ByHand("sell on a page with a code", which=1))
    assert charges(life) == [(2000, 0)]
    assert [each["status"] for each in life.account.all("subscription")] == ["active", "canceled"]
    assert life.account.get("customer", life.rules.customer_of(USERS[0]))["balance"] == 0


def test_a_duplicate_paid_from_credit_gives_the_credit_back() -> None:
    life = lived(Buy(0, BASIC), ByHand("give credit"), ByHand("buy by a payment link", which=PROFESSIONAL))
    assert charges(life) == [(4500, 4500), (2000, 0)]
    assert life.account.get("customer", life.rules.customer_of(USERS[0]))["balance"] == -1500
