"""Remove what the commands made: all of it, or the data of the local system alone.

    python -m scripts.clean all|data

It does nothing while the system runs.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from scripts import commands, locks

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"
MADE = (
    ".venv",
    ".local",
    ".aws-sam",
    "local/node_modules",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    ".import_linter_cache",
)
INSTALLED = {"bin", "browser", "build", "build.former", "build.fresh", "cache", "runtime"}
"""Files in .local that are not data."""
USERS = {
    "lock": "Purser is running from this clone: stop it first (Ctrl-C where it was started)",
    "setup.lock": "Purser is being installed in this clone",
    "build.lock": "Purser is being built in this clone",
}
"""The commands that hold each lock."""


async def clean(what: str, progress: commands.Progress) -> None:
    """Remove it.

    Raises:
        commands.Failed: the system or another command runs in this clone.
    """
    with contextlib.ExitStack() as held:
        for name, reason in USERS.items():
            lock = locks.try_lock(STATE / name)
            if lock is None:
                raise commands.Failed(f"{reason}; nothing was removed.")
            held.enter_context(lock)
        with progress.step("removing", "data" if what == "data" else "everything"):
            await commands.run(["rm", "-rf", *(data() if what == "data" else everything())], Path(os.devnull))
    progress.say("removed the data; what is installed and built is still there" if what == "data" else "removed all")


def everything() -> list[Path]:
    """Return what was installed, built or stored."""
    return [ROOT / name for name in MADE]


def data() -> list[Path]:
    """Return what the local system has stored, and its logs."""
    return [path for path in STATE.iterdir() if path.name not in INSTALLED]


if __name__ == "__main__":
    output = commands.Progress("clean")
    commands.main(output, clean(sys.argv[1], output))
