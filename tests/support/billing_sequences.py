"""Random sequences of what happens to subscriptions: users, operators, webhooks, faults, crashes, time.

A step is a small value that can be printed, left out and taken again. ``BillingLife`` takes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.support.billing_life import AT_CUSTOMER, AT_SUBSCRIPTION, ELSEWHERE, BillingLife, Step

MINUTE, HOUR, DAY = 60, 3_600, 86_400


@dataclass(frozen=True)
class Wait:
    """Let time pass."""

    seconds: int

    def take(self, life: BillingLife) -> None:
        life.wait(self.seconds * 1000)


@dataclass(frozen=True)
class Shop:
    """Ask Purser for a page to pay a plan on."""

    who: int
    plan: int

    def take(self, life: BillingLife) -> None:
        life.shop(self.who, self.plan)


@dataclass(frozen=True)
class Pay:
    """Click on a page."""

    which: int
    action: str = "pay"

    def take(self, life: BillingLife) -> None:
        life.pay(self.which, self.action)


@dataclass(frozen=True)
class Buy:
    """Ask Purser for a page, and pay on it."""

    who: int
    plan: int
    action: str = "pay"

    def take(self, life: BillingLife) -> None:
        life.shop(self.who, self.plan)
        life.pay(-1, self.action)


@dataclass(frozen=True)
class Change:
    """Ask Purser to change the plan, or to end it with its period."""

    who: int
    plan: int | None = None
    ends: bool | None = None

    def take(self, life: BillingLife) -> None:
        life.change(self.who, self.plan, self.ends)


@dataclass(frozen=True)
class Look:
    """Look at the subscription and the invoices."""

    who: int

    def take(self, life: BillingLife) -> None:
        life.look(self.who)


@dataclass(frozen=True)
class ByHand:
    """Do something at Stripe itself."""

    what: str
    who: int = 0
    which: int = 0

    def take(self, life: BillingLife) -> None:
        life.act_by_hand(self.what, self.who, self.which)


@dataclass(frozen=True)
class Deliveries:
    """Deliver webhooks from now on at once, twice, in the reverse order, on demand, or never."""

    how: str

    def take(self, life: BillingLife) -> None:
        life.delivery = self.how


@dataclass(frozen=True)
class Deliver:
    """Deliver one of the webhooks that wait, and let the worker work."""

    which: int
    keep: bool = False

    def take(self, life: BillingLife) -> None:
        life.deliver(self.which, keep=self.keep)
        life.work()


@dataclass(frozen=True)
class Fail:
    """Let calls of Purser fail, after some that do not."""

    kind: str
    path: str = "/v1"
    method: str | None = None
    skip: int = 0
    times: int = 1

    def take(self, life: BillingLife) -> None:
        life.fail(self.kind, self.path, self.method, self.skip, self.times)


@dataclass(frozen=True)
class Crash:
    """End the process before or after one of its next calls."""

    skip: int
    after: bool = False

    def take(self, life: BillingLife) -> None:
        life.crash(self.skip, self.after)


@dataclass(frozen=True)
class Between:
    """Let something happen between two calls of Purser."""

    skip: int
    step: Step

    def take(self, life: BillingLife) -> None:
        life.happen_later(self.skip, self.step)


@dataclass(frozen=True)
class Lie:
    """Give the worker and the comparison false answers."""

    kind: str
    times: int = 1

    def take(self, life: BillingLife) -> None:
        life.lie(self.kind, self.times)


@dataclass(frozen=True)
class ForgetPrices:
    """Leave the prices of a plan out of the settings."""

    plan: str

    def take(self, life: BillingLife) -> None:
        life.forget_prices(self.plan)


@dataclass(frozen=True)
class Heal:
    """End all faults."""

    def take(self, life: BillingLife) -> None:
        life.heal()


ACTIONS = ("pay", "pay", "pay_declined_later", "pay_declined")
OFTEN = ("buy by a payment link", "sell a bundle", "pay an invoice", "give credit", "break cards")
DISCOUNTS = ("sell with a coupon", "discount the customer")
BY_HAND = (*ELSEWHERE, *AT_CUSTOMER, *AT_CUSTOMER, *AT_SUBSCRIPTION, *AT_SUBSCRIPTION, *((*OFTEN, *DISCOUNTS) * 5))
FAULTS = ("http_500", "http_500_after", "http_500_after", "rate_limit", "timeout_before", "timeout_after")
PATHS = ("/v1", "/v1/refunds", "/v1/customers", "/v1/checkout/sessions", "/v1/subscriptions", "/v1/invoices")
LIES = ("empty list", "newest missing", "oldest missing", "other account", "vanished")


def _who(random: Random) -> int:
    return random.choice([0, 0, 0, 1])


def _wait(random: Random) -> Step:
    return Wait(random.choice([1, 20 * MINUTE, HOUR, DAY, DAY, 4 * DAY]))


def _buy(random: Random) -> Step:
    return Buy(_who(random), random.randrange(3), random.choice(ACTIONS[:3]))


def _shop(random: Random) -> Step:
    return Shop(_who(random), random.randrange(3))


def _pay(random: Random) -> Step:
    return Pay(random.randrange(6), random.choice(ACTIONS))


def _change(random: Random) -> Step:
    return random.choice(
        [Change(_who(random), plan=random.randrange(3)), Change(_who(random), ends=random.random() < 0.5)]
    )


def _retries(random: Random) -> Step:
    return ByHand("set what happens after retries", which=random.randrange(3))


def _by_hand(random: Random) -> Step:
    return ByHand(random.choice(BY_HAND), _who(random), random.randrange(4))


def _deliveries(random: Random) -> Step:
    return Deliveries(random.choice(["prompt", "twice", "reversed", "held", "lost"]))


def _deliver(random: Random) -> Step:
    return Deliver(random.randrange(40), random.random() < 0.3)


def _fail(random: Random) -> Step:
    method = random.choice(["POST", "POST", "DELETE", None])
    return Fail(random.choice(FAULTS), random.choice(PATHS), method, random.randrange(3), random.choice([1, 1, 2, 8]))


def _crash(random: Random) -> Step:
    return Crash(random.randrange(20), random.random() < 0.5)


def _between(random: Random) -> Step:
    make = random.choice([_pay, _by_hand, _deliver, _buy, _change])
    return Between(random.randrange(15), make(random))


MAKERS: dict[Callable[[Random], Step], int] = {
    _wait: 6,
    _buy: 5,
    _shop: 1,
    _pay: 2,
    _change: 2,
    lambda random: Look(_who(random)): 1,
    _by_hand: 9,
    _retries: 1,
    _deliveries: 2,
    _deliver: 1,
    _fail: 2,
    _crash: 2,
    _between: 2,
    lambda random: Lie(random.choice(LIES), random.choice([1, 1, 3])): 1,
    lambda random: ForgetPrices(random.choice(["BASIC", "ADVANCED"])): 1,
    lambda _: Heal(): 2,
}
