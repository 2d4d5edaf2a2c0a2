"""The artefacts to measure, laid out as they are shipped: functions with their layers, naive builds, baselines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.support import template

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".local/build"
RUNTIME = ROOT / ".local/runtime"
BASELINES = Path(__file__).resolve().parent / "baselines"
FASTAPI = ("fastapi", "mangum", "starlette", "anyio", "annotated-doc", "idna", "opentelemetry-api")
"""The packages of FastAPI and Mangum that are not in the core layer, which has pydantic."""


@dataclass(frozen=True)
class Artefact:
    """A handler (``app.handler`` in the first folder), the folders that it imports from, and its environment."""

    path: tuple[Path, ...]
    environment: Mapping[str, str]
    seconds: int = 10


def functions(scratch: Path, physical: Mapping[str, str]) -> dict[str, Artefact]:
    """Return the template's functions by logical id, as they are shipped. ``physical`` has the names of resources."""
    return {
        name: Artefact(
            path=(
                _shipped(ROOT / function["CodeUri"], scratch / "functions" / name),
                # As in Lambda, a later layer comes before an earlier one, and the runtime's own libraries come last.
                *(BUILD / layer["Ref"] / "python" for layer in reversed(function["Layers"])),
                RUNTIME,
            ),
            environment={
                variable: str(_resolved(value, physical))
                for variable, value in function["Environment"]["Variables"].items()
            },
            seconds=function["Timeout"],
        )
        for name, function in template.functions().items()
    }


def _resolved(value: Any, physical: Mapping[str, str]) -> Any:
    """Resolve a value of the template: a resource's physical name, a parameter's default, or a secret of our own."""
    match value:
        case {"Fn::Sub": reference} if reference.startswith("{{resolve:secretsmanager:"):
            return "a secret of the bench"
        case {"Ref": name} | {"Fn::Join": [_, {"Ref": name}]}:
            return physical[name] if name in physical else template.template()["Parameters"][name]["Default"]
        case dict():
            raise ValueError(f"cannot resolve {value}")
    return value


def _shipped(source: Path, destination: Path) -> Path:
    """Copy without bytecode what a deployment packs of a folder that nothing has compiled."""
    if not destination.exists():
        shutil.copytree(source, destination, ignore=shutil.ignore_patterns("__pycache__"), copy_function=_link)
    return destination


def _link(source: str, destination: str) -> None:
    try:
        os.link(source, destination)
    except OSError:  # The file is on another file system.
        shutil.copy2(source, destination)


def naive(artefact: Artefact, scratch: Path) -> Artefact:
    """Build the function as a plain ``pip install`` into a zip does: all of ccxt, and no bytecode of its own."""
    code, *layers, runtime = artefact.path
    folder = scratch / "naive"
    copies = [_shipped(layer, folder / layer.parent.name) for layer in layers]
    for copy in copies:
        if (copy / "ccxt").exists():
            _replace_by_whole_ccxt(copy / "ccxt")
    return replace(artefact, path=(code, *copies, runtime))


def _replace_by_whole_ccxt(pruned: Path) -> None:
    whole = _package("ccxt")
    if not (pruned / "async_support").exists():
        shutil.rmtree(pruned)
        _shipped(whole, pruned)


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"{name} is not installed: make setup")
    return Path(spec.origin).parent


def boto3_baseline(scratch: Path, environment: Mapping[str, str]) -> Artefact:
    """Return a process that makes a DynamoDB client and nothing else."""
    return Artefact((_baseline("boto3_client", scratch), RUNTIME), environment)


def fastapi_baseline(scratch: Path, environment: Mapping[str, str]) -> Artefact:
    """Return FastAPI, Mangum and a DynamoDB client, with bytecode compiled as carefully as in Purser's own layers."""
    core = BUILD / "CoreLayer/python"
    return Artefact((_baseline("fastapi_mangum", scratch), fastapi_layer(scratch), core, RUNTIME), environment)


def _baseline(name: str, scratch: Path) -> Path:
    return _shipped(BASELINES / name, scratch / "baselines" / name)


def fastapi_layer(scratch: Path) -> Path:
    """Build a layer with FastAPI and Mangum."""
    folder = scratch / "fastapi"
    if not folder.exists():
        for name in FASTAPI:
            _copy_distribution(name, folder)
        options = ["-q", "--invalidation-mode", "unchecked-hash"]
        # The bytecode belongs beside the code, wherever this process keeps its own.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": ""}
        subprocess.run([sys.executable, "-m", "compileall", *options, str(folder)], check=True, env=environment)
    return folder


def _copy_distribution(name: str, folder: Path) -> None:
    installed = distribution(name)
    for file in installed.files or ():
        if file.suffix != ".pyc" and ".." not in file.parts:
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(str(installed.locate_file(file)), str(target))
