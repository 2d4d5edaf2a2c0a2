"""Find and call uv, which installs the Python packages.

The machine's own uv is used when it is at least the pinned version. Otherwise pip installs the pinned one.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts import commands, locks

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
OWN = ROOT / ".venv/uv"
OWN_CACHE = ROOT / ".local/cache/uv"
PINNED = (REQUIREMENTS / "uv.in").read_text().split("==")[1].strip()
# Lock files have the hash of every file, and wheels need no compiler.
EXACTLY = ("--require-hashes", "--only-binary", ":all:")


def program() -> Path:
    """Return the uv to use. It may have to be installed first."""
    return of_the_machine() or OWN / "bin/uv"


@functools.cache
def of_the_machine() -> Path | None:
    """Return the uv in the path, or None if there is none or it is too old."""
    found = shutil.which("uv")
    return Path(found) if found and _version(found) >= _numbers(PINNED) else None


def _version(program: str) -> tuple[int, ...]:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return _numbers(answer.stdout) if answer.returncode == 0 else ()


def _numbers(text: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else ()


async def install_uv(log: Path) -> None:
    """Install the pinned uv.

    Raises:
        commands.Failed: it could not be installed.
    """
    await commands.run([sys.executable, "-m", "venv", "--clear", OWN], log)
    options = ("--disable-pip-version-check", "--no-input", *EXACTLY)
    await commands.run([OWN / "bin/python", "-m", "pip", "install", *options, "-r", REQUIREMENTS / "uv.txt"], log)


async def ensure_uv(log: Path) -> None:
    """Install the pinned uv if there is none to use.

    Raises:
        commands.Failed: it could not be installed.
    """
    if not program().exists():
        async with locks.alone("uv", commands.Progress("uv")):
            if not program().exists():
                await install_uv(log)


async def make_environment(folder: Path, requirements: tuple[str, ...], log: Path) -> None:
    """Make a virtual environment with exactly what the lock files list. It replaces an existing one.

    Raises:
        commands.Failed: it could not be made.
    """
    await commands.run([program(), "venv", "--clear", "--python", sys.executable, folder], log, environment())
    await sync(requirements, log, "--python", str(folder / "bin/python"))


async def make_folder(folder: Path, requirements: tuple[str, ...], log: Path, *options: str) -> None:
    """Make a folder for the import path with exactly what the lock files list. It replaces an existing one.

    Raises:
        commands.Failed: it could not be made.
    """
    await commands.run(["rm", "-rf", folder], log)
    await sync(requirements, log, "--python", sys.executable, "--target", str(folder), *options)


async def sync(requirements: tuple[str, ...], log: Path, *options: str) -> None:
    """Install exactly what the lock files list, from the cache alone if everything is there.

    Raises:
        commands.Failed: something could not be installed.
    """
    files = [REQUIREMENTS / f"{name}.txt" for name in requirements]
    command: list[str | Path] = [program(), "pip", "sync", *EXACTLY, *options, *files]
    try:
        await commands.run([*command, "--offline"], log, environment())
    except commands.Failed:
        await commands.run(command, log, environment())


def environment() -> dict[str, str]:
    """Return the environment variables for uv."""
    cache = {} if "UV_CACHE_DIR" in os.environ or _can_write(_usual_cache()) else {"UV_CACHE_DIR": str(OWN_CACHE)}
    return {**os.environ, **cache, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "PYTHONPYCACHEPREFIX": ""}


def _usual_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "uv"


def _can_write(folder: Path) -> bool:
    """Tell whether files can be made in a folder, which need not exist yet."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
