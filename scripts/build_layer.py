"""Build a layer: its libraries, pruned, and their bytecode. ``sam build`` calls it through the layers' Makefiles.

    python -m scripts.build_layer core|exchange|billing [ARTIFACTS_DIR]

Without a folder it makes only the cached libraries.

By default it builds for Lambda, for the runtime and processor that template.yaml names as defaults. With
``LAYER_TARGET=machine`` it builds for the Python that runs this script.

SAM zips files with a date of 1980, which makes ordinary bytecode look stale. So the bytecode is compiled "unchecked",
by an interpreter of the very version that will load it. Libraries are cached by what they are made of.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts import commands, installer, interpreters

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".local/cache/layers"
LOGS = ROOT / ".local/logs"
VENUES = ("binance",)
LAMBDA_PLATFORMS = {"arm64": "aarch64", "x86_64": "x86_64"}
GLIBC = "manylinux_2_34"  # of Lambda's image
UNUSED = (
    "bin",
    ".lock",
    "pydantic/v1",  # the earlier major version, imported for its own models only
    "**/__pycache__",
    "**/tests",
    "**/*.pyi",
    "**/*.dist-info/RECORD",
    "**/*.dist-info/REQUESTED",
)


@dataclass(frozen=True)
class Target:
    """The platform that a layer is built for."""

    interpreter: str
    name: str
    uv_options: tuple[str, ...] = ()


async def build(layer: str, artifacts: Path | None) -> None:
    """Build a layer into a folder, if one is given.

    Raises:
        commands.Failed: it could not be built.
    """
    target = machine() if os.environ.get("LAYER_TARGET") == "machine" else lambda_platform()
    LOGS.mkdir(parents=True, exist_ok=True)
    await installer.ensure_uv(LOGS / "setup-uv.log")
    cached = await libraries(layer, target)
    if artifacts is None:
        return
    destination = artifacts / "python"
    shutil.copytree(cached, destination, dirs_exist_ok=True)
    if layer == "core":
        shutil.copytree(
            ROOT / "layers/core/purser", destination / "purser", ignore=shutil.ignore_patterns("__pycache__")
        )
        await precompile(layer, target, destination / "purser", destination)


def machine() -> Target:
    """Return this machine and the Python that runs this script."""
    return Target(sys.executable, f"machine {sys.version}")


def lambda_platform() -> Target:
    """Return the Lambda platform that the template's defaults name.

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
    options = ("--python-version", version, "--python-platform", f"{processor}-{GLIBC}")
    return Target(interpreter, f"{version} {processor}", options)


def template_default(parameter: str) -> str:
    """Return the default of a parameter of template.yaml, the one place that sets runtime and processor."""
    template = (ROOT / "template.yaml").read_text()
    found = re.search(rf"^  {parameter}:\n(?:    .*\n)*?    Default: (\S+)$", template, re.MULTILINE)
    if found is None:
        raise SystemExit(f"template.yaml has no default for {parameter}")
    return found[1]


async def libraries(layer: str, target: Target) -> Path:
    """Return the folder of a layer's libraries, from the cache if what they are made of is unchanged.

    Raises:
        commands.Failed: they could not be installed or compiled.
    """
    requirements = ROOT / "requirements" / f"{layer}.txt"
    made_of = [requirements, Path(__file__), *sorted((ROOT / "layers" / layer).glob("*.py"))]
    digest = hashlib.sha256(target.name.encode() + b"".join(path.read_bytes() for path in made_of)).hexdigest()[:16]
    kept = CACHE / f"{layer}-{digest}"
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            folder = Path(scratch) / "python"
            await install(layer, target, folder)
            if layer in PRUNING:
                PRUNING[layer](folder)
            drop(folder, UNUSED)
            await precompile(layer, target, folder, folder)
            if not kept.exists():
                folder.rename(kept)
    return kept


async def install(layer: str, target: Target, folder: Path) -> None:
    """Install exactly the listed libraries. Their other dependencies are in Lambda's image, or never imported.

    Raises:
        commands.Failed: something could not be installed.
    """
    options = ("--python", target.interpreter, "--target", str(folder), *target.uv_options)
    await installer.sync((layer,), LOGS / f"layer-{layer}.log", *options)


def prune_ccxt(folder: Path) -> None:
    """Reduce ccxt to its base and the venues that Purser knows, because all of it loads a hundred exchanges."""
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
    """Remove a quarter of the library, which only type checkers read."""
    shutil.rmtree(folder / "stripe/params")


PRUNING: dict[str, Callable[[Path], None]] = {"exchange": prune_ccxt, "billing": prune_stripe}


def drop(folder: Path, patterns: Iterable[str]) -> None:
    """Remove files that no function reads."""
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


async def precompile(layer: str, target: Target, folder: Path, root: Path) -> None:
    """Compile a folder's modules to bytecode that Python loads without checking dates.

    Raises:
        commands.Failed: a module could not be compiled.
    """
    options = ("-q", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", "/opt/python")
    # With a fixed hash seed the same sources give the same bytes.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": ""}
    log = LOGS / f"layer-{layer}.log"
    await commands.run([target.interpreter, "-m", "compileall", *options, folder], log, environment)


if __name__ == "__main__":
    work = build(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    commands.main(commands.Progress(f"layer {sys.argv[1]}"), work)
