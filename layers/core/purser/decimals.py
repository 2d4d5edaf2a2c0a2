"""Decimals as text."""

from __future__ import annotations

from decimal import Decimal


def plain(number: Decimal) -> str:
    """Return a number in plain notation, without an exponent or trailing zeros: ``1E+2`` → ``100``."""
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) if number else "0"
