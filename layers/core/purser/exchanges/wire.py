"""Strict reading of the venue's JSON. Every function raises ``TypeError`` or ``ValueError`` for anything unexpected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from purser.exchanges.oddities import count_odd

T = TypeVar("T")


def rows(answer: Any) -> list[Any]:
    """Return a list."""
    if not isinstance(answer, list):
        raise TypeError("not a list")
    return answer


def each_row(parse: Callable[[Any], T | None], answer: Any) -> list[T]:
    """Return what ``parse`` makes of each row, without those for which it returns None or that it cannot read.

    An unreadable row is counted in a metric. It raises only if no row at all can be read: that is no answer.
    """
    parsed, unread = [], Counter[str]()
    for row in rows(answer):
        try:
            parsed.append(parse(row))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            unread[type(error).__name__] += 1
    if unread:
        count_odd("ExchangeRowsUnread", str(dict(unread)), unread.total())
        if not parsed:
            raise ValueError("no row can be read")
    return [each for each in parsed if each is not None]


def flag(value: Any) -> bool:
    """Return a boolean."""
    if not isinstance(value, bool):
        raise TypeError("not a boolean")
    return value


def text(value: Any) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def amount_of(value: Any) -> Decimal:
    """Return the exact amount in a text."""
    return finite(Decimal(text(value)))


def finite(amount: Decimal | None) -> Decimal:
    """Return a finite amount, which must not be missing."""
    if amount is None or not amount.is_finite():
        raise ValueError("not an amount")
    return amount


def confirm(answer: Any) -> None:
    """Check that an answer confirms a request."""
    if not isinstance(answer, list | dict):
        raise TypeError("not a confirmation")


def total_of_all_assets(account: Any, figure: str) -> Decimal | None:
    """Return a total of a futures account in USD, or None if its assets are not margin together or it has no totals.

    ``figure`` is such as ``MarginBalance``. In single-asset mode the venue's totals are those of USDT alone.

    Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api/Account-Information-V3.
    """
    if f"total{figure}" not in account:
        return None
    total = amount_of(account[f"total{figure}"])
    own = f"{figure[0].lower()}{figure[1:]}"
    usdt = next((amount_of(row[own]) for row in rows(account["assets"]) if row["asset"] == "USDT"), None)
    return None if total == usdt else total
