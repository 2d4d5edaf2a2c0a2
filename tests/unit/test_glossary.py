"""The form of the glossary, and that identifiers avoid the words it replaces."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests.support.template import ROOT

GLOSSARY = (ROOT / "docs/glossary.md").read_text()
CODE = sorted([*(ROOT / "layers/core/purser").rglob("*.py"), *(ROOT / "functions").glob("*/app.py")])

FORMER = {
    "archived": "disconnected",
    "condemned": "marked for cancellation",
    "fault": "field error, unless a test injects it",
    "faults": "field errors",
    "held": "stored, leased, cooldown, closing until, balance or position",
    "holding": "balance",
    "holdings": "balances or plan usage",
    "journal": "telemetry",
    "revision": "version",
    "slot": "order lock",
    "tie": "link",
    "ties": "links",
    "turn": "permit",
    "turns": "rate gate",
    # Not in the glossary: words of grammar, which do not describe the value of a variable.
    "here": "a noun",
    "made": "a noun",
    "mine": "a noun",
    "said": "a noun",
    "theirs": "a noun",
    "there": "a noun",
    "told": "a noun",
}
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def former_words(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, identifier and advice for each identifier that contains a former word."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            for word in WORD.findall(token.string):
                if word.lower() in FORMER:
                    yield token.start[0], token.string, f"use {FORMER[word.lower()]}"


def test_the_terms_are_in_alphabetical_order_and_each_is_explained_once() -> None:
    terms = re.findall(r"^\| \*\*(.+?)\*\* \|", GLOSSARY, re.MULTILINE)
    assert terms == sorted(set(terms))


def test_every_term_is_explained_in_one_sentence() -> None:
    for meaning in re.findall(r"^\| \*\*.+?\*\* \| (.+?) \|", GLOSSARY, re.MULTILINE):
        assert meaning.endswith("."), meaning
        assert ". " not in meaning, meaning


def test_identifiers_avoid_former_words() -> None:
    assert len(CODE) > 300
    assert [(path, *found) for path in CODE for found in former_words(path.read_text())] == []


@pytest.mark.parametrize("source", ["told = 1", "class Ties: pass", "HELD_UNTIL = 1", "f(is_slot=1)", "a.key_made"])
def test_a_former_word_is_found_in_any_part_of_an_identifier(source: str) -> None:
    assert [line for line, *_ in former_words(source)] == [1]


@pytest.mark.parametrize("source", ["x = 'told'", "# told", "shoulder = planes = attributes = 1", "f(slots=True)"])
def test_text_and_parts_of_words_are_not_searched_for_former_words(source: str) -> None:
    assert list(former_words(source)) == []
