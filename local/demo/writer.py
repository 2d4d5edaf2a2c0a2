"""The process that writes the demo data beside the running system, repeated until everything is written."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from local.places import APP_PYTHON, BYTECODE, ROOT
from local.processes import spawn

TRIES = 5
PAUSE_SECONDS = 10
BEGINNING, COMPLETE = "being written", "complete"


class DemoWriter:
    """A process that may take as long as it needs. If it is interrupted, the next start continues.

    The demo strategies get results for each of the latest ``days``. ``progress`` is the last line that was printed.
    """

    def __init__(self, state: Path, days: int, log: Path, say: Callable[[str], None]) -> None:
        self.progress = BEGINNING
        self._arguments = ("--state", state, "--days", str(days))
        self._log = log
        self._say = say
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._failure = ""

    def start(self) -> None:
        """Start to write, in a thread."""
        threading.Thread(target=self._run, name="demo data", daemon=True).start()

    def stop(self) -> None:
        """Stop writing."""
        with self._lock:
            self._stopping.set()
        if self._process:
            self._process.kill()
            self._process.wait()

    def _run(self) -> None:
        for _ in range(TRIES):
            if self._write_all() or self._stopping.wait(PAUSE_SECONDS):
                return
        self._tell(f"not complete, because: {self._failure} (see {self._log}); the next start goes on with them")

    def _write_all(self) -> bool:
        """Run the process once. Return whether nothing is left to do."""
        environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/core'}",
            "PYTHONPYCACHEPREFIX": str(BYTECODE),
        }
        command: list[str | Path] = [APP_PYTHON, "-m", "local.demo.data", *self._arguments]
        with self._log.open("a+") as log:
            begin = log.tell()
            with self._lock:
                if self._stopping.is_set():
                    return True
                process = spawn(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
                self._process = process
            with process:
                for line in process.stdout or ():
                    self._tell(line.strip())
            done = process.returncode == 0
            if not done:
                log.seek(begin)
                if not log.read().strip():  # it was killed
                    log.write(f"the process ended with status {process.returncode}\n")
                log.seek(begin)
                self._failure = log.read().splitlines()[-1]
        if done:
            self._tell(COMPLETE)
        return done or self._stopping.is_set()

    def _tell(self, text: str) -> None:
        self.progress = text
        self._say(f"demo data: {text}")
