"""The rules of billing that protect users' money in every sequence of events.

``BillingRules`` looks at the Stripe double itself: at each changing call of Purser, and after everything else. What it
finds is kept in ``broken``, because an error that is raised within a call of Purser may be caught there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

from local.doubles.stripe import invoices
from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.messages import Request
from purser.billing.model import RUNNING, DueReading, PaidSubscription, Prices
from purser.billing.stripe_gateway import RESTORED, USER
from purser.errors import PurserError
from purser.plans.model import Plan
from tests.support.billing import DAY_MS, FakeBillingTelemetry
from tests.support.sequences import BrokenRule

HOUR_MS = 3_600_000
DETECTED_MS = DAY_MS + 3 * HOUR_MS
"""The time in which the daily comparison, the retries of a message and the next synchronization find everything."""

PAID = ("active", "trialing")
"""The statuses in which a plan is paid for, or is free for a time by an operator's will."""


@dataclass(frozen=True)
class Standing:
    """Our record of a user's subscription, and the status of that at Stripe."""

    paid: PaidSubscription
    status: str


@dataclass
class Operation:
    """A request, message or comparison that Purser works on.

    ``lie``: the kind of false answers of Stripe. ``is_disturbed``: something else happened meanwhile. ``is_troubled``:
    Stripe failed or lied, or the process crashed.
    """

    kind: str
    before: Mapping[str, Standing] = field(default_factory=dict)
    lie: str = ""
    is_disturbed: bool = False
    is_troubled: bool = False
    was_killed: bool = False
    refusal: PurserError | None = None

    @property
    def is_plain(self) -> bool:
        """True if nothing happened that could explain a refusal, or something half-done."""
        return not self.is_disturbed and not self.is_troubled


@dataclass(frozen=True)
class Ended:
    """A duplicate that Purser ends: the subscription beside it, and since when it is marked (Unix s)."""

    beside: str
    since: int


@dataclass
class Lifetimes:
    """The times in which subscriptions ran (Unix s), by Stripe's events."""

    ended: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    running: dict[str, int] = field(default_factory=dict)
    over: dict[str, int] = field(default_factory=dict)
    """The times at which subscriptions ended for good."""

    def follow(self, event: Object) -> None:
        about = event["data"]["object"]
        if about["object"] != "subscription":
            return
        id, at = about["id"], event["created"]
        if about["status"] in RUNNING:
            self.running.setdefault(id, at)
        elif id in self.running:
            self.ended.setdefault(id, []).append((self.running.pop(id), at))
        if about["ended_at"]:
            self.over.setdefault(id, at)

    def ran(self, id: str, at: int) -> bool:
        """Return whether a subscription ran at, or around, a moment."""
        since = self.running.get(id)
        return (since is not None and since <= at) or any(start <= at <= end for start, end in self.ended.get(id, ()))

    def surely_ran(self, id: str, at: int) -> bool:
        """Return whether a subscription had begun before a moment, and ended after it."""
        since = self.running.get(id)
        return (since is not None and since < at) or any(start < at < end for start, end in self.ended.get(id, ()))

    def was_over(self, id: str, at: int) -> bool:
        """Return whether a subscription had ended for good before a moment."""
        return self.over.get(id, at) < at


class BillingRules:
    """The rules of all users of a Stripe account. ``prices`` are the right ones, whatever Purser's settings say."""

    def __init__(
        self,
        account: Account,
        prices: Prices,
        telemetry: FakeBillingTelemetry,
        enforced: Callable[[str], Plan | None],
        now: Callable[[], int],
        grace_ms: int,
    ) -> None:
        self._account = account
        self._prices = prices
        self._telemetry = telemetry
        self._enforced = enforced
        self._now = now
        self._grace_ms = grace_ms
        self._since: dict[str, int] = {}
        self._refunds_read = self._credits_read = 0
        self._ended: dict[str, Ended] = {}
        self.broken: list[str] = []
        self.lifetimes = Lifetimes()
        self.customers: dict[str, list[str]] = {}
        """The linked customers of each user, latest first."""

        self.noted: dict[str, PaidSubscription] = {}
        self.ever_ours: set[str] = set()
        self.ever_paused: set[str] = set()
        self._past_due: dict[str, int] = {}
        self.by_hand: set[str] = set()
        """Refunds of operators."""

        self.troubled_until = 0
        """The end of the time in which Stripe failed, a process crashed or the settings were wrong."""

        self.is_misconfigured = False

    def raise_broken(self) -> None:
        if self.broken:
            raise BrokenRule(self.broken[0])

    # what is there

    def follow(self, event: Object) -> None:
        """Follow what an event tells of a subscription."""
        self.lifetimes.follow(event)
        about = event["data"]["object"]
        if about["object"] == "subscription":
            if self.is_ours(about):
                self.ever_ours.add(about["id"])
            if about["pause_collection"]:
                self.ever_paused.add(about["id"])
            if about["status"] != "past_due":
                self._past_due.pop(about["id"], None)
            else:
                self._past_due.setdefault(about["id"], event["created"] * 1000)

    def is_ours(self, subscription: Object) -> bool:
        """Return whether Purser sold a subscription, or an operator sold a plan."""
        if USER in subscription["metadata"] or self.plan_at_stripe(subscription):
            return True
        return any(each.subscription_id == subscription["id"] and each.plan for each in self.noted.values())

    def plan_at_stripe(self, subscription: Object) -> Plan | None:
        """Return the largest plan among the prices of a subscription."""
        plans = [self._prices.plan(item["price"]["id"]) for item in subscription["items"]["data"]]
        return max((plan for plan in plans if plan), key=lambda plan: plan.size, default=None)

    def customer_of(self, user: str) -> str | None:
        return next(iter(self.customers.get(user, ())), None)

    def running(self, customer: str | None) -> list[Object]:
        """Return the running subscriptions of a customer that are ours, oldest first."""
        found = self._account.where("subscription", customer=customer)
        return [each for each in found if each["status"] in RUNNING and self.is_ours(each)]

    def in_use(self, user: str) -> list[Object]:
        """Return the running subscriptions of a user that are ours, but not the duplicates that Purser is ending."""
        noted = self.noted.get(user)
        ending = noted.duplicates if noted else {}
        return [each for each in self.running(self.customer_of(user)) if each["id"] not in ending]

    def standings(self) -> dict[str, Standing]:
        """Return what users have by our records."""
        return {user: Standing(paid, self._status(paid.subscription_id)) for user, paid in self.noted.items()}

    def _status(self, subscription: str) -> str:
        status: str = self._account.get("subscription", subscription)["status"]
        return status

    def plan_of(self, paid: PaidSubscription) -> Plan | None:
        """Return the plan that a record gives now."""
        return paid.plan if paid.is_entitled(self._now(), self._grace_ms) else None

    # what Purser does

    def trouble(self) -> None:
        """Note that something keeps Purser from its work now."""
        self.troubled_until = self._now()

    def note_link(self, first: str, user: str, *_: object) -> None:
        """Note which customer is linked to a user."""
        linked = self.customers.setdefault(user, [])
        if first not in linked:
            linked.insert(0, first)

    def note_record(self, _: None, paid: PaidSubscription) -> None:
        """Note what was stored. Who is named as a duplicate runs beside another one, which is not."""
        before = self.noted.get(paid.user_id)
        self.noted[paid.user_id] = paid
        new = set(paid.duplicates) - set(before.duplicates if before else ())
        if paid.subscription_id in new:
            self.broken.append(f"{paid.subscription_id} is in use and a duplicate")
        for id in new:
            self._ended[id] = Ended(paid.duplicates[id], self._now() // 1000)

    def note_reading(self, is_stored: bool, after: DueReading) -> None:
        """Note when a reading is due again that a sweep has claimed."""
        if is_stored:
            self.noted[after.user_id] = replace(self.noted[after.user_id], due_at=after.due_at)

    def check_due(self, waiting: Iterable[Mapping[str, str]], killed_sweeps: int) -> None:
        """Check that one message waits to say that a customer is due, and one more for each sweep that was killed.

        A sweep may be killed after it has sent a message, and before it has stored that.
        """
        due = Counter(message["customerId"] for message in waiting if message["type"] == "due")
        self.broken += [
            f"{count} messages say that {customer} is due"
            for customer, count in due.items()
            if count > 1 + killed_sweeps
        ]

    def check_call(self, call: Request, operation: Operation) -> None:
        """Check what one changing call of Purser wants: it touches what is ours, and ends duplicates only."""
        match call.path.split("/")[2:]:
            case ["subscriptions", id]:
                self._check_ours(id, call)
                if call.method == "DELETE" and id not in self._ended:
                    self.broken.append(f"{id} is ended, and was no duplicate")
            case ["subscription_schedules", id, "release"]:
                schedule = self._account.get("subscription_schedule", id)
                self._check_ours(schedule["subscription"] or schedule["released_subscription"], call)
            case ["invoices", id, _]:
                self._check_ours(invoices.subscription_of(self._account, self._account.get("invoice", id))["id"], call)
            case ["checkout", "sessions", id, "expire"]:
                if "priceId" not in self._account.get("checkout.session", id)["metadata"]:
                    self.broken.append(f"the page {id} is not ours, and is closed")
            case ["checkout", "sessions"]:
                self._check_page(dict(parse_qsl(call.body)), operation)

    def _check_ours(self, id: str, call: Request) -> None:
        if id not in self.ever_ours:
            self.broken.append(f"{call.method} {call.path} touches {id}, which is not ours")

    def _check_page(self, asked: Mapping[str, str], operation: Operation) -> None:
        user = asked["client_reference_id"]
        linked = self.customers[user] if operation.is_disturbed else self.customers[user][:1]
        if asked["customer"] not in linked:
            self.broken.append(f"a page is opened for {asked['customer']} instead of {linked}")
        if self.in_use(user) and not operation.is_disturbed and not self.is_misconfigured:
            self.broken.append("a page is opened beside a running subscription")

    def check_money(self) -> None:
        """Check what was given back since the last look: only what was paid while another one ran, or was paid, too."""
        refunds = self._account.all("refund")
        for refund in refunds[self._refunds_read :]:
            if refund["id"] not in self.by_hand:
                charge = self._account.get("charge", refund["charge"])
                self._check_given_back(subscription_of(self._account, charge), charge["created"], refund["id"])
                self._check_refunded(charge)
        self._refunds_read = len(refunds)
        changes = self._account.all("customer_balance_transaction")
        for credit in changes[self._credits_read :]:
            if restored := credit["metadata"].get(RESTORED):
                self._check_credit(restored, changes)
        self._credits_read = len(changes)

    def _check_given_back(self, subscription: str, at: int, what: str) -> None:
        others = [id for id in self.ever_ours if id != subscription and self._is_of_same_customer(id, subscription)]
        ended = self._ended.get(subscription)
        if ended is None:
            self.broken.append(f"{what} gives back what was paid for {subscription}, which was no duplicate")
        elif at < ended.since and not any(self.lifetimes.ran(id, at) or self._is_paid_for(id, at) for id in others):
            self.broken.append(f"{what} gives back what was paid for {subscription} while no other one ran")

    def _check_refunded(self, charge: Object) -> None:
        refunded = sum(each["amount"] for each in self._account.where("refund", charge=charge["id"]))
        (payment,) = self._account.where("invoice_payment", payment=paid_by(charge))
        paid = self._account.get("invoice", payment["invoice"])["amount_paid"]
        if refunded > paid:
            self.broken.append(f"{paid} were paid by {charge['id']}, and {refunded} are refunded")

    def _is_paid_for(self, subscription: str, at: int) -> bool:
        """Return whether a moment was paid for, perhaps later: who pays a lapsed subscription pays its whole period."""
        every = invoices.latest_first(self._account, self._account.get("subscription", subscription))
        periods = [line["period"] for each in every if each["status"] == "paid" for line in each["lines"]["data"]]
        return any(period["start"] <= at <= period["end"] for period in periods)

    def _is_of_same_customer(self, one: str, other: str) -> bool:
        ours = (self._account.get("subscription", id)["customer"] for id in (one, other))
        return len(set(ours)) == 1

    def _check_credit(self, invoice_id: str, changes: Iterable[Object]) -> None:
        invoice = self._account.get("invoice", invoice_id)
        used = invoice["ending_balance"] - invoice["starting_balance"]
        restored = sum(-each["amount"] for each in changes if each["metadata"].get(RESTORED) == invoice_id)
        if restored != used:
            self.broken.append(f"{invoice_id} used credit of {used}, and {restored} is restored")
        subscription = invoices.subscription_of(self._account, invoice)["id"]
        self._check_given_back(subscription, invoice["status_transitions"]["paid_at"], invoice_id)

    def check_operation(self, operation: Operation) -> None:
        """Check that Purser can do its work, and that nobody has lost a plan that is paid for, whatever Stripe says."""
        if operation.kind in ("look", "work", "compare") and operation.refusal and operation.is_plain:
            self.broken.append(f"{operation.kind} is refused: {operation.refusal!r}")
        for user, before in operation.before.items():
            after, id = self.noted[user], before.paid.subscription_id
            is_paid = before.status in PAID and self._status(id) in PAID
            if is_paid and self.plan_of(before.paid) and not self.plan_of(after):
                self.broken.append(f"{id} is paid, and its plan was taken away")
            if is_paid and before.paid.is_running and after.subscription_id != id:
                self.broken.append(f"{id} is in use, and gave way to {after.subscription_id}")

    # what must end in time

    def observe(self) -> None:
        """Note since when each wrong state lasts, and report those that last too long."""
        self.check_money()
        if self.is_misconfigured:
            self.trouble()
        now = self._now()
        wrong = list(self.wrong())
        self._since = {what: self._since.get(what, now) for what in wrong}
        for what in wrong:
            lasted = now - max(self._since[what], self.troubled_until)
            if lasted > DETECTED_MS:
                self.broken.append(f"{what} for {lasted // HOUR_MS} h")

    def wrong(self) -> Iterator[str]:
        """Yield the wrong states, which must end in time."""
        for user, linked in self.customers.items():
            yield from self._wrong_of(user, linked[0])
        yield from self._still_payable()
        for customer in {each["customer"] for each in self._account.all("subscription")}:
            alarms = ("stranger", customer), ("unknown", customer)
            if not self._is_stranger(customer):
                continue
            if not any(alarm in self._telemetry.seen for alarm in alarms):
                yield f"{customer} pays for a plan, and nobody knows"
            for each in self.running(customer):
                if each["metadata"].get(USER, customer) not in (customer, *self.customers):
                    yield f"{each['metadata'][USER]} pays for a plan, and has no customer"

    def _is_stranger(self, customer: str) -> bool:
        if any(linked[0] == customer for linked in self.customers.values()):
            return False
        return any(self.plan_at_stripe(each) for each in self.running(customer))

    def _wrong_of(self, user: str, customer: str) -> Iterator[str]:
        running, noted = self.running(customer), self.noted.get(user)
        if len(running) > 1:
            yield f"{user} pays for {[each['id'] for each in running]}"
        in_use = running[0] if len(running) == 1 else None
        if in_use and (noted is None or (noted.subscription_id, noted.status) != (in_use["id"], in_use["status"])):
            yield f"{user} has {in_use['id']}, {in_use['status']}, and our record is {noted}"
        if in_use and noted and self.plan_at_stripe(in_use) not in (None, noted.plan):
            yield f"{user} pays for another plan than {noted.plan}"
        if noted and self.plan_of(noted) and self._is_beyond_grace(noted.subscription_id):
            yield f"{user} has {noted.plan}, and {noted.subscription_id} is past due beyond the grace time"
        if not running and noted and noted.is_running:
            yield f"{user} has {noted.plan}, and pays for nothing"
        if noted and noted.duplicates:
            yield f"{user} has duplicates {noted.duplicates}"
        if noted and self._enforced(user) != self.plan_of(noted):
            yield f"{user} has {self.plan_of(noted)}, and {self._enforced(user)} is enforced"
        yield from self._not_given_back(customer)

    def _is_beyond_grace(self, subscription: str) -> bool:
        since = self._past_due.get(subscription)
        # The grace time begins when Purser learns of the failed payment, at the latest after it was kept from its work.
        return since is not None and self._now() > max(since, self.troubled_until) + self._grace_ms + DETECTED_MS

    def _still_payable(self) -> Iterator[str]:
        for id in self._ended:
            for invoice in invoices.latest_first(self._account, self._account.get("subscription", id)):
                if invoice["status"] in invoices.PAYABLE:
                    yield f"{invoice['id']} of the duplicate {id} can be paid"

    def _not_given_back(self, customer: str) -> Iterator[str]:
        for charge in self._account.where("charge", customer=customer, paid=True):
            subscription = subscription_of(self._account, charge)
            if charge["disputed"] or charge["amount_refunded"]:
                continue
            if self._was_paid_beside(subscription, charge["created"]):
                yield f"{charge['id']} for the duplicate {subscription} is not refunded"
        if self._account.get("customer", customer).get("_deleted"):
            return  # Its balance is gone, and takes no credit any more.
        changes = self._account.all("customer_balance_transaction")
        restored = {change["metadata"].get(RESTORED) for change in changes}
        for change in changes:
            if change["customer"] == customer and change["invoice"] and change["invoice"] not in restored:
                yield from self._credit_not_restored(self._account.get("invoice", change["invoice"]))

    def _was_paid_beside(self, subscription: str, at: int) -> bool:
        """Return whether a payment was surely made for what gave nothing: beside another one, or after that had ended.

        A subscription that is marked as a duplicate gives no plan. What was paid beside one whose collection was ever
        paused may stay.
        """
        ended = self._ended.get(subscription)
        if ended is None or ended.beside in self.ever_paused:
            return False
        ran, was_over = self.lifetimes.surely_ran, self.lifetimes.was_over
        return at > ended.since or ran(ended.beside, at) or was_over(ended.beside, at)

    def _credit_not_restored(self, invoice: Object) -> Iterator[str]:
        paid_at = invoice["status_transitions"]["paid_at"]
        subscription = invoices.subscription_of(self._account, invoice)["id"]
        if paid_at is not None and self._was_paid_beside(subscription, paid_at):
            yield f"the credit that {invoice['id']} of a duplicate used is not restored"


def subscription_of(account: Account, charge: Object) -> str:
    """Return the subscription that a charge paid for."""
    (paid,) = account.where("invoice_payment", payment=paid_by(charge))
    id: str = account.get("invoice", paid["invoice"])["parent"]["subscription_details"]["subscription"]
    return id


def paid_by(charge: Object) -> Object:
    """Return the reference of a payment to its payment intent."""
    return {"payment_intent": charge["payment_intent"], "type": "payment_intent"}
