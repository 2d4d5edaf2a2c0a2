"""The one rule for names and free text, on every surface.

Text is stored in Unicode's composed form (NFC) without white space at its ends. So it is found, and recognized as a
repeat, whichever way a keyboard or an operating system writes it.
"""

from __future__ import annotations

import unicodedata

JOINERS = frozenset("\u200c\u200d")
"""Zero-width non-joiner and joiner, which Persian, Indic and other names are written with."""

REFUSED = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Control, format (such as bidi overrides), unassigned, private-use and surrogate characters, and line separators."""


def normalized(text: str) -> str:
    """Return a text as it is stored."""
    return unicodedata.normalize("NFC", text).strip()


def is_plain(text: str) -> bool:
    """Return whether a text has only letters, marks, digits, punctuation, symbols, spaces and joiners."""
    # Most text is plain ASCII, which this tells without a look-up for each character.
    return text.isprintable() or all(
        character in JOINERS or unicodedata.category(character) not in REFUSED for character in text
    )


def is_visible(text: str) -> bool:
    """Return whether a text shows anything, or is empty."""
    return not text or any(unicodedata.category(character)[0] not in "CMZ" for character in text)


def folded(text: str) -> str:
    """Return a text in the form in which it is compared regardless of case."""
    return unicodedata.normalize("NFC", normalized(text).casefold())
