"""Profiles and their rules."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from purser.text import JOINERS

BETWEEN = frozenset("-\u2010\u2011'’")
"""The hyphens and apostrophes of names."""

LETTERS_MARKS_SPACES = frozenset({"Ll", "Lm", "Lo", "Lt", "Lu", "Mc", "Me", "Mn", "Zs"})


class Language(StrEnum):
    """A language of Purser's user interface."""

    EN = "EN"
    AR = "AR"


@dataclass(frozen=True, slots=True)
class Profile:
    """The details that a user has entered, or None. ``country`` is ISO 3166-1 alpha-2; times are Unix milliseconds."""

    last_name: str | None
    first_name: str | None
    country: str | None
    language: Language | None
    timezone: str | None
    created_at: int
    updated_at: int


Change = Mapping[str, str | None]
"""Fields of a profile by name, with their new values. None empties a field."""


def is_name(text: str) -> bool:
    """Return whether a text is only letters of any script with their marks, spaces, hyphens and apostrophes."""
    return any(map(str.isalpha, text)) and all(
        character in BETWEEN or character in JOINERS or unicodedata.category(character) in LETTERS_MARKS_SPACES
        for character in text
    )
