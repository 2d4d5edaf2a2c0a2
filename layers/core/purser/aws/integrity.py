"""Stored data that contradicts itself: an item copied under another key, or a secret that its context does not decrypt.

An item's identity is what its key says. Attributes repeat it for indexes, events and readers of the table.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from purser.errors import StoredDataRefused

logger = logging.getLogger(__name__)

ALARMING = "stored data was refused"
"""The message of the log line. The metric filter of ``StoredDataRefusedAlarm`` looks for it."""


def stored_data_refused(reason: str) -> StoredDataRefused:
    """Return the error for stored data that is refused for this reason, and log it for the alarm."""
    logger.error(ALARMING, extra={"reason": reason})
    return StoredDataRefused()


def identity(item: Mapping[str, Any], key: str, attribute: str) -> str:
    """Return the id in an item's ``key`` (``PK`` or ``SK``), which the attribute repeats.

    Raises:
        StoredDataRefused: the attribute says otherwise.
    """
    kind, _, found = item[key].partition("#")
    if item.get(attribute, found) != found:
        raise stored_data_refused(f"{attribute} of an item {kind} differs from its {key}")
    return str(found)
