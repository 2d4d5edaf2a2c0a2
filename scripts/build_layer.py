"""Builds a layer: its libraries, pruned, and their bytecode. ``sam build`` calls it by the layers' Makefiles.

    build_layer.py core|exchange|billing ARTIFACTS_DIR

By default it builds for Lambda, for the runtime and processor that template.yaml names as defaults. With
``LAYER_TARGET=machine`` it builds for the Python that runs this script.

SAM zips files with a date of 1980, which makes ordinary bytecode look stale: it is compiled "unchecked", and by
an interpreter of the very version that will load it. Libraries are kept in a cache by what they are made of.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import interpreters

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".local" / "cache" / "layers"
VENUES = ("binance",)
LAMBDA_PLATFORMS = {"arm64": "aarch64", "x86_64": "x86_64"}
# Lambda's image has glibc 2.34.
MANYLINUX = ("manylinux2014", "manylinux_2_28", "manylinux_2_34")
UNUSED = ("bin", "**/__pycache__", "**/tests", "**/*.pyi", "**/*.dist-info/RECORD", "**/*.dist-info/REQUESTED")


@dataclass(frozen=True)
class Target:
    """What a layer is built for."""

    interpreter: str
    name: str
    pip_options: tuple[str, ...]


def main(layer: str, artifacts: Path) -> None:
    """Builds a layer into a folder."""
    target = machine() if os.environ.get("LAYER_TARGET") == "machine" else lambda_platform()
    destination = artifacts / "python"
    shutil.copytree(libraries(layer, target), destination, dirs_exist_ok=True)
    if layer == "core":
        shutil.copytree(
            ROOT / "layers/core/purser", destination / "purser", ignore=shutil.ignore_patterns("__pycache__")
        )
        precompile(target, destination / "purser", destination)


def machine() -> Target:
    """This machine and the Python that runs this script."""
    return Target(sys.executable, f"machine {sys.version}", ())


def lambda_platform() -> Target:
    """The Lambda platform that the template's defaults name.

    Raises:
        SystemExit: no interpreter of that version is on this machine.
    """
    version = template_default("PythonRuntime").removeprefix("python")
    processor = LAMBDA_PLATFORMS[template_default("Arch")]
    interpreter = interpreters.find(version)
    if interpreter is None:
        raise SystemExit(
            f"The layers need a Python {version} on this machine, to compile bytecode that Lambda can load. Install "
            f"one (uv python install {version}, pyenv install {version}, or your system's package), or set "
            "PythonRuntime in template.yaml to a version that is here."
        )
    platforms = [option for name in MANYLINUX for option in ("--platform", f"{name}_{processor}")]
    options = ("--python-version", version, "--implementation", "cp", *platforms)
    return Target(interpreter, f"{version} {processor}", options)


def template_default(parameter: str) -> str:
    """The default of a parameter of template.yaml, which is the one place that sets runtime and processor."""
    template = (ROOT / "template.yaml").read_text()
    found = re.search(rf"^  {parameter}:\n(?:    .*\n)*?    Default: (\S+)$", template, re.MULTILINE)
    if found is None:
        raise SystemExit(f"template.yaml has no default for {parameter}")
    return found[1]


def libraries(layer: str, target: Target) -> Path:
    """The folder of a layer's libraries, from the cache where what they are made of is unchanged."""
    requirements = ROOT / "requirements" / f"{layer}.txt"
    made_of = [requirements, Path(__file__), *sorted((ROOT / "layers" / layer).glob("*.py"))]
    digest = hashlib.sha256(target.name.encode() + b"".join(path.read_bytes() for path in made_of)).hexdigest()[:16]
    kept = CACHE / f"{layer}-{digest}"
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            folder = Path(scratch) / "python"
            install(requirements, target, folder)
            PRUNING.get(layer, lambda _: None)(folder)
            drop(folder, UNUSED)
            precompile(target, folder, folder)
            if not kept.exists():
                folder.rename(kept)
    return kept


def install(requirements: Path, target: Target, folder: Path) -> None:
    """Installs exactly the listed libraries, as wheels."""
    # Libraries that the layer does not list are in Lambda's image, or never imported.
    options = ["--no-deps", "--only-binary=:all:", "--no-compile", "--quiet", "--disable-pip-version-check"]
    places = ["-t", str(folder), "-r", str(requirements)]
    run([sys.executable, "-m", "pip", "install", *options, *target.pip_options, *places])


def prune_ccxt(folder: Path) -> None:
    """Keeps of ccxt its base and the venues that Purser knows: whole, it loads a hundred exchanges."""
    whole, pruned = folder / "ccxt.whole", folder / "ccxt"
    pruned.rename(whole)
    (pruned / "abstract").mkdir(parents=True)
    shutil.copytree(whole / "base", pruned / "base")
    for venue in VENUES:
        shutil.copy(whole / f"{venue}.py", pruned)
        shutil.copy(whole / "abstract" / f"{venue}.py", pruned / "abstract")
    shutil.copy(ROOT / "layers/exchange/ccxt_init.py", pruned / "__init__.py")
    shutil.rmtree(whole)


def prune_stripe(folder: Path) -> None:
    """Leaves out what only type checkers read: a quarter of the library."""
    shutil.rmtree(folder / "stripe/params")


PRUNING: dict[str, Callable[[Path], None]] = {"exchange": prune_ccxt, "billing": prune_stripe}


def drop(folder: Path, patterns: Iterable[str]) -> None:
    """Removes what a function never reads."""
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def precompile(target: Target, folder: Path, root: Path) -> None:
    """Compiles a folder's modules to bytecode that is loaded without a look at their dates."""
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", "/opt/python"]
    # With a fixed hash seed the same sources give the same bytes.
    run([target.interpreter, "-m", "compileall", *options, str(folder)], {**os.environ, "PYTHONHASHSEED": "0"})


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Runs a command; its failure ends the build with what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
