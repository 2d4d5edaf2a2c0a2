"""Run a double as a process of its own, which serves until it is stopped."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import AbstractContextManager
from typing import Protocol

from local.doubles.kit.store import StateInUse


class Served(Protocol):
    """A double that listens."""

    @property
    def url(self) -> str:
        """Its base URL."""


def serve_until_stopped(name: str, port: int, double: AbstractContextManager[Served]) -> int:
    """Print where the double listens, and serve until SIGINT or SIGTERM.

    Returns the exit code: 1, with one line on stderr, when the port or the state is in use.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with double as served:
            print(f"{name} at {served.url}", flush=True)
            stop.wait()
    except (OSError, StateInUse) as error:
        print(f"{name} cannot start on port {port}: {error}", file=sys.stderr)
        return 1
    return 0
