"""``template.yaml`` as plain Python: intrinsic functions become ``{"Ref": …}``, ``{"Fn::Sub": …}`` and so on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from scripts import cloudformation

ROOT = Path(__file__).resolve().parents[2]


@cache
def template() -> dict[str, Any]:
    """Return the whole template."""
    return cloudformation.load(ROOT / "template.yaml")


def functions() -> dict[str, dict[str, Any]]:
    """Return the properties of all functions by logical id, merged with Globals."""
    return cloudformation.functions(template())


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type, by logical id."""
    return cloudformation.resources(template(), kind)


def broken_rules(parameters: Mapping[str, str]) -> list[str]:
    """Return the names of the template's rules that CloudFormation would find broken, with defaults for the rest."""
    defaults = {name: each.get("Default", "") for name, each in template()["Parameters"].items()}
    given = {**defaults, **parameters}
    return [
        name
        for name, rule in template()["Rules"].items()
        if _evaluate(rule["RuleCondition"], given)
        and not all(_evaluate(assertion["Assert"], given) for assertion in rule["Assertions"])
    ]


def _evaluate(value: Any, parameters: Mapping[str, Any]) -> Any:
    """Evaluate one of the intrinsic functions that rules use; anything else is a plain value.

    Raises:
        ValueError: the function is not known here.
    """
    if not isinstance(value, dict):
        return value
    ((function, argument),) = value.items()
    match function:
        case "Ref":
            return parameters[argument]
        case "Fn::Not":
            return not _evaluate(argument[0], parameters)
        case "Fn::Equals":
            left, right = (_evaluate(each, parameters) for each in argument)
            return left == right
        case "Fn::EachMemberEquals":
            members, wanted = (_evaluate(each, parameters) for each in argument)
            return all(member == wanted for member in members.split(","))
    raise ValueError(f"{function} is not a function of rules that tests evaluate")
