"""Child processes that never outlive their parent, even if it is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from local.errors import CannotStart
from local.places import BYTECODE, ROOT

PR_SET_PDEATHSIG = 1
START_SECONDS = 60
STOP_SECONDS = 5

_libc = ctypes.CDLL(None)
# The kernel's death signal follows the thread that starts a child, so a thread that never ends starts them all.
_spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")


def spawn(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: str | Path | None = None,
    stdout: int | IO[Any] | None = subprocess.DEVNULL,
    stderr: int | IO[Any] | None = subprocess.DEVNULL,
) -> subprocess.Popen[str]:
    """Start a process in a session of its own, so that only we pass on the terminal's Ctrl-C.

    Raises:
        OSError: it could not be started.
    """
    parent = os.getpid()
    return _spawner.submit(
        subprocess.Popen,
        [str(part) for part in command],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: die_with(parent),
    ).result()


@dataclass(frozen=True)
class Server:
    """A server in a process of its own."""

    name: str
    url: str
    process: subprocess.Popen[str]


def python_environment() -> dict[str, str]:
    """Return the environment of a server that is a module of this repository, with nothing of this process's own."""
    bytecode = {"PYTHONPYCACHEPREFIX": str(BYTECODE)}
    return {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **bytecode}


def start_server(name: str, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path, announces: str) -> Server:
    """Start a server, and wait until it prints a line with the announcing words and its URL.

    Raises:
        CannotStart: it ended before, or took more than a minute. The text has the last that it said.
    """
    process = spawn(command, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    overdue = threading.Timer(START_SECONDS, process.kill)
    overdue.start()
    lines = [f"nothing for {START_SECONDS} seconds"]
    for line in process.stdout or ():
        if line.startswith(announces):
            overdue.cancel()
            # It may print more, and must not wait for a reader.
            threading.Thread(target=_drain, args=(process.stdout,), name=f"{name} output", daemon=True).start()
            return Server(name, line.removeprefix(announces).strip(), process)
        lines += filter(None, [line.strip()])
    overdue.cancel()
    stop(process)
    raise CannotStart(f"{name} did not start. It said: {lines[-1]}")


def _drain(output: IO[str] | None) -> None:
    try:
        for _ in output or ():
            pass
    except ValueError:  # The file was closed when the process was stopped.
        pass


def die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent is gone."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # The parent died before the request.
        os._exit(1)


def is_running(pid: int) -> bool:
    """Return whether a process of that number is running."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def stop(process: subprocess.Popen[Any], seconds: float = STOP_SECONDS) -> None:
    """Ask a process to end, kill it if it does not, and reap it."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
