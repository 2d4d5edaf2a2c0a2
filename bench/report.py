"""Tables for a terminal, and in Markdown between the markers of docs/performance.md."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
WIDTH = 120
"""The longest line of prose in the documents."""


@dataclass(frozen=True)
class Table:
    """Rows under a title. ``notes`` follow them, one on each line."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default=())


def plain(table: Table) -> str:
    """Return the table for a terminal."""
    lines = [table.columns, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.columns))]
    body = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return "\n".join([table.title, "", *body, *table.notes, ""])


def markdown(table: Table) -> str:
    """Return the table in Markdown."""
    rule = ["---", *["--:"] * (len(table.columns) - 1)]
    body = [f"| {' | '.join(line)} |" for line in (table.columns, rule, *table.rows)]
    notes = [line for note in table.notes for line in ("", textwrap.fill(note, WIDTH))]
    return "\n".join([f"### {table.title}", "", *body, *notes])


def write(document: Path, heading: str, tables: Iterable[Table]) -> None:
    """Write the heading and the tables between a document's markers. Replace tables with the same titles.

    Raises:
        ValueError: the document has no markers.
    """
    before, _, rest = document.read_text().partition(BEGIN)
    written, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{document.name} lacks {BEGIN} … {END}")
    _, *kept = re.split(r"^(?=### )", written.strip(), flags=re.MULTILINE)
    by_title = {text.partition("\n")[0]: text.rstrip() for text in (*kept, *map(markdown, tables))}
    measured = "\n\n".join([heading, *by_title.values()])
    document.write_text(f"{before}{BEGIN}\n{measured}\n{END}{after}")


def times(ratio: float) -> str:
    """Format a ratio."""
    return f"{ratio:.2f} ×"


def ms(seconds: float) -> str:
    """Format seconds as ms."""
    return f"{seconds * 1000:.0f} ms"


def mb(size: float) -> str:
    """Format bytes as MB."""
    return f"{size / 1e6:.0f} MB"
