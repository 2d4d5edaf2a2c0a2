"""Faults that tests arm: each is suffered by the next requests that it matches, then it is gone."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

DROPS = ("timeout_before", "timeout_after")
"""The kinds that drop the connection, before or after the work is done."""


class Armed(Protocol):
    """A fault for the next ``times`` requests that it matches, after letting ``skip`` of them pass."""

    times: int
    skip: int

    def matches(self, method: str, path: str, api_key: str) -> bool:
        """Return whether a request is meant."""


FaultT = TypeVar("FaultT", bound=Armed)


class FaultBox(Generic[FaultT]):
    """The faults that are still to happen."""

    def __init__(self) -> None:
        self._armed: list[FaultT] = []

    @property
    def armed(self) -> list[FaultT]:
        """The faults, in the order in which they were armed."""
        return list(self._armed)

    def arm(self, fault: FaultT) -> None:
        """Add a fault behind those that are there."""
        self._armed.append(fault)

    def clear(self) -> None:
        """Disarm every fault."""
        self._armed.clear()

    def take(self, method: str, path: str, api_key: str = "") -> FaultT | None:
        """Return the fault that a request suffers, counted down; None for none."""
        for fault in self._armed:
            if not fault.matches(method, path, api_key):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times == 0:
                self._armed.remove(fault)
            return fault
        return None


def is_below(path: str, prefix: str) -> bool:
    """Return whether a path is the prefix itself or below it."""
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")
