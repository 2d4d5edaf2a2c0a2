"""Test what is packaged: locked requirements, layers and their bytecode."""

from __future__ import annotations

import compileall
import py_compile
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts import cloudformation, lock_requirements, package_check
from tests.support.template import ROOT, template

LOCKS = {path.stem: path.read_text() for path in (ROOT / "requirements").glob("*.txt")}
SOURCES = {path.stem: path.read_text() for path in (ROOT / "requirements").glob("*.in")}
BYTECODE = ROOT / "scripts" / "bytecode.py"


def pins(name: str) -> dict[str, str]:
    """Return the packages that a lock file has for this machine, with their versions."""
    found = map(Requirement, re.findall(r"^([^\s#].*?)\s*\\$", LOCKS[name], re.MULTILINE))
    return {each.name: str(each.specifier)[2:] for each in found if each.marker is None or each.marker.evaluate()}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_versions_and_hashes_and_names_no_registry(name: str) -> None:
    lines = [line for line in LOCKS[name].splitlines() if line and not line.lstrip().startswith("#")]
    pinned = [line for line in lines if not line.startswith(" ")]
    assert pinned
    assert all(re.fullmatch(r"[a-z0-9.-]+==[\w.]+( ; [\w .=!'<>]+)? \\", line) for line in pinned), pinned
    hashes = [line for line in lines if line.startswith(" ")]
    assert all(re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes), hashes
    assert "://" not in LOCKS[name] + SOURCES[name]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_satisfies_its_list_of_requirements(name: str) -> None:
    asked = [Requirement(line) for line in re.findall(r"^[a-z].*", SOURCES[name], re.MULTILINE)]
    assert asked
    assert all(pins(name)[each.name] in each.specifier for each in asked)


def test_every_list_of_requirements_has_a_lock() -> None:
    assert LOCKS.keys() == SOURCES.keys() == set(lock_requirements.LOCKS)


def test_the_functions_use_one_version_of_a_library() -> None:
    shared = ("core", "exchange", "billing", "runtime", "app")
    for first in shared:
        for second in shared:
            both = pins(first).keys() & pins(second).keys()
            assert {n: pins(first)[n] for n in both} == {n: pins(second)[n] for n in both}


@pytest.mark.parametrize(("name", "beside"), lock_requirements.BESIDE.items())
def test_environments_side_by_side_share_no_package(name: str, beside: str) -> None:
    assert not pins(name).keys() & pins(beside).keys()


def test_runtime_dependencies_are_pinned_in_one_place() -> None:
    assert pins("core")["aws-lambda-powertools"] == "3.37.0"
    assert pins("core")["pydantic"] == "2.14.3"
    assert pins("exchange")["ccxt"] == "4.5.90"
    assert pins("billing")["stripe"] == "16.1.0"
    assert "aiohttp" not in pins("billing")  # Stripe's library would import it at every start.
    assert pins("local")["aws-sam-cli"] == "1.170.0"
    assert "boto3" not in pins("core")  # Lambda provides it.


def test_the_installed_versions_are_the_pinned_ones() -> None:
    installed = {canonicalize_name(each.name): each.version for each in distributions()}
    assert {name: installed.get(canonicalize_name(name)) for name in pins("app")} == pins("app")


def flaws(folder: Path) -> list[str]:
    done = subprocess.run([sys.executable, str(BYTECODE), str(folder)], capture_output=True, text=True, check=False)
    found = done.stdout.splitlines() if done.returncode else []
    assert done.stderr == ""
    return found


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    path = tmp_path / "module.py"
    path.write_text("answer = 42\n")
    return path


def compile_unchecked(folder: Path) -> None:
    compileall.compile_dir(folder, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def test_unchecked_bytecode_has_no_flaw(module: Path) -> None:
    compile_unchecked(module.parent)
    assert flaws(module.parent) == []


def test_missing_bytecode_is_a_flaw(module: Path) -> None:
    assert flaws(module.parent) == [f"module.py: no module.{sys.implementation.cache_tag}.pyc"]


def test_bytecode_with_a_timestamp_is_a_flaw(module: Path) -> None:
    compileall.compile_dir(module.parent, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    assert "date of its source" in flaws(module.parent)[0]


def test_bytecode_of_another_source_is_a_flaw(module: Path) -> None:
    compile_unchecked(module.parent)
    module.write_text("answer = 43\n")
    assert "another source" in flaws(module.parent)[0]


def test_a_layer_without_modules_is_a_flaw(tmp_path: Path) -> None:
    assert flaws(tmp_path) == [f"{tmp_path.name} has no modules"]


def test_a_release_build_without_the_right_python_fails_and_says_how_to_install_it() -> None:
    code = (
        "from scripts import build_layer;"
        "build_layer.interpreters.find = lambda version: None;"
        "build_layer.lambda_platform()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Python 3.13" in done.stderr
    assert "pyenv install 3.13" in done.stderr


@pytest.mark.parametrize(
    ("layer", "build_target"),
    [("core", "build-CoreLayer"), ("exchange", "build-ExchangeLayer"), ("billing", "build-BillingLayer")],
)
def test_sam_builds_each_layer_with_its_makefile(layer: str, build_target: str) -> None:
    resource = template()["Resources"][build_target.removeprefix("build-")]
    assert resource["Metadata"]["BuildMethod"] == "makefile"
    assert resource["Properties"]["ContentUri"] == f"layers/{layer}"
    assert f"{build_target}:" in (ROOT / "layers" / layer / "Makefile").read_text()


def test_the_package_check_can_stand_in_for_the_environment_of_every_function() -> None:
    whole = template()
    for function in cloudformation.functions(whole).values():
        variables = package_check.environment_of(whole, function)
        assert variables.keys() == function["Environment"]["Variables"].keys()
