"""Stored data that contradicts itself: an item copied under another key, or a secret that its context does not decrypt.

An item's identity is what its key says. Attributes repeat it for indexes, events and readers of the table.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger(__name__)

ALARMING = "stored data was refused"
"""The message of the log line. The metric filter of ``StoredDataRefusedAlarm`` looks for it."""


class IntegrityError(Exception):
    """Stored data contradicts itself. No caller sees it, and an alarm rings."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        logger.error(ALARMING, extra={"reason": reason})


def identity(item: Mapping[str, Any], key: str, attribute: str) -> str:
    """Return the id in an item's ``key`` (``PK`` or ``SK``), which the attribute repeats.

    Raises:
        IntegrityError: the attribute says otherwise.
    """
    kind, _, found = item[key].partition("#")
    if item.get(attribute, found) != found:
        raise IntegrityError(f"{attribute} of an item {kind} differs from its {key}")
    return str(found)
