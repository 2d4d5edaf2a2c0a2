"""The requirements of the system, checked before it starts."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
from pathlib import Path
from typing import IO

from local.errors import CannotStart
from local.places import RUNTIME

NEEDED_BYTES = 200 * 2**20
PORT_TRIES = 50
PORTS = 5
"""The ports in a row: the gateway, the paper exchange, the double of Stripe, and two reserved ones."""

HIGHEST_PORT = 65_535 - PORTS + 1


def check_disk(state: Path) -> None:
    """Raise ``CannotStart`` if the disk is almost full."""
    free = shutil.disk_usage(state).free
    if free < NEEDED_BYTES:
        raise CannotStart(f"no disk space: {free // 2**20} MiB are free at {state}, and Purser needs 200.")


def check_built(template: Path) -> None:
    """Raise ``CannotStart`` if something has not been installed or built."""
    for path in (template, RUNTIME / "awslambdaric"):
        if not path.exists():
            raise CannotStart(f"{path} is missing; `make run` installs and builds what is needed.")


def check_ports(first: int) -> None:
    """Raise ``CannotStart`` if one of the reserved ports is in use or cannot be opened."""
    if first:
        for port in range(first, first + PORTS):
            check_port(port)


def check_port(port: int) -> None:
    """Raise ``CannotStart`` if a port is in use or cannot be opened."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            busy = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            reason = "is in use" if busy else "cannot be listened on"
            raise CannotStart(
                f"Port {port} {reason}. Purser uses {PORTS} in a row; choose others, as in `make run PORT=4000`."
            ) from None


def port_of(text: str) -> int:
    """Return the port that a person wrote; 0 takes free ones.

    Raises:
        CannotStart: it is no port with the others above it.
    """
    if not (text.isascii() and text.isdecimal()) or int(text) > HIGHEST_PORT:
        raise CannotStart(f"PORT must be a whole number from 1 to {HIGHEST_PORT}, not {text!r}.")
    return int(text)


def free_ports() -> int:
    """Return the first of as many free ports in a row as are needed.

    Raises:
        CannotStart: none were found.
    """
    for _ in range(PORT_TRIES):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        try:
            check_ports(port)
        except CannotStart:
            continue
        return port
    raise CannotStart("there are no free ports.")


def lock(state: Path) -> IO[str]:
    """Lock a state folder for this process, until the file is closed.

    Raises:
        CannotStart: another one has it.
    """
    file = (state / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise CannotStart(f"Purser is already running with {state} (process {holder}).") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
