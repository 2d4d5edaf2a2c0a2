"""Loads functions as Lambda does: the ``app.py`` of each folder is a separate module."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from purser import process
from purser.settings import settings
from tests.support import permissions, template
from tests.support.openapi import conforming

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"


def load_function(name: str) -> ModuleType:
    """Load ``functions/<name>/app.py`` as a new module; its entry is ``.handler``.

    The handler fails when it calls what its role does not allow (``tests.support.permissions``). A handler of routes
    also fails when the API's description does not document its answer (``tests.support.openapi``).
    The function reads its environment now: set it first, and call ``forget_process``.
    """
    module_name = f"functions_{name}_app"
    spec = importlib.util.spec_from_file_location(module_name, FUNCTIONS / name / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    handler = permissions.kept(name, module.handler)
    vars(module)["handler"] = conforming(handler) if hasattr(module, "app") else handler
    return module


def load_routes(*names: str) -> Callable[[dict[str, Any], Any], Any]:
    """Load functions, and return a handler that passes each request to the one that has its route in the template."""
    handlers: dict[tuple[str, str], Callable[[dict[str, Any], Any], Any]] = {}
    for name in names:
        handler = load_function(name).handler
        events = template.functions()[name.title().replace("_", "")]["Events"].values()
        handlers |= {(event["Properties"]["Method"], event["Properties"]["Path"]): handler for event in events}
    return lambda event, context: handlers[event["httpMethod"], event["resource"]](event, context)


@contextmanager
def setting(**variables: object) -> Iterator[None]:
    """Give the functions these variables, in upper case, while the block lasts."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name.upper(), str(value))
            process.forget(settings)
            yield
    finally:
        process.forget(settings)


@contextmanager
def new_process() -> Iterator[pytest.MonkeyPatch]:
    """Run the block in a new process of Lambda, and what follows in another. Yield a patch that ends with the block."""
    forget_process()
    try:
        with pytest.MonkeyPatch.context() as patch:
            yield patch
    finally:
        forget_process()


def forget_process() -> None:
    """Start a new process of Lambda: settings, clients and services are built again."""
    process.forget()
