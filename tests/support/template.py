"""``template.yaml`` as plain Python: intrinsic functions become ``{"Ref": …}``, ``{"Fn::Sub": …}`` and so on."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from scripts import cloudformation

ROOT = Path(__file__).resolve().parents[2]


@cache
def template() -> dict[str, Any]:
    """The whole template."""
    return cloudformation.load(ROOT / "template.yaml")


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of all resources of a type, by logical id."""
    return cloudformation.resources(template(), kind)
