"""Decide on a signal by the state of its strategy.

Alerts arrive late, swapped and repeated. The latest stamp of each kind is remembered, so that the trade ends as if all
had arrived in the order in which they were made:

- An exit that arrives before its entry closes nothing, but the entry is then OUT_OF_ORDER. If it would have reversed an
  opposite trade, it closes that one and opens none.
- An exit that was made before the entry of the open trade is OUT_OF_ORDER.
- An entry that was made before the exit of its direction, or before an entry of the opposite one, is OUT_OF_ORDER.

Alerts with the same stamp count in the order of their arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from purser.signals.model import HUNDRED, Action, Mode, Reason, Signal, State, Status
from purser.strategies.model import Direction, Strategy

FUTURE_MS = 30_000
"""The time by which the clock of a sender may be ahead."""

STAMP_MS = 1000
"""The resolution of stamps: TradingView's are in seconds."""

FARTHEST_LIMIT = Decimal(20)
FARTHEST_STOP = Decimal(50)
"""In percent. A limit price farther from the market, or a stop farther from the entry, is a mistake."""

CLOSES_OPPOSITE = "action: only closes the opposite trade, because its own exit has arrived already"

OPPOSITE = {Direction.LONG: Direction.SHORT, Direction.SHORT: Direction.LONG}

Outcome = tuple[Signal, State]
"""A signal with its status, and the state after it."""


def decide(signal: Signal, strategy: Strategy, state: State, trading: Mode, now: int) -> Outcome:
    """Return what becomes of a signal. ``trading`` is the mode of all strategies together."""
    if signal.status is not Status.ACCEPTED:
        return signal, state
    if signal.stamped_at > now + FUTURE_MS:
        return _refused(signal, Reason.FROM_THE_FUTURE), state
    if now >= signal.expires_at:
        return replace(signal, status=Status.EXPIRED), state
    if signal.action is Action.ENTER:
        return _enter(signal, strategy, state, trading)
    if signal.action is Action.EXIT:
        return _exit(signal, state, trading)
    return _disable(signal, state, trading, now)


def _enter(signal: Signal, strategy: Strategy, state: State, trading: Mode) -> Outcome:
    direction = signal.direction
    if direction is None:
        raise ValueError("an ENTER has a direction")
    if reason := _obstacle(signal, strategy, state, trading):
        return _refused(signal, reason), state
    opposite = OPPOSITE[direction]
    after = replace(state, entered_at=_latest(state.entered_at, signal.stamped_at, direction))
    if signal.stamped_at < state.entered_at.get(opposite, 0):
        return replace(signal, status=Status.OUT_OF_ORDER), after
    if signal.stamped_at < state.exited_at.get(direction, 0):
        return _enter_too_late(signal, after)
    if state.direction is direction:
        return _ignored(signal, Reason.ALREADY_OPEN), after
    return replace(signal, reverses=state.opened_by), replace(after, direction=direction, opened_by=signal.id)


def undo(signal: Signal, state: State) -> State:
    """Return the state without an accepted ENTER that nothing was done for: the trade before it is open again."""
    if signal.direction is None or state.opened_by != signal.id:
        return state
    direction = OPPOSITE[signal.direction] if signal.reverses else None
    return replace(state, direction=direction, opened_by=signal.reverses)


def _enter_too_late(signal: Signal, state: State) -> Outcome:
    """Return the outcome of an ENTER whose exit has arrived before it. An opposite trade ends all the same."""
    if state.direction in (None, signal.direction):
        return replace(signal, status=Status.OUT_OF_ORDER), state
    closing = replace(signal, action=Action.EXIT, direction=state.direction, closes=True, detail=CLOSES_OPPOSITE)
    return closing, replace(state, direction=None, opened_by=None)


def _obstacle(signal: Signal, strategy: Strategy, state: State, trading: Mode) -> Reason | None:
    modes = {state.mode, trading}
    if Mode.HALTED in modes:
        return Reason.HALTED
    if Mode.REDUCING in modes:
        return Reason.REDUCING
    if not strategy.active:
        return Reason.STRATEGY_INACTIVE
    if signal.stop is None:
        return Reason.NO_STOP
    return None if is_plausible(signal, signal.trigger_price) else Reason.SUSPECT_PRICE


def _exit(signal: Signal, state: State, trading: Mode) -> Outcome:
    directions = tuple(Direction) if signal.direction is None else (signal.direction,)
    if signal.stamped_at < max(state.entered_at.get(each, 0) for each in directions):
        return replace(signal, status=Status.OUT_OF_ORDER), state
    after = replace(state, exited_at=_latest(state.exited_at, signal.stamped_at, *directions))
    if Mode.HALTED in (state.mode, trading):
        return _refused(signal, Reason.HALTED), after
    if state.direction not in directions:
        return _ignored(signal, Reason.NOTHING_OPEN), after
    return replace(signal, direction=state.direction), replace(after, direction=None, opened_by=None)


def _disable(signal: Signal, state: State, trading: Mode, now: int) -> Outcome:
    """Halt the strategy, and close its trade if the signal asks for it."""
    if signal.stamped_at < state.mode_set_at - STAMP_MS:
        return replace(signal, status=Status.OUT_OF_ORDER), state
    closes = signal.closes and state.direction is not None and trading is not Mode.HALTED
    if state.mode is Mode.HALTED and not closes:
        return _ignored(signal, Reason.ALREADY_HALTED), state
    after = state if state.mode is Mode.HALTED else replace(state, mode=Mode.HALTED, mode_set_at=now)
    if not closes:
        return replace(signal, closes=False), after
    exited_at = _latest(state.exited_at, signal.stamped_at, *Direction)
    return replace(signal, direction=state.direction), replace(
        after, direction=None, opened_by=None, exited_at=exited_at
    )


def is_plausible(signal: Signal, market: Decimal | None) -> bool:
    """Return whether the prices of an ENTER can be right. ``market`` is the market's price, None if it is not known."""
    direction, stop = signal.direction, signal.stop
    entry = signal.limit_price or market
    if direction is None or stop is None:
        return False
    if signal.limit_price and market and _percent(signal.limit_price, market) > FARTHEST_LIMIT:
        return False
    if entry is None:
        # Prices can still contradict each other: the stop lies below every take-profit of a long trade.
        known = (each.level.price for each in signal.take_profits if each.level.price)
        return stop.price is None or _ascends(direction, stop.price, *known)
    exits = signal.exits(entry)
    prices = [price for price, _ in exits.take_profits]
    return (
        min(exits.stop, *prices, entry) > 0
        and _ascends(direction, exits.stop, entry)
        and all(_ascends(direction, entry, price) for price in prices)
        and _percent(exits.stop, entry) <= FARTHEST_STOP
    )


def _ascends(direction: Direction, first: Decimal, *later: Decimal) -> bool:
    """Return whether each later price is better than the first for a trade of this direction."""
    return all(price > first if direction is Direction.LONG else price < first for price in later)


def _percent(price: Decimal, of: Decimal) -> Decimal:
    return abs(price / of - 1) * HUNDRED


def _latest(stamps: Mapping[Direction, int], stamp: int, *directions: Direction) -> Mapping[Direction, int]:
    return {**stamps, **{each: max(stamp, stamps.get(each, 0)) for each in directions}}


def _ignored(signal: Signal, reason: Reason) -> Signal:
    return replace(signal, status=Status.IGNORED, reason=reason)


def _refused(signal: Signal, reason: Reason) -> Signal:
    return replace(signal, status=Status.REFUSED, reason=reason)
