"""Make the lock files anew: requirements/*.txt from requirements/*.in.

    python -m scripts.lock_requirements [PACKAGE ...]

Versions stay as they are, except those of the packages named; "all" names every package.

Each lock serves every supported Python and processor. It names no package index, so that any mirror can serve it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from scripts import commands, installer

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = installer.REQUIREMENTS
LOG = ROOT / ".local/logs/lock.log"
# Later ones are constrained by earlier ones.
LOCKS = ("uv", "runtime", "core", "exchange", "billing", "app", "browser", "local", "java")
BESIDE = {"exchange": "core", "billing": "core", "browser": "app"}
"""Sets that are always used together with another lock file, and do not repeat it."""
OPTIONS = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--quiet")


async def lock(upgrades: list[str], progress: commands.Progress) -> None:
    """Make every lock file anew.

    Raises:
        commands.Failed: a set of requirements cannot be satisfied.
    """
    LOG.parent.mkdir(parents=True, exist_ok=True)
    await installer.ensure_uv(LOG)
    environment = {**installer.environment(), "UV_CUSTOM_COMPILE_COMMAND": "make lock"}
    upgrading = ["--upgrade"] if upgrades == ["all"] else [f"--upgrade-package={package}" for package in upgrades]
    for name in LOCKS:
        with progress.step("resolving", f"{name}.txt"):
            existing = packages(BESIDE[name]) if name in BESIDE else []
            left_out = [f"--no-emit-package={package}" for package in existing]
            files = (f"requirements/{name}.in", "--output-file", f"requirements/{name}.txt")
            command: list[str | Path] = [installer.program(), "pip", "compile", *OPTIONS, *upgrading, *left_out, *files]
            await commands.run(command, LOG, environment)
        progress.say(f"requirements/{name}.txt")


def packages(name: str) -> list[str]:
    """Return the packages of a lock file."""
    return re.findall(r"^([a-z0-9.-]+)==", (REQUIREMENTS / f"{name}.txt").read_text(), re.MULTILINE)


if __name__ == "__main__":
    output = commands.Progress("lock")
    commands.main(output, lock(sys.argv[1:], output))
