"""Test that every text field of a request has a rule for its characters."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Annotated, Any, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, StringConstraints

import purser
from purser.customers.schemas.fields import _Pattern
from purser.http.desk import Envelope
from purser.http.wire import FREE_TEXT, WireModel

EXCEPT = {
    "Fingerprint.digest",
    # Compared with the ids of plans.
    "CheckoutBody.subscriptionId",
    "SubscriptionChangeBody.subscriptionId",
    # What Telegram sends is read as a command and never stored.
    "Chat.type",
    "Message.text",
    # Checked as a whole: tests/integration/test_customer.py.
    "AccountChange.metadata",
    "NewAccount.metadata",
}


def request_models() -> Iterator[type[BaseModel]]:
    for module in pkgutil.walk_packages(purser.__path__, "purser."):
        if ".schemas" not in module.name:
            continue
        for name, found in inspect.getmembers(import_module(module.name), inspect.isclass):
            is_own = found.__module__ == module.name and not name.endswith("Answer")
            if is_own and issubclass(found, BaseModel) and not issubclass(found, WireModel | Envelope):
                yield found


def texts(annotation: Any, rules: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the rules of each plain text in an annotation."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        yield from texts(inner, (*rules, *more))
    elif annotation is str:
        yield rules
    else:
        for part in get_args(annotation):
            yield from texts(part)


def has_a_rule(rule: Any) -> bool:
    if isinstance(rule, StringConstraints):
        return rule.pattern is not None
    return rule is FREE_TEXT or isinstance(rule, AfterValidator | BeforeValidator | _Pattern)


def test_a_text_is_free_text_or_has_a_rule_of_its_own() -> None:
    fields = [
        (f"{model.__name__}.{name}", field) for model in request_models() for name, field in model.model_fields.items()
    ]
    assert len(fields) > 200
    without = {
        name
        for name, field in fields
        for rules in texts(field.annotation, tuple(field.metadata))
        if not any(map(has_a_rule, rules))
    }
    assert without - EXCEPT == set()
