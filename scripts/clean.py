"""Remove what the commands made: all of it, or the data of the local system alone.

    python -m scripts.clean all|data

It does nothing while the system runs.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from pathlib import Path

from scripts import locks

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
INSTALLED = {"bin", "browser", "build", "cache", "runtime"}
"""What is no data in .local."""
USERS = {
    "lock": "Purser is running from this clone: stop it first (Ctrl-C where it was started)",
    "setup.lock": "Purser is being installed in this clone",
    "build.lock": "Purser is being built in this clone",
}
"""Who holds which lock."""


def main(what: str) -> None:
    """Remove it.

    Raises:
        SystemExit: the system or another command runs in this clone.
    """
    with contextlib.ExitStack() as held:
        for name, reason in USERS.items():
            lock = locks.try_lock(STATE / name)
            if lock is None:
                raise SystemExit(f"{reason}; nothing was removed.")
            held.enter_context(lock)
        for path in data() if what == "data" else [ROOT / name for name in MADE]:
            remove(path)
    print("Removed the data; what is installed and built is still there." if what == "data" else "Removed everything.")


def data() -> list[Path]:
    """Return what the local system has stored, and its logs."""
    return [path for path in STATE.iterdir() if path.name not in INSTALLED]


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1])
