"""The functions. Each has its own processes: as many as there are concurrent calls, up to a limit."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.errors import LocalError
from local.functions.worker import Result, Worker, WorkerFailed

if TYPE_CHECKING:
    from local.cloud.template import Function

MAX_WORKERS = 8
"""The limit of processes of one function, unless another is given."""

IDLE_SECONDS = 60
"""The idle time after which all but one of a function's processes end."""

LAST_IDLE_SECONDS = 600
"""The idle time after which the last one ends, too."""

WAIT_SECONDS = 60

START_SECONDS = 0.3
"""The time that a call waits for one of the function's processes before it starts another, which takes longer."""


class NoSuchFunction(LocalError):
    """The template has no function of that name."""


class Busy(LocalError):
    """All of a function's processes were busy for too long."""


class Functions:
    """Invokes functions by name. ``make`` starts an environment. ``refresh`` is called before each invocation.

    No function has more than ``limit`` processes.
    """

    def __init__(
        self,
        functions: Mapping[str, Function],
        make: Callable[[Function], Worker],
        logs: Path,
        limit: int = MAX_WORKERS,
    ) -> None:
        self.refresh: Callable[[], None] = lambda: None
        self._logs = logs
        self._pools = {name: _Pool(function, make, limit) for name, function in functions.items()}
        self._closing = threading.Event()
        threading.Thread(target=self._trim, name="trimming", daemon=True).start()

    def invoke(self, name: str, event: Any) -> Result:
        """Run a function once and wait for it. A failure of its own is in the result, and in one line on the console.

        Raises:
            NoSuchFunction: there is none of that name.
            Busy: it could not begin within a minute.
        """
        if name not in self._pools:
            raise NoSuchFunction(f"There is no function {name}; template.yaml names them, as BalanceSnapshotPlanner.")
        self.refresh()
        try:
            with self._pools[name].worker() as worker:
                result = worker.invoke(json.dumps(event).encode())
                if result.error.startswith("Sandbox."):
                    # After a time-out the emulator resets itself, and refuses a call that comes meanwhile.
                    worker.stop()
        except WorkerFailed as error:
            failure = {"errorType": "Runtime.ExitError", "errorMessage": str(error)}
            result = Result(json.dumps(failure), failure["errorType"])
        if result.error and not self._closing.is_set():  # A function that ends with the system has not failed.
            print(f"{name} failed: {result.error}; see {self._logs / name}.log", file=sys.stderr, flush=True)
        return result

    def recycle(self, name: str) -> None:
        """Let the next invocations of a function run in new processes."""
        self._pools[name].recycle()

    def close(self) -> None:
        """End all processes."""
        self._closing.set()
        for pool in self._pools.values():
            pool.close()

    def _trim(self) -> None:
        while not self._closing.wait(IDLE_SECONDS / 4):
            for pool in self._pools.values():
                pool.trim()


class _Pool:
    """The processes of one function. Each idle, busy or starting process takes a slot."""

    def __init__(self, function: Function, make: Callable[[Function], Worker], limit: int = MAX_WORKERS) -> None:
        self._function = function
        self._make = make
        self._limit = limit
        self._changed = threading.Condition()
        self._idle: list[Worker] = []  # The most recently used one is last.
        self._live: set[Worker] = set()
        self._slots = 0
        self._closed = False

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """Yield a process for exclusive use. It is discarded if its use raises.

        Raises:
            Busy: none became free.
            WorkerFailed: none could be started.
        """
        worker = self._take() or self._start()
        usable = False
        try:
            yield worker
            usable = True
        finally:
            self._put_back(worker, usable)

    def recycle(self) -> None:
        """End the idle processes now, and the busy ones after their invocation."""
        with self._changed:
            retired, self._idle, self._live = self._idle, [], set()
        self._retire(retired)

    def trim(self) -> None:
        """End the processes that have been idle for long, the last one after longer."""
        with self._changed:
            now = time.monotonic()
            retired = [worker for worker in self._idle if worker.idle_since < now - IDLE_SECONDS]
            if len(retired) == self._slots and retired and retired[-1].idle_since >= now - LAST_IDLE_SECONDS:
                retired.pop()
            self._idle = [worker for worker in self._idle if worker not in retired]
            self._live -= set(retired)
        self._retire(retired)

    def close(self) -> None:
        """End all processes, busy ones too, and start no more."""
        with self._changed:
            self._closed = True
            retired, self._idle, self._live = list(self._live), [], set()
        for worker in retired:
            worker.stop()

    def _take(self) -> Worker | None:
        """Return an idle process, or None with a slot for a new one."""
        self._bury()
        with self._changed:
            if self._slots:
                self._changed.wait_for(lambda: self._idle, START_SECONDS)
            free = self._changed.wait_for(lambda: self._idle or self._slots < self._limit, WAIT_SECONDS)
            if not free:
                raise Busy(f"{self._function.name} has been busy for a minute")
            if self._idle:
                return self._idle.pop()
            self._slots += 1
            return None

    def _bury(self) -> None:
        with self._changed:
            dead = [worker for worker in self._idle if not worker.is_alive]
            self._idle = [worker for worker in self._idle if worker not in dead]
            self._live -= set(dead)
        self._retire(dead)

    def _start(self) -> Worker:
        try:
            worker = self._make(self._function)
        except BaseException:
            self._free_slots(1)
            raise
        with self._changed:
            if not self._closed:
                self._live.add(worker)
                return worker
        worker.stop()
        raise WorkerFailed("the system is stopping")

    def _put_back(self, worker: Worker, usable: bool) -> None:
        with self._changed:
            if usable and worker in self._live:
                self._idle.append(worker)
                self._changed.notify_all()
                return
            self._live.discard(worker)
        self._retire([worker])

    def _retire(self, workers: list[Worker]) -> None:
        for worker in workers:
            worker.stop()
        self._free_slots(len(workers))

    def _free_slots(self, count: int) -> None:
        with self._changed:
            self._slots -= count
            self._changed.notify_all()
