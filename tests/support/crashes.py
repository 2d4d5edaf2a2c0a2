"""Crashes of a process between its calls to the outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class Killed(BaseException):
    """The process has crashed. Nothing catches this."""


@dataclass
class Scissors:
    """Kills the process before or after its n-th step (from 0). Steps are calls of a vendor and of the store."""

    at: int = -1
    after: bool = False
    steps: int = 0
    before_each: Callable[[], None] = lambda: None

    def cut(self, step: Callable[[], T]) -> T:
        is_cut = self.steps == self.at
        self.steps += 1
        self.before_each()
        if is_cut and not self.after:
            raise Killed
        try:
            return step()
        finally:
            if is_cut:
                raise Killed
