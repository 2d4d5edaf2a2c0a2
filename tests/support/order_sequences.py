"""Random sequences of what happens to manual orders: requests, prices, other orders by hand, faults, crashes, time.

A step is a small value that can be printed, left out and taken again. ``OrderLife`` takes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from local.doubles.binance.wire import MESSAGES
from purser.exchanges.orders import Side
from purser.orders.model import EntryType, ManualOrder, Stop, StopType
from tests.support.order_life import TICK, OrderLife, Step


@dataclass(frozen=True)
class Wait:
    """Let time pass. The reconciler runs twice a minute."""

    seconds: int

    def take(self, life: OrderLife) -> None:
        life.wait(self.seconds * 1000)


@dataclass(frozen=True)
class Place:
    """Place a manual order.

    ``away`` is how far behind the price an entry waits, in thousandths; ``take_profits`` are as far ahead of it.
    """

    type: str
    side: str
    amount: str
    away: int = 10
    stop: str | None = None
    take_profits: tuple[int, ...] = ()

    def take(self, life: OrderLife) -> None:
        life.place(self._order(life.price))

    def _order(self, last: Decimal) -> ManualOrder:
        sign = 1 if self.side == "BUY" else -1

        def ahead(thousandths: int, price: Decimal) -> Decimal:
            return (price * (1000 + sign * thousandths) / 1000).quantize(TICK)

        at_market = self.type == "MARKET"
        entry = last if at_market else ahead(-self.away, last)
        stop_price = ahead(-55, entry) if self.stop == "LIMIT" else None
        return ManualOrder(
            "BTC/USDT",
            EntryType(self.type),
            Side(self.side),
            Decimal(self.amount),
            price=None if at_market else entry,
            take_profits=tuple(ahead(thousandths, entry) for thousandths in self.take_profits),
            stop=Stop(ahead(-50, entry), StopType(self.stop), stop_price) if self.stop else None,
            callback_rate=Decimal(1) if self.type == "TRAILING_STOP" else None,
        )


@dataclass(frozen=True)
class Repeat:
    """Send the last order again, under the same id."""

    def take(self, life: OrderLife) -> None:
        life.repeat()


@dataclass(frozen=True)
class Clear:
    """Ask Purser to close the position and to cancel the orders."""

    def take(self, life: OrderLife) -> None:
        life.clear()


@dataclass(frozen=True)
class Move:
    """Move the price by so many thousandths, or to a level of the last order and ``by`` more."""

    to: int | str
    by: int = 0

    def take(self, life: OrderLife) -> None:
        if isinstance(self.to, int):
            life.move_price(life.price * (1000 + self.to) / 1000)
        else:
            life.move_price(life.level(self.to) + self.by)


@dataclass(frozen=True)
class Thin:
    """Let orders be filled up to a depth only, and the rest of limit orders at later prices. 0 ends it."""

    depth: str

    def take(self, life: OrderLife) -> None:
        life.limit_depth(Decimal(self.depth))


@dataclass(frozen=True)
class Stick:
    """Leave the next conditional orders that trigger on their way to the engine, listed as open or not."""

    times: int
    listed: bool

    def take(self, life: OrderLife) -> None:
        life.stick(self.times, self.listed)


@dataclass(frozen=True)
class ByHand:
    """Do something at the exchange itself."""

    what: str
    which: int = 0

    def take(self, life: OrderLife) -> None:
        life.act_by_hand(self.what, self.which)


@dataclass(frozen=True)
class Fail:
    """Let calls of Purser fail, after some that do not."""

    kind: str
    skip: int
    times: int = 1
    path: str = "/"
    code: int | None = None

    def take(self, life: OrderLife) -> None:
        life.fail(self.path, self.kind, self.skip, self.times, self.code)


@dataclass(frozen=True)
class Delay:
    """Let a changing call of Purser arrive so late that Purser has given it up."""

    skip: int
    milliseconds: int

    def take(self, life: OrderLife) -> None:
        life.delay(self.skip, self.milliseconds)


@dataclass(frozen=True)
class Crash:
    """End the process before or after one of its next calls."""

    skip: int
    after: bool = False

    def take(self, life: OrderLife) -> None:
        life.crash(self.skip, self.after)


@dataclass(frozen=True)
class Between:
    """Let something happen between two calls of Purser."""

    skip: int
    step: Move | ByHand

    def take(self, life: OrderLife) -> None:
        life.happen_later(self.skip, self.step)


@dataclass(frozen=True)
class Heal:
    """End all faults."""

    def take(self, life: OrderLife) -> None:
        life.heal()


LIES = frozenset({-2011, -2013, -4116, -4130})
"""Refusals that claim something that the look-ups of the same moment contradict: that an order is not open, does not
exist, or is open. Lagging look-ups are faults of the kind ``hide``."""

CODES = sorted(set(MESSAGES) - LIES, reverse=True)


MOVES = (3, -3, 10, -10, 25, -25, 55, -55, 80, -80)
LEVELS = ("entry", "stop", "take profit")
BY_HAND = ("buy", "sell", "close", "flip", "bid", "ask", "stop", "take profit", "cancel", "cancel", "cancel all")
FAULTS = (
    "http_503", "http_503_after", "timeout_before", "timeout_after", "rate_limit", "html", "empty", "truncated",
    "reject", "reject", "reject", "hide",
)  # fmt: skip
PLACING = ("/fapi/v1/order", "/fapi/v1/algoOrder")
PATHS = ("/", *PLACING, *PLACING, "/fapi/v1/allOpenOrders", "/fapi/v1/algoOpenOrders")
TAKE_PROFITS: tuple[tuple[int, ...], ...] = ((), (20,), (20, 40, 60), (4, 20))


def _wait(random: Random) -> Step:
    return Wait(random.choice([1, 10, 20, 60, 60, 130]))


def _place(random: Random) -> Step:
    kind = random.choice(["LIMIT", "MARKET", "TRAILING_STOP"])
    stops = ["MARKET", "LIMIT", "MARKET", None]
    near = -5 if kind == "LIMIT" else 5
    return Place(
        kind,
        random.choice(["BUY", "SELL"]),
        random.choice(["0.05", "0.011", "0.2", "0.05", "0.011", "0.2", "12"]),
        away=random.choice([10, 2, 30, near]),
        stop=random.choice(stops),
        take_profits=random.choice(TAKE_PROFITS),
    )


def _move(random: Random) -> Move:
    if random.random() < 0.5:
        return Move(random.choice(MOVES))
    return Move(random.choice(LEVELS), random.choice([0, 1, -1]))


def _by_hand(random: Random) -> ByHand:
    return ByHand(random.choice(BY_HAND), random.randrange(4))


def _fail(random: Random) -> Step:
    kind, times = random.choice(FAULTS), random.choice([1, 1, 2, 4, 50])
    if kind == "reject":
        return Fail(kind, random.randrange(4), times, random.choice(PATHS), random.choice(CODES))
    if kind == "hide":
        return Fail(kind, random.randrange(4), times, "/fapi/v1/algoOrder")
    return Fail(kind, random.randrange(15), times)


def _delay(random: Random) -> Step:
    return Delay(random.randrange(7), random.choice([1_000, 3_900, 4_800, 9_000]))


def _crash(random: Random) -> Step:
    return Crash(random.randrange(17), random.random() < 0.5)


def _between(random: Random) -> Step:
    return Between(random.randrange(13), _move(random) if random.random() < 0.5 else _by_hand(random))


def _thin(random: Random) -> Step:
    return Thin(random.choice(["0", "0.004", "0.02"]))


def _stick(random: Random) -> Step:
    return Stick(random.choice([1, 1, 2]), random.random() < 0.5)


MAKERS: dict[Callable[[Random], Step], int] = {
    _place: 6,
    _wait: 5,
    _move: 5,
    _by_hand: 3,
    _fail: 2,
    _crash: 2,
    _delay: 1,
    _between: 2,
    lambda _: Heal(): 2,
    lambda _: Clear(): 1,
    lambda _: Repeat(): 1,
    _thin: 1,
    _stick: 1,
}
