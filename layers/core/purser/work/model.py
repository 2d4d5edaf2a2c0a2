"""Work items, with their due time, lease and attempts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from purser.correlation import correlation_id, tagged

RESEND_AFTER_MS = 45 * 60 * 1000
"""The time from sending an item's message until the item is due again: 1.5 times a visibility time-out of 30 min."""

FIRST_MESSAGE_MS = 5 * 60 * 1000
"""The time from storing an item until it is due. Before that, its writer sends the first message itself."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a message that was sent at ``sent_at`` (Unix ms). ``attempt`` counts its deliveries, from 1.

    If its worker is killed, the message is delivered again in ``returns_in_ms``. No lease lasts longer.
    """

    attempt: int
    sent_at: int
    returns_in_ms: int | None = None

    def lease_ms(self, most: int) -> int:
        """Return the length of a lease: ``most``, or less if the message is delivered again sooner."""
        return most if self.returns_in_ms is None else min(most, self.returns_in_ms)


@dataclass(frozen=True, slots=True)
class Postponed:
    """The result of an attempt that leaves an item to be worked on again from ``due_at`` (Unix ms).

    ``succeeded``: the attempt did all that could be done by now. Otherwise it could not be made, and does not count.
    """

    due_at: int
    succeeded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """One piece of work that must be done. The record is the truth, a message merely points to it. Times are Unix ms.

    Each kind of work adds its own data, on the same item of its owner's table.

    Attributes:
        due_at: a sweep may enqueue it from then on. Of a dead item, it is the time of its death.
        leased_until: one worker has it to itself until then.
        attempts: attempts since the item was created, redriven, or last partly succeeded. Attempts that could not be
            made are not counted.
        version: grows with each change. Of two writers that read the same version, only one succeeds.
        dead: all attempts have failed. The item waits for its message to be redriven, or for another one.
        correlation_id: the id of the request or run that created the item, if there is one.
    """

    MESSAGE: ClassVar[tuple[str, ...]] = ()
    """The field names of the key in a queue message, in order."""

    due_at: int
    leased_until: int = 0
    attempts: int = 0
    version: int = 1
    dead: bool = False
    correlation_id: str | None = field(default_factory=correlation_id)

    @property
    def key(self) -> tuple[str, ...]:
        """The ids that tell the item from others of its kind."""
        raise NotImplementedError

    @property
    def deadline(self) -> int | None:
        """The time at which the item is over, done or not, or None if it has none."""
        return None

    @property
    def since(self) -> int | None:
        """The time at which the work became necessary, or None if it is not known."""
        return None

    @property
    def message(self) -> dict[str, str]:
        """The message for the queue."""
        return tagged(dict(zip(self.MESSAGE, self.key, strict=True)), self.correlation_id)

    def is_over(self, now: int) -> bool:
        """Return whether the item is past its deadline."""
        return self.deadline is not None and now >= self.deadline

    def is_due(self, now: int, *, queue_is_empty: bool = False) -> bool:
        """Return whether a sweep must enqueue or end the item.

        If the queue is known to be empty, this includes every item that is neither dead nor leased.
        """
        lost = queue_is_empty and self.leased_until <= now
        return self.is_over(now) or (not self.dead and (self.due_at <= now or lost))

    def queued(self, due_at: int) -> Self:
        """Return the item once it is enqueued: due again at a later time, or at its deadline if that comes first."""
        return replace(self, due_at=self._by_deadline(due_at), version=self.version + 1)

    def leased(self, until: int) -> Self:
        """Return the item during an attempt. A dead one begins anew."""
        attempts = 1 if self.dead else self.attempts + 1
        due_at = max(self.due_at, until)
        return replace(self, leased_until=until, due_at=due_at, attempts=attempts, dead=False, version=self.version + 1)

    def released(self, due_at: int) -> Self:
        """Return the item after a failed attempt. Its message must have come again by ``due_at``."""
        due_at = self._by_deadline(max(self.due_at, due_at))
        return replace(self, leased_until=0, due_at=due_at, version=self.version + 1)

    def postponed(self, result: Postponed) -> Self:
        """Return the item after an attempt with this result."""
        attempts = 0 if result.succeeded else max(0, self.attempts - 1)
        due_at = self._by_deadline(result.due_at)
        return replace(self, leased_until=0, due_at=due_at, attempts=attempts, version=self.version + 1)

    def exhausted(self, now: int) -> Self:
        """Return the item after its last attempt has failed."""
        return replace(self, leased_until=0, due_at=now, dead=True, version=self.version + 1)

    def is_revived_by(self, delivery: Delivery) -> bool:
        """Return whether a message gives a dead item its attempts back: one that was sent or redriven after its death.

        SQS sends a message that is redriven as a new one, with a time of its own. No sweep enqueues a dead item.
        """
        return delivery.sent_at > self.due_at

    def _by_deadline(self, due_at: int) -> int:
        return due_at if self.deadline is None else min(due_at, self.deadline)
