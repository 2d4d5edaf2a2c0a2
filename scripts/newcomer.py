"""Do what a newcomer does, in a fresh clone whose path has a space: run, stop, move, start offline, clean up.

    python -m scripts.newcomer

It needs nothing but Python's own library, and ends with 1 at the first thing that is not as it should be.
"""

from __future__ import annotations

import os
import queue
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from scripts import interpreters

ROOT = Path(__file__).resolve().parent.parent
PORTS = 5
STOP_SECONDS, LEFT_SECONDS = 30, 10
# Commands print something every four seconds. A loaded machine may take a little longer.
SILENCE_SECONDS = 10
READY = "Ctrl-C stops everything."
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
NO_HOME = {"HOME": "/dev/null"}  # not even root can write there
OFFLINE = ("unshare", "--net", "--map-root-user")
LOOPBACK_UP = "import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 0x49))"


class Wrong(Exception):
    """Something is not as it should be. The text says what."""


class Make:
    """``make`` in a clone, as in a terminal: its output is shown, and Ctrl-C reaches its process group."""

    def __init__(
        self, clone: Path, *words: str, before: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = " ".join(("make", *words))
        print(f"\n{clone.name} $ {self.name}", flush=True)
        self._process = subprocess.Popen(
            [*before, "make", *words],
            cwd=clone,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.said = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            print(line, end="", flush=True)
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, text: str) -> None:
        """Wait until it prints a line with this text.

        Raises:
            Wrong: it was silent for too long, or ended before.
        """
        while (line := self._next_line()) is not None:
            if text in line:
                return
        raise Wrong(f"{self.name} ended with {self._process.wait()} and never said {text!r}.")

    def ends(self) -> int:
        """Wait for the end, and return the exit code.

        Raises:
            Wrong: it was silent for too long.
        """
        while self._next_line() is not None:
            pass
        return self._process.wait()

    def _next_line(self) -> str | None:
        try:
            line = self._lines.get(timeout=SILENCE_SECONDS)
        except queue.Empty:
            raise Wrong(f"{self.name} was silent for {SILENCE_SECONDS} seconds.") from None
        self.said += line or ""
        return line

    def interrupt(self) -> float:
        """Press Ctrl-C, and return how many seconds it took to end.

        Raises:
            Wrong: it did not end.
        """
        print("^C", flush=True)
        began = time.monotonic()
        self._signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Wrong(f"{self.name} did not end within {STOP_SECONDS} seconds of Ctrl-C.") from None
        seconds = time.monotonic() - began
        self.ends()
        if "Traceback" in self.said:
            raise Wrong(f"{self.name} printed a traceback.")
        return seconds

    def kill(self) -> None:
        """End it if it still runs."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


@contextmanager
def make(clone: Path, *words: str, **options: object) -> Iterator[Make]:
    """Start ``make``, and leave nothing of it running."""
    running = Make(clone, *words, **options)  # type: ignore[arg-type]
    try:
        yield running
    finally:
        running.kill()


def succeeds(clone: Path, *words: str, **options: object) -> str:
    """Run ``make`` and return what it printed.

    Raises:
        Wrong: it failed.
    """
    with make(clone, *words, **options) as running:
        if code := running.ends():
            raise Wrong(f"{running.name} ended with {code}.")
        return running.said


def refuses(clone: Path, *words: str, saying: str) -> None:
    """Run ``make``, which must refuse in one sentence.

    Raises:
        Wrong: it did not, or said something else.
    """
    with make(clone, *words) as running:
        code = running.ends()
        sentence, *rest = running.said.splitlines()
        if not code or saying not in sentence or any(not line.startswith("make: ***") for line in rest):
            raise Wrong(f"{running.name} should refuse in one sentence with {saying!r}.")


def main() -> None:
    """Try everything.

    Raises:
        SystemExit: something is wrong.
    """
    with tempfile.TemporaryDirectory(prefix="a newcomer's ") as folder:
        clone = Path(folder) / "first place"
        try:
            subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
            refuse_a_wrong_port(clone)
            interrupt_set_up(clone)
            use(clone)
            moved = clone.rename(clone.with_name("second place"))
            start_again(moved)
            for version in PYTHONS:
                use_another_python(moved, version)
            succeeds(moved, "clean")
            check_clean(moved)
        except Wrong as wrong:
            raise SystemExit(f"\nnewcomer: {wrong}") from None
    print("\nnewcomer: all of it works")


def refuse_a_wrong_port(clone: Path) -> None:
    """Check that nothing is installed for a port that cannot be used.

    Raises:
        Wrong: it is not refused, or too late.
    """
    port = free_ports()
    refuses(clone, "run", "PORT=abc", saying="PORT must be a whole number")
    with socket.create_server(("127.0.0.1", port + PORTS - 1)):
        refuses(clone, "run", f"PORT={port}", saying=f"Port {port + PORTS - 1} is in use")
    if (clone / ".venv").exists():
        raise Wrong("Something was installed before the port was checked.")


def interrupt_set_up(clone: Path) -> None:
    """Press Ctrl-C at several moments of the set-up.

    Raises:
        Wrong: something was left running.
    """
    for moment in ("installing", "ready after"):
        with make(clone, "setup", environment=NO_HOME) as running:
            running.wait_for(moment)
            seconds = running.interrupt()
            print(f"newcomer: set-up ended {seconds:.1f} s after Ctrl-C")
        nothing_is_left(clone)


def use(clone: Path) -> None:
    """Run the system, use it as the README says, and stop it.

    Raises:
        Wrong: something is not as it should be.
    """
    port = free_ports()
    with make(clone, "run", f"PORT={port}") as running:
        running.wait_for(READY)
        printed = clone / ".local/printed.txt"
        printed.write_text(running.said)
        session = [sys.executable, "-m", "scripts.readme_session", "--printed", str(printed)]
        if subprocess.run(session, cwd=clone, check=False).returncode:
            raise Wrong("The README's session did not go as the README says.")
        refuses(clone, "clean", saying="Purser is running from this clone")
        refuses(clone, "reset", saying="Purser is running from this clone")
        refuses(clone, "run", f"PORT={port}", saying="Purser is already running from this clone")
        succeeds(clone, "invoke", "FUNCTION=BillingReconciler")
        print(f"newcomer: the system ended {running.interrupt():.1f} s after Ctrl-C")
    nothing_is_left(clone, port)


def start_again(clone: Path) -> None:
    """Start the moved clone, then start it again without a network, with a home that cannot be written.

    Raises:
        Wrong: something is not as it should be.
    """
    succeeds(clone, "setup")
    isolated = [*OFFLINE, "sh", "-c", f'{sys.executable} -c "{LOOPBACK_UP}" && exec "$@"', "sh"]
    if subprocess.run([*isolated, "true"], check=False).returncode:
        print("newcomer: this machine does not let us take the network away, so it stays")
        isolated = []
    port = free_ports()
    succeeds(clone, "reset")
    with make(clone, "run", f"PORT={port}", before=isolated, environment=NO_HOME) as running:
        running.wait_for(READY)
        running.interrupt()
    nothing_is_left(clone, port)


def use_another_python(clone: Path, version: str) -> None:
    """Start the system with another Python, if it is on this machine.

    Raises:
        Wrong: something is not as it should be.
    """
    python = interpreters.find(version)
    if python is None:
        print(f"\nnewcomer: Python {version} is not on this machine")
        return
    port = free_ports()
    with make(clone, "run", f"PORT={port}", f"BASE_PYTHON={python}") as running:
        running.wait_for(READY)
        running.interrupt()
    nothing_is_left(clone, port)


def check_clean(clone: Path) -> None:
    """Check that the clone is as it was.

    Raises:
        Wrong: something was left.
    """
    command = ["git", "status", "--porcelain", "--ignored"]
    left = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=True).stdout
    if [line for line in left.splitlines() if "__pycache__" not in line]:
        raise Wrong(f"make clean has left something:\n{left}")


def nothing_is_left(clone: Path, port: int | None = None) -> None:
    """Check that no process of a clone runs, and that its ports are free.

    Raises:
        Wrong: one does, or they are not.
    """
    deadline = time.monotonic() + LEFT_SECONDS
    while left := list(processes_of(clone)):
        if time.monotonic() > deadline:
            raise Wrong("These are left running:\n" + "\n".join(left))
        time.sleep(0.1)
    for each in range(port, port + PORTS) if port else ():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", each)) == 0:
                raise Wrong(f"Something still listens on port {each}.")


def processes_of(clone: Path) -> Iterator[str]:
    """Yield the processes that run in a clone or were started with its path."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            where = str((process / "cwd").readlink())
        except OSError:  # ended meanwhile, or another user's
            continue
        if words and (str(clone) in words or where.startswith(str(clone))):
            yield f"{process.name} {words}"


def free_ports() -> int:
    """Return the first of five free ports in a row, below those that the kernel gives to outgoing connections."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - no secret
        with suppress(OSError):
            for each in range(port, port + PORTS):
                socket.create_server(("127.0.0.1", each)).close()
            return port


if __name__ == "__main__":
    main()
