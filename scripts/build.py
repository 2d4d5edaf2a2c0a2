"""Build the layers with ``sam build`` for this machine, if what they are made of has changed.

build.py [--tests]      run by the Python that shall run the functions; builds into .local/build

With --tests, the tests are compiled beside it. Otherwise each of their workers would do that at the same time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from scripts import commands, locks, stamps

ROOT = Path(__file__).resolve().parent.parent
SAM = ROOT / ".venv/local/bin/sam"
BUILD = ROOT / ".local/build"
LOGS = ROOT / ".local/logs"
BYTECODE = ROOT / ".local/cache/bytecode"
"""The bytecode of what tests import (see the Makefile)."""
HALVES = (("unit", "contracts", "infrastructure"), ("property", "integration", "e2e"))
"""The folders of tests that are compiled side by side."""
LAYERS = ("core", "exchange", "billing")
INPUTS = ("template.yaml", "layers", "scripts/build_layer.py", *(f"requirements/{layer}.txt" for layer in LAYERS))
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def main() -> None:
    """Build if needed.

    Raises:
        SystemExit: the build failed; the text has what SAM printed last.
    """
    parser = argparse.ArgumentParser(description="Build the layers.")
    parser.add_argument("--tests", action="store_true", help="compile the tests beside the build")
    ensure_fresh(tests=parser.parse_args().tests)


def ensure_fresh(*, tests: bool = False) -> None:
    """Build if needed, and then also compile the tests if asked to.

    Raises:
        SystemExit: the build failed; the text has what SAM printed last.
    """
    if is_stale():
        progress = commands.Progress("build")
        commands.main(progress, build_beside_tests(progress) if tests else build_if_stale(progress))


def digest() -> str:
    """Return the digest of what the build is made of. It has the absolute paths of this clone."""
    return stamps.digest([ROOT / path for path in INPUTS], sys.version, str(ROOT))


def is_stale() -> bool:
    """Tell whether there is no build, or one of other inputs."""
    return not stamps.matches(BUILD / ".built", digest())


async def build_if_stale(progress: commands.Progress) -> None:
    """Build, unless what is there was built from the same inputs.

    Raises:
        commands.Failed: the build failed.
    """
    async with locks.alone("build", progress):
        if not is_stale():  # another command may have built meanwhile
            return
        LOGS.mkdir(parents=True, exist_ok=True)
        made_of = digest()
        fresh, former = BUILD.with_name("build.fresh"), BUILD.with_name("build.former")
        await build(fresh, "machine", progress)
        stamps.write(fresh / ".built", made_of)
        # The running system may read the former build until it is replaced.
        with progress.step("replacing", "the former build"):
            await commands.run(["rm", "-rf", former], LOGS / "build.log")
            if BUILD.exists():
                BUILD.rename(former)
            fresh.rename(BUILD)
            await commands.run(["rm", "-rf", former], LOGS / "build.log")
        progress.say(f"the layers are ready after {progress.seconds:.0f} s")


async def build_beside_tests(progress: commands.Progress) -> None:
    """Build, and compile the tests meanwhile.

    Raises:
        commands.Failed: the build failed.
    """
    async with asyncio.TaskGroup() as group:
        group.create_task(build_if_stale(progress))
        group.create_task(compile_tests(progress))


async def compile_tests(progress: commands.Progress) -> None:
    """Let pytest compile the tests with its assertions, both halves side by side."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with progress.step("compiling", "the tests"):
        async with asyncio.TaskGroup() as group:
            for folders in HALVES:
                group.create_task(collect(folders))


async def collect(folders: Sequence[str]) -> None:
    """Collect the tests of some folders, which compiles them. What is wrong with them, their run will say."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(BYTECODE)}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *(f"tests/{name}" for name in folders)]
    with suppress(commands.Failed):
        await commands.run(command, LOGS / f"build-tests-{folders[0]}.log", environment)


async def build(folder: Path, target: str, progress: commands.Progress) -> None:
    """Build everything into a folder, for the "machine" or for "lambda".

    Raises:
        commands.Failed: the build failed; the text has what SAM printed last.
    """
    environment = {**os.environ, "LAYER_TARGET": target, "PYTHON": sys.executable, "SAM_CLI_TELEMETRY": "0"}
    progress.say(f"building the layers for {'this machine' if target == 'machine' else 'Lambda'}")
    async with asyncio.TaskGroup() as group:
        for layer in LAYERS:
            group.create_task(make_libraries(layer, environment, progress))
    command: list[str | Path] = [SAM, "build", "--template", ROOT / "template.yaml", "--build-dir", folder]
    if target == "machine":
        command += ["--parameter-overrides", *machine_parameters()]
    with progress.step("running", "sam build"):
        await commands.run(command, LOGS / "build.log", environment)


async def make_libraries(layer: str, environment: dict[str, str], progress: commands.Progress) -> None:
    """Fill the cache with a layer's libraries before SAM needs them, one layer after the other, silently.

    Raises:
        commands.Failed: they could not be made.
    """
    with progress.step("making", f"the libraries of the {layer} layer"):
        command = [sys.executable, "-m", "scripts.build_layer", layer]
        await commands.run(command, LOGS / f"build-{layer}.log", environment)
    progress.say(f"the libraries of the {layer} layer are there after {progress.seconds:.0f} s")


def machine_parameters() -> list[str]:
    """Return the template's parameters that describe this machine."""
    runtime = "python{}.{}".format(*sys.version_info)
    return [f"PythonRuntime={runtime}", f"Arch={ARCHITECTURES[platform.machine()]}"]


if __name__ == "__main__":
    main()
