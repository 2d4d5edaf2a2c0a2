"""Merge the descriptions of the functions into one document."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge

from purser import __version__
from scripts.openapi.description import described

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions"
DOCUMENT = FUNCTIONS / "documentation" / "openapi.json"
PREFIX = "#/components/schemas/"
TITLE = "Purser"
DESCRIPTION = """\
The back end of a crypto-trading product: exchange keys, balances and trading (`/v1`), a desk with a ledger \
(`/api/v3`), and customers (`/accounts`).

Amounts are decimals: `/v1` writes JSON numbers with every digit, `/api/v3` decimal strings; both take either. Times \
are UTC. Every answer carries `x-request-id`. A POST with an `Idempotency-Key` can be sent again without doing \
anything twice."""

Json = dict[str, Any]


def text() -> str:
    """Return the document as it is kept in git."""
    return json.dumps(merged(), indent=1, ensure_ascii=False) + "\n"


def merged() -> Json:
    """Return the document of all functions.

    Raises:
        OpenAPIMergeError: two functions have the same route.
    """
    documents = {group: described(app, group) for group, app in apps()}
    merge = OpenAPIMerge(
        title=TITLE,
        version=__version__,
        openapi_version="3.1.0",
        description=DESCRIPTION,
        tags=list(documents),
        on_conflict="error",
    )
    for document in _with_names_apart(documents):
        merge.add_schema(document)
    document = merge.get_openapi_schema()
    document["paths"] = dict(sorted(document["paths"].items()))
    document["components"]["schemas"] = dict(sorted(document["components"]["schemas"].items()))
    return document


def apps() -> Iterator[tuple[str, Any]]:
    """Yield the name of each endpoint group with its Powertools app."""
    for path in sorted(FUNCTIONS.glob("*/app.py")):
        app = getattr(_module(path), "app", None)
        if app is not None:
            yield path.parent.name.title().replace("_", ""), app


def _module(path: Path) -> Any:
    name = f"described_{path.parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    # Pydantic looks up the names in a model's annotations in the model's module.
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _with_names_apart(documents: dict[str, Json]) -> Iterator[Json]:
    """Yield the documents; a schema that differs between groups gets its group's name as a prefix.

    A renamed schema makes those that refer to it differ as well, so this repeats until nothing differs.
    """
    apart: set[str] = set()
    while True:
        renamed = [_renamed(document, apart, group) for group, document in documents.items()]
        texts = defaultdict(set)
        for document in renamed:
            for name, schema in document["components"]["schemas"].items():
                texts[name].add(json.dumps(schema, sort_keys=True))
        more = {name for name, schemas in texts.items() if len(schemas) > 1}
        if not more:
            yield from renamed
            return
        apart |= more


def _renamed(value: Any, names: set[str], group: str) -> Any:
    if isinstance(value, list):
        return [_renamed(each, names, group) for each in value]
    if isinstance(value, str) and value.removeprefix(PREFIX) in names and value.startswith(PREFIX):
        return PREFIX + group + value.removeprefix(PREFIX)
    if not isinstance(value, dict):
        return value
    renamed = {key: _renamed(each, names, group) for key, each in value.items()}
    if isinstance(renamed.get("schemas"), dict):
        renamed["schemas"] = {(group + key if key in names else key): each for key, each in renamed["schemas"].items()}
    return renamed
