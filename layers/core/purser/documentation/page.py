"""The API documentation as one HTML page without scripts or external resources, made from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

Json = Mapping[str, Any]

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
DOCUMENT = "docs/openapi.json"
"""The path of the document, relative to the page."""

MOST_CHOICES = 12
SCHEMAS = "#/components/schemas/"
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #888; --link: #36c; }
@media (prefers-color-scheme: dark) { :root { --link: #8bf; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
a { color: var(--link); text-decoration: none; }
code { font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
nav a { margin-right: .8rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; }
summary b { display: inline-block; width: 4.5rem; font: 600 13px ui-monospace, monospace; }
summary span, dt span { color: var(--soft); }
dl { margin: .2rem 0 .2rem .6rem; padding-left: .8rem; border-left: 1px solid var(--line); }
dd { margin: 0 0 .3rem 1rem; }
section:target { outline: 2px solid var(--link); outline-offset: 6px; }
"""


def page(document: Json) -> str:
    """Return the page of an OpenAPI document: its operations by group, then its schemas."""
    info, groups = document["info"], [tag["name"] for tag in document["tags"]]
    links = "".join(f'<a href="#{escape(name)}">{escape(name)}</a> ' for name in groups)
    body = "".join(_group(name, document) for name in groups)
    schemas = "".join(_named(name, schema) for name, schema in document["components"]["schemas"].items())
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>{_prose(info['description'])}"
        f'<p>The same as <a href="{DOCUMENT}">OpenAPI {escape(document["openapi"])}</a>.</p><nav>{links}</nav>'
        f'{body}<h2 id="schemas">Schemas</h2>{schemas}</body></html>'
    )


def _prose(text: str) -> str:
    return "".join(f"<p>{_inline(part)}</p>" for part in text.split("\n\n"))


def _inline(text: str) -> str:
    """Return escaped text, with words in single or double backticks as code."""
    parts = escape(text).replace("``", "`").split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _group(name: str, document: Json) -> str:
    operations = "".join(
        _operation(method, path, operation, document)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if name in operation["tags"]
    )
    return f'<h2 id="{escape(name)}">{escape(name)}</h2>{operations}'


def _operation(method: str, path: str, operation: Json, document: Json) -> str:
    answers = {status: _resolved(each, document) for status, each in operation["responses"].items()}
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><b>{method.upper()}</b><code>{escape(path)}</code> '
        f"<span>{_inline(operation['summary'])}</span></summary>"
        f"{_prose(operation.get('description', ''))}<p>{_who(operation)}</p>"
        f"{_terms('Parameters', map(_parameter, operation['parameters']))}"
        f"{_terms('Body', _content(operation.get('requestBody', {})))}"
        f"{_terms('Answers', (_answer(status, answer) for status, answer in answers.items()))}</details>"
    )


def _resolved(response: Json, document: Json) -> Json:
    name = response.get("$ref", "").rpartition("/")[2]
    found: Json = document["components"]["responses"][name] if name else response
    return found


def _who(operation: Json) -> str:
    ways = [f"{name} {' '.join(scopes)}".strip() for way in operation["security"] for name, scopes in way.items()]
    if not ways:
        return "Open to all."
    role = operation.get("x-required-role")
    needed = " or ".join(f"<code>{escape(way)}</code>" for way in ways)
    return f"Needs {needed}{f' and the role <code>{escape(role)}</code>' if role else ''}."


def _terms(title: str, rows: Iterable[str]) -> str:
    content = "".join(rows)
    return f"<h4>{title}</h4><dl>{content}</dl>" if content else ""


def _parameter(parameter: Json) -> str:
    about = f"<br>{_inline(parameter['description'])}" if "description" in parameter else ""
    return _term(parameter["name"], parameter["required"], f"{_schema(parameter['schema'])}{about}", parameter["in"])


def _term(name: str, required: bool, content: str, *notes: str) -> str:
    note = ", ".join([*notes, *(["required"] if required else [])])
    return f"<dt><code>{escape(name)}</code> <span>{escape(note)}</span></dt><dd>{content}</dd>"


def _content(of: Json) -> Iterator[str]:
    for kind, media in of.get("content", {}).items():
        yield f"<dt><span>{escape(kind)}</span></dt><dd>{_schema(media['schema'])}</dd>"


def _answer(status: str, answer: Json) -> str:
    content = "".join(_schema(media["schema"]) for media in answer.get("content", {}).values())
    return f"<dt><code>{status}</code> {_inline(answer['description'])}</dt><dd>{content}</dd>"


def _named(name: str, schema: Json) -> str:
    about = _prose(schema.get("description", ""))
    return f'<section id="{escape(name)}"><h3>{escape(name)}</h3>{about}{_schema(schema)}</section>'


def _schema(schema: Json) -> str:
    """Describe a schema in words."""
    if "$ref" in schema:
        name = escape(schema["$ref"].removeprefix(SCHEMAS))
        return f'<a href="#{name}">{name}</a>'
    for keyword, word in (("anyOf", " or "), ("allOf", ", with ")):
        if keyword in schema:
            return word.join(map(_schema, schema[keyword]))
    if "enum" in schema:
        return _choices([str(choice) for choice in schema["enum"]])
    if "properties" in schema:
        return _fields(schema)
    words = ", ".join(_rules(schema))
    if "items" in schema:
        words += f" of {_schema(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        words += f" of {_schema(schema['additionalProperties'])} by name"
    return words


def _choices(choices: list[str]) -> str:
    shown = " | ".join(f"<code>{escape(choice)}</code>" for choice in choices[:MOST_CHOICES])
    rest = " ".join(map(escape, choices[MOST_CHOICES:]))
    return shown + (
        f"<details><summary>and {len(choices) - MOST_CHOICES} more</summary>{rest}</details>" if rest else ""
    )


def _fields(schema: Json) -> str:
    required = schema.get("required", [])
    rows = (_term(name, name in required, _schema(field)) for name, field in schema["properties"].items())
    return f"<dl>{''.join(rows)}</dl>"


def _rules(schema: Json) -> Iterator[str]:
    types = schema.get("type", [])
    yield escape(" or ".join(types if isinstance(types, list) else [types]) or "anything")
    for keyword in ("format", "const", "default", "pattern"):
        if keyword in schema:
            yield f"{keyword} <code>{escape(str(schema[keyword]))}</code>"
    for low, high, unit in (("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items")):
        yield from _range(schema.get(low), schema.get(high), unit)
    yield from _range(schema.get("minimum"), schema.get("maximum"), "")
    for keyword, word in (("exclusiveMinimum", "more than"), ("exclusiveMaximum", "less than")):
        if keyword in schema:
            yield f"{word} {schema[keyword]}"


def _range(low: float | None, high: float | None, unit: str) -> Iterator[str]:
    if low is not None and high is not None:
        yield f"{low} to {high}{unit}"
    elif low is not None:
        yield f"at least {low}{unit}"
    elif high is not None:
        yield f"at most {high}{unit}"
