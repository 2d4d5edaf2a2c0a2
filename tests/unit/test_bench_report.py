"""Writing measurements into the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.report import BEGIN, END, Table, write


def table(title: str, value: str) -> Table:
    return Table(title, ("what", "how much"), [["it", value]], ["A note."])


def test_tables_replace_tables_with_the_same_title(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"Before.\n{BEGIN}\n{END}\n## After\n")
    write(document, "Here.", [table("One", "1"), table("Two", "2")])
    write(document, "There.", [table("Two", "22"), table("Three", "3")])
    whole = tmp_path / "whole.md"
    whole.write_text(f"Before.\n{BEGIN}\n{END}\n## After\n")
    write(whole, "There.", [table("One", "1"), table("Two", "22"), table("Three", "3")])
    assert document.read_text() == whole.read_text()
    assert "| it | 22 |\n\nA note.\n\n### Three" in document.read_text()


def test_a_document_without_markers_is_not_changed(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("Nothing.\n")
    with pytest.raises(ValueError, match="lacks"):
        write(document, "Here.", [table("One", "1")])
    assert document.read_text() == "Nothing.\n"
