"""Builds the layers with ``sam build`` for this machine, when what they are made of has changed.

build.py        run by the Python that shall run the functions; builds into .local/build
"""

from __future__ import annotations

import fcntl
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import stamps

ROOT = Path(__file__).resolve().parent.parent
SAM = ROOT / ".venv/local/bin/sam"
BUILD = ROOT / ".local/build"
LAYERS = ("requirements/core.txt", "requirements/exchange.txt", "requirements/billing.txt")
INPUTS = ("template.yaml", "layers", *LAYERS, "scripts/build_layer.py")
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def main() -> None:
    """Builds when needed.

    Raises:
        SystemExit: the build failed; the text is what SAM printed.
    """
    with alone():
        build_when_stale()


@contextmanager
def alone() -> Iterator[None]:
    """Waits until nobody else builds: two commands may be started at once."""
    (ROOT / ".local").mkdir(exist_ok=True)
    with (ROOT / ".local/build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_when_stale() -> None:
    """Builds, unless what is there was built from the same inputs.

    Raises:
        SystemExit: the build failed.
    """
    digest = stamps.digest([ROOT / path for path in INPUTS], sys.version)
    if not stamps.matches(BUILD / ".built", digest):
        print("build: building the layers for this machine …", flush=True)
        build(BUILD, "machine")
        stamps.write(BUILD / ".built", digest)


def build(folder: Path, target: str) -> None:
    """Builds everything into a folder, for the "machine" or for "lambda".

    Raises:
        SystemExit: the build failed; the text is what SAM printed.
    """
    command = [str(SAM), "build", "--template", str(ROOT / "template.yaml"), "--build-dir", str(folder)]
    if target == "machine":
        command += ["--parameter-overrides", *machine_parameters()]
    environment = {**os.environ, "LAYER_TARGET": target, "PYTHON": sys.executable, "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"build: {' '.join(command)} failed\n{done.stdout}{done.stderr}")


def machine_parameters() -> list[str]:
    """The template's parameters that describe this machine."""
    runtime = "python{}.{}".format(*sys.version_info)
    return [f"PythonRuntime={runtime}", f"Arch={ARCHITECTURES[platform.machine()]}"]


if __name__ == "__main__":
    main()
