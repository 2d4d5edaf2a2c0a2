"""Changed source that comes into the build of a running system."""

from __future__ import annotations

import py_compile
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local.functions import reload
from scripts.bytecode import flaws

NEVER_COMPARED = py_compile.PycInvalidationMode.UNCHECKED_HASH


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of a layer, in a process that keeps its own bytecode elsewhere, as that of ``make run`` does."""
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "bytecode"))
    monkeypatch.setattr(reload, "CHECK_SECONDS", 0)
    for folder in ("source/purser", "built/CoreLayer/python/purser/__pycache__", "code"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("source", "built/CoreLayer/python"):
        (tmp_path / folder / "purser/__init__.py").write_text("value = 1")
    module = tmp_path / "built/CoreLayer/python/purser/__init__.py"
    py_compile.compile(str(module), str(bytecode(tmp_path)), invalidation_mode=NEVER_COMPARED)
    return tmp_path / "source/purser"


def bytecode(folder: Path) -> Path:
    return folder / f"built/CoreLayer/python/purser/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"


def watching(folder: Path, recycled: list[str]) -> reload.Sources:
    function: Any = SimpleNamespace(name="Wallet", code=folder / "code", layers=(folder / "built/CoreLayer",))
    return reload.Sources({"CoreLayer": folder / "source"}, {"Wallet": function}, recycled.append)


def test_the_bytecode_of_a_changed_module_is_replaced_too(tmp_path: Path, source: Path) -> None:
    recycled: list[str] = []
    sources = watching(tmp_path, recycled)
    sources.refresh()
    assert recycled == []
    (source / "__init__.py").write_text("value = 23")
    sources.refresh()
    assert recycled == ["Wallet"]
    assert list(flaws(tmp_path / "built")) == []


def test_a_module_that_does_not_compile_leaves_no_bytecode_of_an_older_one(tmp_path: Path, source: Path) -> None:
    sources = watching(tmp_path, [])
    (source / "__init__.py").write_text("value = (")
    sources.refresh()
    assert not bytecode(tmp_path).exists()
