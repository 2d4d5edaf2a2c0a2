"""Merging the API descriptions of all functions into one document."""

from __future__ import annotations

from typing import Any

import pytest
from aws_lambda_powertools.event_handler.openapi.exceptions import OpenAPIMergeError
from pydantic import BaseModel

from purser.http.customer import customer_app
from purser.http.wire import WireModel
from scripts.openapi import merge as merging
from scripts.openapi.description import described


def of_group(path: str, answer: type[BaseModel]) -> Any:
    app = customer_app()

    def read() -> Any:
        """Reads."""

    read.__annotations__["return"] = answer
    app.get(path)(read)
    return app


def model(name: str, **fields: Any) -> type[BaseModel]:
    return type(name, (WireModel,), {"__annotations__": fields, "__module__": __name__})


def merged(monkeypatch: pytest.MonkeyPatch, **apps: Any) -> dict[str, Any]:
    monkeypatch.setattr(merging, "apps", lambda: iter(apps.items()))
    return merging.merged()


def answered_with(document: dict[str, Any], path: str) -> str:
    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    return str(schema["$ref"].rpartition("/")[2])


def test_different_models_of_one_name_are_prefixed_with_their_function(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = model("Thing", a=str), model("Thing", a=int)
    document = merged(monkeypatch, First=of_group("/v1/pub/a", first), Second=of_group("/v1/pub/b", second))
    assert answered_with(document, "/v1/pub/a") == "FirstThing"
    assert answered_with(document, "/v1/pub/b") == "SecondThing"
    schemas = document["components"]["schemas"]
    assert schemas["FirstThing"]["properties"]["a"] == {"type": "string"}
    assert schemas["SecondThing"]["properties"]["a"] == {"type": "integer"}


def test_models_that_refer_to_different_models_are_prefixed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [model("List", items=list[model("Thing", a=kind)]) for kind in (str, int)]  # type: ignore[misc]
    document = merged(monkeypatch, First=of_group("/v1/pub/a", lists[0]), Second=of_group("/v1/pub/b", lists[1]))
    schemas = document["components"]["schemas"]
    assert schemas["FirstList"]["properties"]["items"]["items"] == {"$ref": "#/components/schemas/FirstThing"}
    assert schemas["SecondList"]["properties"]["items"]["items"] == {"$ref": "#/components/schemas/SecondThing"}


def test_identical_models_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    things = [model("Thing", a=str) for _ in range(2)]
    document = merged(monkeypatch, First=of_group("/v1/pub/a", things[0]), Second=of_group("/v1/pub/b", things[1]))
    assert answered_with(document, "/v1/pub/a") == answered_with(document, "/v1/pub/b") == "Thing"


def test_two_functions_with_the_same_route_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    apps = {name: of_group("/v1/pub/a", model("Thing", a=str)) for name in ("First", "Second")}
    with pytest.raises(OpenAPIMergeError):
        merged(monkeypatch, **apps)


def test_a_model_with_the_name_of_a_shared_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="FieldErrors"):
        described(of_group("/v1/pub/a", model("FieldErrors", a=str)), "First")
