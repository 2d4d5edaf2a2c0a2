"""Locks that keep two commands in one clone from disturbing each other."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from scripts import commands

STATE = Path(__file__).resolve().parent.parent / ".local"
SYSTEM = STATE / "lock"
"""Held by the running system."""
POLL_SECONDS = 0.1


@asynccontextmanager
async def alone(name: str, progress: commands.Progress) -> AsyncIterator[None]:
    """Hold a lock while the block runs. Wait if another command holds it."""
    with progress.step("waiting for", "another command in this clone"):
        while (file := try_lock(STATE / f"{name}.lock")) is None:
            await asyncio.sleep(POLL_SECONDS)
    with file:
        yield


def try_lock(path: Path) -> IO[str] | None:
    """Take a lock, or return None if it is held. Closing the file releases it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
    except (BlockingIOError, FileNotFoundError):  # held, or `make clean` has just removed it
        pass
    file.close()
    return None


def is_held(path: Path) -> bool:
    """Tell whether a process holds a lock."""
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
