"""The double as its server, its pages and its control API see it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from local.doubles.kit.faults import FaultBox
from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.faults import Fault
from local.doubles.stripe.messages import Answer, Request
from local.doubles.stripe.webhooks import Webhooks


class World(Protocol):
    """The account with its clock and webhooks, and the settings of tests."""

    account: Account
    webhooks: Webhooks
    faults: FaultBox[Fault]
    requests: deque[Object]

    @property
    def lock(self) -> AbstractContextManager[bool]:
        """The lock that readers and writers of the state hold."""

    def turn(self) -> AbstractContextManager[int]:
        """Lock the state for one turn, and yield its time in Unix seconds. Due events happen first."""

    def handle(self, request: Request) -> Answer:
        """Answer a request of Stripe's own API."""

    def advance(self, seconds: int) -> int:
        """Put the clock forward, and return the new time in Unix seconds."""

    def go_away(self, seconds: float) -> Callable[[], None]:
        """Refuse every connection from now on. Call the returned function to wait and listen again."""

    def state(self) -> Object:
        """Return every object, by kind, and the time."""

    def reset(self) -> None:
        """Delete everything but the plans, Purser's own endpoint and the time."""
