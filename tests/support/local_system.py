"""The local system as a process, started as a person would and found by its state file."""

from __future__ import annotations

import atexit
import base64
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest
import requests

from local.client import Running
from local.cloud.account import client
from local.places import LOCAL_PYTHON, ROOT

WORKER = "PYTEST_XDIST_WORKER"
PATIENCE_S = 180
"""The longest time to wait for something expected. Only a failure takes that long, on however slow a machine."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.5
LOG = "run.log"
DEMO_DAYS = 30
PROCESSES = 4
"""The most that a function of the whole system has. A race needs no more of them, and each takes long to start."""
MOST_FAILURES, LOG_CHARACTERS = 5, 3000
PASSWORD = "Correct-Horse-9!"
T = TypeVar("T")


def eventually(look: Callable[[], T], seconds: float = PATIENCE_S, what: str = "what was waited for") -> T:
    """Call a function with growing pauses until its result is true, and return that result."""
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE_S
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        # Looking may cost as much as the work that is waited for.
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_S)
    return found


class Tokens(Mapping[str, str]):
    """A fresh access token for each demo user, by name."""

    def __init__(self, running: Running) -> None:
        self._running = running

    def __getitem__(self, user: str) -> str:
        return self._running.token(user)

    def __iter__(self) -> Iterator[str]:
        return iter(self._running.stack["users"])

    def __len__(self) -> int:
        return len(self._running.stack["users"])


def new_user(running: Running, password: str = "") -> str:
    """Create a user, who can sign in if given a password, and return the email address."""
    cognito = client("cognito-idp", running.stack["awsUrl"])
    pool, email = running.stack["resources"]["UserPool"]["Ref"], f"{uuid4().hex[:12]}@example.com"
    cognito.admin_create_user(UserPoolId=pool, Username=email, MessageAction="SUPPRESS")
    if password:
        cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=password, Permanent=True)
    return email


def subject_of(token: str) -> str:
    """Return the ``sub`` of a token."""
    payload = token.split(".")[1]
    subject: str = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]
    return subject


@dataclass
class LocalSystem:
    """A running system, known by its state folder."""

    state: Path

    @property
    def running(self) -> Running:
        """Return a client of the system as it runs now."""
        return Running(self.state)

    @property
    def url(self) -> str:
        """Return the URL of the gateway."""
        url: str = self.running.stack["url"]
        return url

    def resource(self, logical_id: str, attribute: str = "Ref") -> str:
        """Return the physical name of a resource of the template."""
        name: str = self.running.stack["resources"][logical_id][attribute]
        return name

    def call(self, method: str, path: str, token: str = "", **given: Any) -> requests.Response:
        """Call the gateway over HTTP, with a token if there is one."""
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **given.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, timeout=60, **given)


@dataclass
class OwnSystem(LocalSystem):
    """A running system that belongs to one test, which may stop it."""

    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ends it as Ctrl-C does; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_S)


def _is_ready_or_ended(process: subprocess.Popen[bytes], log: Path) -> bool:
    return "Purser is ready" in log.read_text() or process.poll() is not None


def command(*arguments: str | Path) -> list[str]:
    """Return a command line of the local system."""
    return [str(LOCAL_PYTHON), "-m", "local", *map(str, arguments)]


def start(state: Path, *options: str | Path) -> OwnSystem:
    """Start a system on free ports and wait until it is ready. It ends with the process that runs the tests."""
    state.mkdir(parents=True, exist_ok=True)
    log = state / LOG
    arguments = ("run", "--port", "0", "--state", state, "--until", str(run_of_tests()), *options)
    with log.open("wb") as output:
        process = subprocess.Popen(command(*arguments), cwd=ROOT, stdout=output, stderr=output)
    system = OwnSystem(state, process)
    eventually(partial(_is_ready_or_ended, process, log), what="the system")
    assert process.poll() is None, log.read_text()
    return system


def start_whole(folder: Path) -> OwnSystem:
    """Start a system as ``make run`` does, in a folder, but with fewer results and processes, and tables in memory.

    The results of a year would take half a minute, and tables on disk twice the time of the database.
    """
    options = ("--in-memory", "--demo-days", str(DEMO_DAYS), "--processes", str(PROCESSES))
    return start(folder / "state", *options)


def await_demo_data(running: Running) -> None:
    """Wait until the demo data of a system are complete."""
    log = running.folder / LOG
    eventually(lambda: "demo data: complete" in log.read_text(), what="the end of the demo data")


def failures(running: Running) -> str:
    """Return the latest failures that a system printed, and the ends of the logs of the functions that failed."""
    lines = [line for line in (running.folder / LOG).read_text().splitlines() if " failed: " in line][-MOST_FAILURES:]
    logs = [running.folder / "logs" / f"{name}.log" for name in sorted({line.split()[0] for line in lines})]
    return "\n".join([*lines, *(f"{log.name}\n{log.read_text()[-LOG_CHARACTERS:]}" for log in logs if log.exists())])


@contextmanager
def shared(factory: pytest.TempPathFactory, name: str, begin: Callable[[Path], OwnSystem]) -> Iterator[LocalSystem]:
    """Return one system for all pytest workers. The first one starts it in a folder, and it ends with the test run.

    Without workers, each module that wants a system has one of its own.
    """
    folder = factory.getbasetemp().parent / name if WORKER in os.environ else factory.mktemp(name)
    folder.mkdir(exist_ok=True)
    begun, where = None, folder / "state-of-the-system"
    with (folder / "beginning").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not where.exists():
            begun = begin(folder)
            where.write_text(str(begun.state))
    if begun and WORKER in os.environ:
        # The process outlives this worker. With a return code, Python does not warn about that.
        atexit.register(setattr, begun.process, "returncode", 0)
    yield LocalSystem(Path(where.read_text()))
    if begun and WORKER not in os.environ:
        begun.stop()


def run_of_tests() -> int:
    """The number of the process that all tests of this run belong to: pytest's own, or that of its workers' parent."""
    return os.getppid() if WORKER in os.environ else os.getpid()


def descendants(pid: int) -> set[int]:
    """A process and all that came of it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if fields[0] != "Z":
            parents[int(path.parent.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def alive(pids: set[int]) -> set[int]:
    """Return the processes among these that still run."""
    return {pid for pid in pids if _state(pid) not in ("", "Z", "X")}


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def listening(pids: set[int]) -> set[str]:
    """The addresses on which processes listen, as the kernel writes them: hexadecimal, without the port."""
    inodes = {target for pid in pids for target in _sockets(pid)}
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, status, *_, inode = line.split()[:10]
            if status == "0A" and f"socket:[{inode}]" in inodes:
                found.add(local.partition(":")[0])
    return found


def _sockets(pid: int) -> Iterator[str]:
    for handle in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            yield str(handle.readlink())
        except OSError:  # closed meanwhile
            continue
