"""The ports of signals. Every method may raise ``purser.errors.Unavailable``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from purser.audit.model import AuditEntry
from purser.signals.model import FanOut, Mode, SecretHash, Signal, State
from purser.strategies.model import Strategy

Counts = Mapping[tuple[str, str | None], int]
"""The number of executions of a signal by state and reason."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The stored facts about a strategy when a signal arrives, in one consistent read.

    ``known`` is the id of the signal that is the same, None if there is none of the last 24 hours.
    """

    strategy: Strategy | None
    state: State
    secrets: tuple[SecretHash, ...]
    trading: Mode
    known: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """The changes that are stored with a signal, all or nothing.

    ``key`` is what a repeat has too. ``state`` is None if it stays as it is, else the one after ``version``.
    """

    signal: Signal
    key: str
    state: State | None
    version: int
    fan_out: FanOut | None
    audit: tuple[AuditEntry, ...]


class SignalStore(Protocol):
    """The store of signals and of what decides about them."""

    def standing(self, strategy_id: str, key: str, now: int) -> Standing:
        """Return what is stored about a strategy, whether it exists or not, by the same requests."""

    def keep(self, kept: Kept) -> None:
        """Store a signal and what goes with it.

        Raises:
            purser.signals.model.StaleState: the state is at another version, or the same signal was stored.
        """

    def refuse(self, signal: Signal, state: State | None, version: int) -> None:
        """Store that an accepted signal is refused, and the state after ``version``, None if it stays as it is.

        Raises:
            purser.signals.model.StaleState: the state is at another version, or the signal is not accepted.
        """

    def keep_duplicate(self, signal: Signal) -> None:
        """Store a signal that was sent before."""

    def get(self, strategy_id: str, signal_id: str) -> Signal | None:
        """Return a signal, or None."""

    def newest(self, strategy_id: str, before: str | None, page_size: int) -> Iterator[tuple[str, Signal]]:
        """Yield signals with their positions, the newest first, after the position ``before``."""

    def counts(self, signal_ids: Sequence[str]) -> Mapping[str, Counts]:
        """Return the counts of executions by signal, for those that have any."""


class SecretStore(Protocol):
    """The store of the digests of strategies' secrets."""

    def add(self, strategy_id: str, secret: SecretHash, most: int, entry: AuditEntry) -> bool:
        """Add a secret, and forget all but the ``most`` newest. Return False if there is no such strategy.

        Raises:
            purser.signals.model.StaleState: another secret was added at the same time.
        """


class ModeStore(Protocol):
    """The store of the modes of strategies, and of the one of everything."""

    def mode_of(self, strategy_id: str) -> Mode:
        """Return the stricter one of a strategy's mode and that of everything."""

    def set_mode(self, strategy_id: str, mode: Mode, now: int, entry: AuditEntry) -> bool:
        """Set a strategy's mode. Return False if there is no such strategy."""

    def set_trading_mode(self, mode: Mode, now: int, entry: AuditEntry) -> None:
        """Set the mode of everything."""
