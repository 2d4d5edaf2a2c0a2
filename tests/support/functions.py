"""Loads functions as Lambda does: each folder's ``app.py`` is a module of its own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from purser import process
from tests.support.openapi import conforming

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"


def load_function(name: str) -> ModuleType:
    """The module of ``functions/<name>/app.py``, made anew under a name of its own; ``.handler`` is its entry.

    A handler of routes is held to what the API's description says of its answers (``tests.support.openapi``).
    What a function reads of the environment at init it reads now: set it first, and call ``forget_process``.
    """
    module_name = f"functions_{name}_app"
    spec = importlib.util.spec_from_file_location(module_name, FUNCTIONS / name / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    if hasattr(module, "app"):
        module.handler = conforming(module.handler)  # type: ignore[attr-defined]
    return module


def forget_process() -> None:
    """Start a new process of Lambda: settings, clients and services are built anew."""
    process.forget()
