"""The rules of manual orders that protect a user's money in every sequence of events.

``Rules`` looks at the paper exchange itself: before and after each changing call of Purser, and after everything else.
It tells who placed what by the client order ids, since those of Purser have its prefix.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum, auto

from local.doubles.binance import PaperExchange
from local.doubles.binance.model import Algo, Order
from purser.orders.intents import LEASE_AFTER_MS, ORDER_TIME_MS, WATCH_AFTER_MS, Intent, State
from purser.orders.model import CLIENT_ID_PREFIX, Role, client_id
from purser.orders.reconciling import BEGINNING_SHARE, RUN_INTERVAL_S
from tests.support.intents import RUN_LIMIT_MS
from tests.support.sequences import BrokenRule

ZERO = Decimal(0)
MARKET = "BTCUSDT"
RUN_INTERVAL_MS = RUN_INTERVAL_S * 1000

LOOK_MS = 2_000
"""The longest look of the reconciler at one account without faults."""

LOOK_AGAIN_MS = RUN_INTERVAL_MS + WATCH_AFTER_MS + LOOK_MS
"""The longest time until the end of the next look at an intent that rests."""

TAKEN_OVER_MS = ORDER_TIME_MS + LEASE_AFTER_MS + RUN_INTERVAL_MS - int(RUN_LIMIT_MS * BEGINNING_SHARE) + LOOK_MS
"""The longest time until the end of the first look at an intent that was cut: its lease, and what no run waits for."""

PROMPTLY_MS = max(LOOK_AGAIN_MS, TAKEN_OVER_MS)
assert PROMPTLY_MS <= 60_000, "one interval of the schedule"
SWEEP_MS = 5 * 60_000
MOST_CLOSINGS = 100
"""The number of closings of one intent that are told from others. A thin market takes many."""


class Outcome(Enum):
    """The end of a request, or of a run of the reconciler."""

    ANSWERED = auto()
    REFUSED = auto()
    KILLED = auto()


@dataclass
class Episode:
    """A position from its opening to its end: the amounts that entered and left it, by client order id."""

    opened_by: str
    entered: dict[str, Decimal]
    left: dict[str, Decimal]


@dataclass(frozen=True)
class Seen:
    """The open orders by client order id, and the position, at one moment.

    ``closable`` is how much of the position Purser may close without being asked.
    """

    orders: dict[str, Order | Algo]
    position: Decimal
    episode: Episode | None
    closable: Decimal


@dataclass(frozen=True)
class Change:
    """A changing call of Purser, and what it did. ``name`` is the client order id in it, if it has one."""

    name: str
    is_entry: bool
    before: Seen
    after: Seen

    @property
    def cancelled(self) -> list[Order | Algo]:
        gone = [order for name, order in self.before.orders.items() if name not in self.after.orders]
        return [order for order in gone if order.status == "CANCELED"]

    @property
    def closed(self) -> Decimal:
        """The amount by which the position was reduced."""
        before, after = self.before.position, self.after.position
        return abs(before) if before * after < 0 else max(abs(before) - abs(after), ZERO)


@dataclass
class Operation:
    """A request, or a run of the reconciler, and what is known of it so far.

    ``clears``: the user has asked for it to clear the symbol. An order clears the symbol until its entry is sent.
    ``taken`` is what this has cost the user. ``is_disturbed``: something else happened between its calls.
    """

    is_order: bool = False
    clears: bool = False
    is_disturbed: bool = False
    is_unfinished: bool = False
    is_troubled: bool = False
    has_entered: bool = False
    changes: int = 0
    taken: list[str] = field(default_factory=list)
    has_failed_since_taking: bool = False

    @property
    def may_clear(self) -> bool:
        return self.clears or (self.is_order and not self.has_entered)

    def note(self, change: Change, *, is_of_earlier: bool) -> None:
        """Note what a call did. One ``is_of_earlier`` if it is of an earlier order: an exit, or a closing."""
        self.changes += bool(change.cancelled or change.before.position != change.after.position)
        self.has_entered |= change.is_entry
        if self.is_order and not self.has_entered and not is_of_earlier:
            self.taken += [order.client_id for order in change.cancelled]
            self.taken += ["the position"] if change.closed else []

    def note_failure(self) -> None:
        """Note that a call failed."""
        self.has_failed_since_taking |= bool(self.taken)


def is_ours(client_id: str) -> bool:
    return client_id.startswith(CLIENT_ID_PREFIX)


def entry_of(intent: Intent) -> str:
    return intent.legs[0].order.client_id


def exits_of(intent: Intent) -> list[str]:
    return [leg.order.client_id for leg in intent.exits]


def stop_of(intent: Intent) -> str | None:
    return next((leg.order.client_id for leg in intent.legs if leg.role is Role.STOP), None)


def closing_of(intent: Intent, number: int) -> str:
    return client_id(intent.id, intent.generation, f"closing-{number}")


class Rules:
    """The rules of one account in one market."""

    def __init__(self, exchange: PaperExchange, api_key: str) -> None:
        self._exchange = exchange
        self._api_key = api_key
        self._trades_read = 0
        self._position = ZERO
        self._episode: Episode | None = None
        self._executed: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self._net = ZERO
        """The amount that Purser's orders bought minus what they sold, since the position was last zero."""
        self._closed_by_hand: set[str] = set()
        self._since: dict[str, int] = {}
        self.intents: dict[tuple[str, int], Intent] = {}
        self.cancelled_by_hand: set[str] = set()
        self.troubled_until = 0
        """The end of the last operation in which the exchange failed or the process crashed."""

    def note_intent(self, intent: Intent) -> None:
        """Note what is stored of an intent. Only one that has failed is tried again."""
        before = self.intents.get((intent.id, intent.generation - 1))
        if before is not None:
            self.intents[before.id, before.generation] = replace(before, state=State.FAILED)
        self.intents[intent.id, intent.generation] = intent

    def is_leg(self, name: str) -> bool:
        """Return whether a client order id is that of an order of a known intent."""
        return any(leg.order.client_id == name for intent in self.intents.values() for leg in intent.legs)

    def is_of_earlier(self, name: str) -> bool:
        """Return whether a client order id is that of a known intent's order, or of a closing of its position."""
        closings = (closing_of(intent, number) for intent in self.intents.values() for number in range(MOST_CLOSINGS))
        return self.is_leg(name) or name in closings

    def seen(self) -> Seen:
        """Return what is there now, without conditional orders that are stuck."""
        self._read_trades()
        desk = self._exchange.futures
        listed: list[Order | Algo] = [
            *desk.orders.open_of(self._api_key, MARKET),
            *(algo for algo in desk.algos.shelf.open_of(self._api_key, MARKET) if algo.waits),
        ]
        return Seen({order.client_id: order for order in listed}, self._position, self._episode, self._closable())

    def _closable(self) -> Decimal:
        """Return how much of the position Purser may close without being asked: what its orders have left of their own.

        A venue nets what the user and Purser trade, so that a trade of the user's may turn a position to Purser's side.
        """
        if self._episode is None:
            return ZERO
        taken = ZERO if _is_shared(self._episode) else _of_ours(self._episode.left)
        opened = _of_ours(self._episode.entered) - taken
        net = self._net if self._position > 0 else -self._net
        return max(opened, min(net, abs(self._position)), ZERO)

    def _read_trades(self) -> None:
        desk = self._exchange.futures
        trades = desk.trades.of(self._api_key, MARKET)
        for trade in trades[self._trades_read :]:
            order = desk.orders.get(self._api_key, trade.order_id)
            assert order is not None
            self._follow(order.client_id, trade.quantity if order.buys else -trade.quantity)
        self._trades_read = len(trades)

    def _follow(self, name: str, signed: Decimal) -> None:
        """Follow the position through one trade."""
        self._executed[name] += abs(signed)
        before = self._position
        after = self._position = before + signed
        self._net = (self._net + signed if is_ours(name) else self._net) if after else ZERO
        if self._episode is not None and before * after <= 0:
            if not is_ours(name):
                self._closed_by_hand |= self._episode.entered.keys()
            self._episode = None
        if self._episode is None:
            self._episode = Episode(name, {name: abs(after)}, {}) if after else None
            return
        moved = self._episode.entered if before * signed > 0 else self._episode.left
        moved[name] = moved.get(name, ZERO) + abs(signed)

    def check_change(self, change: Change, operation: Operation) -> None:
        """Check what one call of Purser did: it takes nothing that is not Purser's, and no stop from a position."""
        before, after = change.before, change.after
        if after.episode not in (None, before.episode) and not change.is_entry:
            raise BrokenRule(f"{change.name} opened a position")
        not_ours = [order.client_id for order in change.cancelled if not is_ours(order.client_id)]
        too_much = change.closed > before.closable
        if (not_ours or (too_much and not change.is_entry)) and not operation.may_clear:
            raise BrokenRule(f"Purser cancelled {not_ours}, or closed {change.closed} of {before.episode}")
        is_own = before.episode is not None and before.closable > 0 and not _is_shared(before.episode)
        if is_own and after.episode is before.episode and not operation.is_disturbed:
            for order in change.cancelled:
                if _protects(order, before.position):
                    raise BrokenRule(f"the stop {order.client_id} of an open position was cancelled")

    def check_order(self, intent: Intent | None, operation: Operation, outcome: Outcome, before: Seen) -> None:
        """Check what a request for an order has left."""
        if operation.is_disturbed:
            return
        seen = self.seen()
        if outcome is Outcome.ANSWERED and intent and operation.changes:
            others = [name for name in seen.orders if name not in {leg.order.client_id for leg in intent.legs}]
            if others or (seen.episode and seen.episode.opened_by != entry_of(intent)):
                raise BrokenRule(f"an order succeeded beside {others} and {seen.episode}")
            if self._unprotected(intent, seen):
                raise BrokenRule(f"an order succeeded without its stop: {intent}")
        is_refused = outcome is Outcome.REFUSED and (intent is None or intent.state is State.FAILED)
        if is_refused and operation.taken and not operation.has_failed_since_taking:
            raise BrokenRule(f"a refused order has taken {operation.taken}")
        if is_refused and before.position and before.position == seen.position and operation.taken:
            raise BrokenRule(f"a refused order has left the position, and has taken {operation.taken}")

    def check_cleared(self, operation: Operation) -> None:
        """Check that a clearing that was answered has left nothing."""
        seen = self.seen()
        if not operation.is_disturbed and (seen.position or seen.orders):
            raise BrokenRule(f"clearing has left {seen}")

    def observe(self) -> None:
        """Note since when something is not as it should be. Each such state must end in time."""
        now = self._exchange.clock()
        wrong = dict(self._wrong(self.seen()))
        self._since = {what: self._since.get(what, now) for what in wrong}
        for what, limit in wrong.items():
            lasted = now - max(self._since[what], self.troubled_until)
            if lasted > limit:
                raise BrokenRule(f"{what} for {lasted / 1000} s")

    def _wrong(self, seen: Seen) -> Iterator[tuple[str, int]]:
        for intent in self.intents.values():
            name, entry = f"{intent.id}.{intent.generation}", entry_of(intent)
            if self._unprotected(intent, seen):
                yield f"{name} lacks its stop", PROMPTLY_MS
            is_in_market = self._left_of(intent, seen.episode) > 0
            if intent.state is State.FAILED and (entry in seen.orders or is_in_market):
                yield f"{name} has failed, and is there", 0
            if seen.episode is not None and entry in seen.episode.entered and _is_shared(seen.episode):
                # The venue nets the parts of Purser and the user, so the rules cannot tell which part is left.
                continue
            if entry not in seen.orders and not is_in_market:
                for exit_name in exits_of(intent):
                    if exit_name in seen.orders:
                        yield f"{exit_name} of {name} outlives its position", self._patience(intent)

    def _patience(self, intent: Intent) -> int:
        """Return for how long the exits of an intent may outlive its position."""
        if entry_of(intent) in self._closed_by_hand | self.cancelled_by_hand:
            return SWEEP_MS
        # An entry that has turned a position of the user's leaves less than it filled, and readings may lag behind.
        is_unclear = self._executed[entry_of(intent)] != sum(self._executed[name] for name in exits_of(intent))
        return LOOK_AGAIN_MS + RUN_INTERVAL_MS if is_unclear else PROMPTLY_MS

    def _left_of(self, intent: Intent, episode: Episode | None) -> Decimal:
        """Return how much is left of what an intent has opened, after its exits and the closings of Purser.

        An exit counts even if it was executed for what the user had before the entry: the venue nets them.
        """
        if episode is None:
            return ZERO
        entry, exits = entry_of(intent), exits_of(intent)
        closings = (amount for name, amount in episode.left.items() if is_ours(name) and not self.is_leg(name))
        closed = sum(closings, ZERO)
        here = episode.entered.get(entry, ZERO) - sum((episode.left.get(name, ZERO) for name in exits), ZERO)
        ever = self._executed[entry] - sum((self._executed[name] for name in exits), ZERO)
        return min(here, ever) - closed

    def _unprotected(self, intent: Intent, seen: Seen) -> Decimal:
        """Return how much of a position the intent has opened without the stop that was asked for."""
        stop = stop_of(intent)
        if seen.episode is None or stop is None or stop in self.cancelled_by_hand:
            return ZERO
        needed = min(self._left_of(intent, seen.episode), abs(seen.position))
        placed = seen.orders.get(stop)
        # The venue allows one order that closes the position, so that a stop of the user's stands in for Purser's.
        if any(isinstance(o, Algo) and o.close_position and _protects(o, seen.position) for o in seen.orders.values()):
            return ZERO
        executed = placed.executed if isinstance(placed, Order) else ZERO
        return max(needed - (placed.quantity - executed if placed else ZERO), ZERO)


def _is_shared(episode: Episode) -> bool:
    """Return whether the user has added to a position of Purser's, or taken from it."""
    return not all(is_ours(name) for name in (*episode.entered, *episode.left))


def _of_ours(amounts: dict[str, Decimal]) -> Decimal:
    return sum((amount for name, amount in amounts.items() if is_ours(name)), ZERO)


def _protects(order: Order | Algo, position: Decimal) -> bool:
    return isinstance(order, Algo) and order.type.startswith("STOP") and order.buys == (position < 0)
