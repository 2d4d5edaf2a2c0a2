"""EventPublisher: tells the bus what the streams of the tables say."""

from __future__ import annotations

from typing import Any

from purser.bootstrap.events import event_publisher
from purser.events.streams import follow


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Publishes the events of a batch of changes; answers from which change on they are to come again."""
    return follow(event, event_publisher().publish)
