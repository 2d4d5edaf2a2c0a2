"""The small pages of the local system and its doubles: one style, no scripts."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1rem; color: #1a1f36 }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { text-align: left; vertical-align: top; padding: .3rem 1.5rem .3rem 0; border-bottom: 1px solid #e3e8ee }
th { color: #697386; font-weight: 600 } td:first-child { white-space: nowrap }
code { font-size: .9em; overflow-wrap: anywhere } a { color: #0a5bd8 } .note { color: #697386; font-size: .85rem }
"""
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}

CODE = re.compile(r"`+([^`]+)`+")


def page(title: str, content: str, style: str = STYLE) -> str:
    """Return a whole page. Title and content are HTML."""
    return f"""<!doctype html>
<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>{title}</title><style>{style}</style>
<h1>{title}</h1>
{content}
</html>
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. The cells are HTML."""
    lines = ["".join(f"<th>{cell}</th>" for cell in head)]
    lines += ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def link(url: str) -> str:
    """Return a link that shows its own address."""
    return f'<a href="{escape(url)}">{escape(url)}</a>'


def described(calls: Mapping[tuple[str, str], Callable[..., Any]]) -> dict[str, str]:
    """Return what each call of a control API does, by ``METHOD /path``: the docstring of its handler, on one line."""
    return {f"{method} {path}": " ".join((inspect.getdoc(calls[method, path]) or "").split()) for method, path in calls}


def control_table(calls: Mapping[tuple[str, str], Callable[..., Any]]) -> str:
    """Return the table of a control API."""
    rows = ((f"<code>{escape(call)}</code>", _with_code(text)) for call, text in described(calls).items())
    return table(("Call", "What it does"), rows)


def _with_code(text: str) -> str:
    return CODE.sub(r"<code>\1</code>", escape(text, quote=False))
