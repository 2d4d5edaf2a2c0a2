"""Links, line lengths and the form of decisions in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.template import ROOT

DECISIONS = ROOT / "docs/decisions"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
AREAS = sorted(path for path in DECISIONS.glob("*.md") if path.name != "README.md")
ENTRIES = [
    (path.stem, entry) for path in AREAS for entry in re.split(r"^## ", path.read_text(), flags=re.MULTILINE)[1:]
]
FORM = re.compile(
    r"^\n\*\d{4}-\d\d-\d\d(, revised \d{4}-\d\d-\d\d)?\*\n\n"
    r"\*\*Context\.\*\* .+\n\*\*Decision\.\*\*\s.+\n\*\*Consequence\.\*\* .+",
    re.DOTALL,
)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_point_to_existing_files_and_headings(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_prose_fits_into_120_columns(document: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in prose.splitlines() if len(line) > 120 and not line.startswith("|")] == []


def test_the_index_lists_every_area_of_decisions() -> None:
    listed = re.findall(r"^\| \[.+\]\((.+)\.md\)", (DECISIONS / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == [path.stem for path in AREAS]


@pytest.mark.parametrize(("area", "entry"), ENTRIES, ids=[entry.partition("\n")[0] for _, entry in ENTRIES])
def test_a_decision_has_a_date_and_its_parts(area: str, entry: str) -> None:
    title, _, body = entry.partition("\n")
    assert FORM.match(body), f"{area}: {title}"
