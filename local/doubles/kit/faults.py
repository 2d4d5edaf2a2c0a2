"""Faults that tests arm. Each happens to the next requests that match, and then it is gone."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

DROPS = ("timeout_before", "timeout_after")
"""The kinds that drop the connection, before or after the work."""


class Armed(Protocol):
    """A fault for the next ``times`` requests that match, after ``skip`` of them."""

    times: int
    skip: int

    def matches(self, method: str, path: str, api_key: str) -> bool:
        """Return whether a request matches."""


FaultT = TypeVar("FaultT", bound=Armed)


class FaultBox(Generic[FaultT]):
    """The armed faults."""

    def __init__(self) -> None:
        self._armed: list[FaultT] = []

    @property
    def armed(self) -> list[FaultT]:
        """The faults, in the order in which they were armed."""
        return list(self._armed)

    def arm(self, fault: FaultT) -> None:
        """Add a fault behind the others."""
        self._armed.append(fault)

    def clear(self) -> None:
        """Disarm every fault."""
        self._armed.clear()

    def take(self, method: str, path: str, api_key: str = "") -> FaultT | None:
        """Return the fault of a request, counted down, or None."""
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
