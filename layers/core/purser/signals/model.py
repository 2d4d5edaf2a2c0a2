"""Signals and the state of a strategy's trade.

Every price is an exact ``Decimal`` in the quote asset, and every time Unix milliseconds. A stop or take-profit is
given as a price, or in percent of the entry. ``Signal.exits`` returns prices in both cases.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from purser.orders.model import EntryType
from purser.strategies.model import Direction
from purser.work.model import WorkItem

HUNDRED = Decimal(100)
LEASE_MS = 70_000
"""The lease of a fan-out: longer than its function may run."""

RESEND_AFTER_MS = 9 * 60 * 1000
"""The time from sending a fan-out's message until it is due again: 1.5 times the queue's visibility time-out."""


class Action(StrEnum):
    """The action that a signal asks for: open a trade, close it, or stop the strategy."""

    ENTER = "ENTER"
    EXIT = "EXIT"
    DISABLE = "DISABLE"


class Source(StrEnum):
    """The origin of a signal: an administrator, the webhook, or the event bus."""

    ADMIN = "ADMIN"
    WEBHOOK = "WEBHOOK"
    EVENT = "EVENT"


class Mode(StrEnum):
    """The trading that is allowed for a strategy, or for all: anything, only closing, or nothing new."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class Status(StrEnum):
    """The outcome of a signal. Followers act on ACCEPTED ones only."""

    ACCEPTED = "ACCEPTED"
    DUPLICATE = "DUPLICATE"
    EXPIRED = "EXPIRED"
    IGNORED = "IGNORED"
    OUT_OF_ORDER = "OUT_OF_ORDER"
    REFUSED = "REFUSED"


class Reason(StrEnum):
    """The reasons for which a signal is IGNORED or REFUSED.

    ALREADY_OPEN, NOTHING_OPEN and ALREADY_HALTED leave nothing to do. SUSPECT_PRICE is a price that cannot be right.
    OTHER_SYMBOL, OTHER_EXCHANGE and OTHER_STRATEGY name something that is not the strategy's.
    """

    ALREADY_OPEN = "ALREADY_OPEN"
    NOTHING_OPEN = "NOTHING_OPEN"
    ALREADY_HALTED = "ALREADY_HALTED"
    HALTED = "HALTED"
    REDUCING = "REDUCING"
    STRATEGY_INACTIVE = "STRATEGY_INACTIVE"
    NO_STOP = "NO_STOP"
    SUSPECT_PRICE = "SUSPECT_PRICE"
    FROM_THE_FUTURE = "FROM_THE_FUTURE"
    OTHER_SYMBOL = "OTHER_SYMBOL"
    OTHER_EXCHANGE = "OTHER_EXCHANGE"
    OTHER_STRATEGY = "OTHER_STRATEGY"
    UNSUPPORTED = "UNSUPPORTED"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True)
class Level:
    """The place of an exit: at ``price``, or ``percent`` away from the entry. One of them is set."""

    price: Decimal | None = None
    percent: Decimal | None = None

    def at(self, entry: Decimal, direction: Direction, *, gains: bool) -> Decimal:
        """Return the price for a trade entered at ``entry``. It ``gains`` for a take-profit, and loses for a stop."""
        if self.price is not None:
            return self.price
        rises = gains == (direction is Direction.LONG)
        distance = entry * (self.percent or Decimal(0)) / HUNDRED
        return entry + distance if rises else entry - distance


@dataclass(frozen=True, slots=True)
class TakeProfit:
    """A take-profit for ``share`` percent of the position."""

    level: Level
    share: Decimal


@dataclass(frozen=True, slots=True)
class Exits:
    """The prices of a trade's stop and take-profits, each take-profit with its share in percent."""

    stop: Decimal
    take_profits: tuple[tuple[Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal as it is stored.

    Attributes:
        action: None if it could not be read.
        direction: the trade to open or close. An EXIT or DISABLE without one closes whatever is open.
        limit_price: the price of a LIMIT entry.
        trigger_price: the market's price by the sender, for comparison only.
        stop: present on every accepted ENTER.
        closes: followers close the trade: every EXIT, and a DISABLE that asks for it.
        stamped_at: when the sender made the signal.
        expires_at: nothing new may enter from then on.
        detail: which field of the signal broke which rule.
        duplicate_of: the id of the first signal that is the same.
        reverses: the id of the signal that opened the opposite trade, which an accepted ENTER ends.
    """

    id: str
    strategy_id: str
    source: Source
    action: Action | None
    direction: Direction | None
    symbol: str
    entry_type: EntryType
    limit_price: Decimal | None
    trigger_price: Decimal | None
    stop: Level | None
    take_profits: tuple[TakeProfit, ...]
    closes: bool
    stamped_at: int
    received_at: int
    expires_at: int
    status: Status
    reason: Reason | None = None
    detail: str | None = None
    duplicate_of: str | None = None
    reverses: str | None = None

    def exits(self, reference: Decimal) -> Exits:
        """Return the exits of an accepted ENTER by price.

        ``reference`` is the venue's price for a MARKET entry; a LIMIT entry counts from its own price.
        """
        if self.direction is None or self.stop is None:
            raise ValueError("only an accepted ENTER has exits")
        entry = self.limit_price or reference
        return Exits(
            self.stop.at(entry, self.direction, gains=False),
            tuple((each.level.at(entry, self.direction, gains=True), each.share) for each in self.take_profits),
        )


def signal_id(now: int, after: str | None = None) -> str:
    """Return a new id (UUID version 7) that sorts by time, and after the id ``after``."""
    if after is not None:
        now = max(now, (uuid.UUID(after).int >> 80) + 1)
    fixed = now << 80 | 7 << 76 | 0b10 << 62
    random = int.from_bytes(os.urandom(10)) & ~(0xF << 76 | 0b11 << 62)
    return str(uuid.UUID(int=fixed | random))


@dataclass(frozen=True, slots=True)
class State:
    """The state of a strategy's trade, which each signal changes under its ``version``.

    Attributes:
        mode_set_at: when ``mode`` was set last.
        direction: of the open trade, None if there is none.
        opened_by: the id of the signal that opened it.
        entered_at: the latest stamp of an ENTER that was not refused, by direction.
        exited_at: the latest stamp of an EXIT, by direction, also of one that came before its ENTER.
        last_accepted: the id of the signal that was accepted last. Later ones have greater ids, whatever the clocks.
    """

    mode: Mode = Mode.ACTIVE
    mode_set_at: int = 0
    direction: Direction | None = None
    opened_by: str | None = None
    entered_at: Mapping[Direction, int] = field(default_factory=dict)
    exited_at: Mapping[Direction, int] = field(default_factory=dict)
    last_accepted: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class SecretHash:
    """A secret of a strategy, as SHA-256 in hexadecimal."""

    hash: str = field(repr=False)
    created_at: int


@dataclass(frozen=True, slots=True)
class FanOut(WorkItem):
    """The work of carrying an accepted signal to the strategy's followers."""

    MESSAGE: ClassVar[tuple[str, ...]] = ("strategyId", "signalId")

    strategy_id: str
    signal_id: str
    received_at: int

    @property
    def key(self) -> tuple[str, ...]:
        """The ids of the strategy and the signal."""
        return self.strategy_id, self.signal_id

    @property
    def since(self) -> int:
        """The time at which the signal was received."""
        return self.received_at


class StaleState(Exception):
    """The state has changed since it was read, or the same signal was stored."""
