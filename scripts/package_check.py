"""Check what would be shipped: build it, zip and unzip it as a deployment does, and check the result.

For this machine's Python: bytecode, sizes, and that each function can be imported from its artefacts alone. For the
Lambda platform, where its Python is at hand: bytecode and sizes.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts import build, build_layer, cloudformation, commands, interpreters

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = ROOT / ".local/runtime"
MIB = 2**20
# The most that a layer may weigh in MiB, zipped and unzipped. Lambda's limit is 250 unzipped for all layers together.
BUDGETS = {"CoreLayer": (8, 22), "ExchangeLayer": (8, 26), "BillingLayer": (6, 18)}
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
IMPORT = "import app; assert callable(app.handler)"


class Flaw(commands.Failed):
    """Something that must not be shipped. The text says what."""


async def check(progress: commands.Progress) -> None:
    """Check both platforms.

    Raises:
        commands.Failed: the build failed.
        Flaw: something must not be shipped.
    """
    build.LOGS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        await check_machine(Path(scratch), progress)
        await check_lambda(Path(scratch), progress)
    progress.say("passed")


async def check_machine(scratch: Path, progress: commands.Progress) -> None:
    """Check a build for this machine: its layers, then each function.

    Raises:
        commands.Failed: the build failed.
        Flaw: something must not be shipped.
    """
    built, shipped = scratch / "machine", scratch / "machine-shipped"
    await build.build(built, "machine", progress)
    with progress.step("checking", "the layers"):
        await asyncio.to_thread(check_layers, "this machine", built, shipped, sys.executable)
    template = cloudformation.load(built / "template.yaml")
    functions = cloudformation.functions(template)
    for name, function in functions.items():
        with progress.step("importing", name):
            code = ship((built / function["CodeUri"]).resolve(), shipped / "functions" / name)
            layers, variables = layers_of(function, shipped), environment_of(template, function)
            await asyncio.to_thread(check_import, name, code, layers, variables)
    progress.say(f"this machine: {len(functions)} functions import what they ship")


async def check_lambda(scratch: Path, progress: commands.Progress) -> None:
    """Check the layers of a build for Lambda, if its Python is here.

    Raises:
        commands.Failed: the build failed.
        Flaw: something must not be shipped.
    """
    runtime = build_layer.template_default("PythonRuntime")
    interpreter = interpreters.find(runtime.removeprefix("python"))
    if interpreter is None:
        progress.say(f"Lambda: skipped, {runtime} is not on this machine")
        return
    await build.build(scratch / "lambda", "lambda", progress)
    platform = f"Lambda ({runtime}, {build_layer.template_default('Arch')})"
    with progress.step("checking", "the layers"):
        await asyncio.to_thread(check_layers, platform, scratch / "lambda", scratch / "lambda-shipped", interpreter)


def check_layers(platform: str, built: Path, shipped: Path, interpreter: str) -> None:
    """Ship each layer, and check its size and bytecode.

    Raises:
        Flaw: a layer is over its budget, or some of its bytecode would not be used.
    """
    for layer, budget in BUDGETS.items():
        folder = ship(built / layer, shipped / layer)
        zipped = folder.with_suffix(".zip").stat().st_size / MIB
        unzipped = sum(path.stat().st_size for path in files(folder)) / MIB
        sizes = f"{zipped:.1f} MiB zipped, {unzipped:.1f} unzipped"
        if zipped > budget[0] or unzipped > budget[1]:
            raise Flaw(f"{platform}: {layer} has {sizes}; its budget is {budget[0]} and {budget[1]}")
        command = [interpreter, str(ROOT / "scripts/bytecode.py"), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Flaw(f"{platform}: {layer} has unusable bytecode\n{done.stdout}{done.stderr}")
        print(f"package-check: {platform}: {layer}: {sizes}, bytecode complete")


def ship(source: Path, destination: Path) -> Path:
    """Zip a folder with the date that SAM gives to files, and unzip it again. The zip stays beside the folder."""
    archive = destination.with_suffix(".zip")
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as packed:
        for path in files(source):
            entry = zipfile.ZipInfo(str(path.relative_to(source)), ZIP_DATE)
            packed.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    destination.mkdir()
    shutil.unpack_archive(archive, destination)
    return destination


def files(folder: Path) -> Iterator[Path]:
    """Return a folder's files, in order."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def layers_of(function: dict[str, Any], shipped: Path) -> list[Path]:
    """Return the folders that a function's layers add to its import path."""
    return [shipped / layer["Ref"] / "python" for layer in function["Layers"]]


def environment_of(template: dict[str, Any], function: dict[str, Any]) -> dict[str, str]:
    """Return a function's environment: defaults of parameters, and names for what exists only once it is deployed."""
    variables = function["Environment"]["Variables"].items()
    return {name: str(plain(template, value)) for name, value in variables}


def plain(template: dict[str, Any], value: Any) -> Any:
    """Return a stand-in for a template's value."""
    match value:
        case {"Ref": name}:
            return template["Parameters"].get(name, {}).get("Default", name)
        case {"Fn::Join": [_, {"Ref": name}]}:
            return template["Parameters"][name]["Default"]
        case {"Fn::Sub": str(text)}:
            return text
        case dict():
            raise Flaw(f"package-check does not know how to stand in for {value}")
    return value


def check_import(name: str, code: Path, layers: list[Path], environment: dict[str, str]) -> None:
    """Import a function's handler in a fresh process with Lambda's import path and environment.

    Raises:
        Flaw: it cannot be imported.
    """
    path = ":".join(map(str, [code, *layers, RUNTIME]))
    command = [sys.executable, "-S", "-c", IMPORT]  # Without site, the environment around it is invisible.
    variables = {**environment, "AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1", "PYTHONPATH": path}
    done = subprocess.run(command, env=variables, cwd=code, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Flaw(f"{name} cannot be imported from its artefacts\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    output = commands.Progress("package-check")
    commands.main(output, check(output))
