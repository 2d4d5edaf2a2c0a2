"""EventPublisher: publishes changes in the tables' streams as events."""

from __future__ import annotations

from typing import Any

from purser.bootstrap.events import event_publisher
from purser.events.streams import follow


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Publish the events of a batch of changes, and return the first change that must be delivered again."""
    return follow(event, event_publisher().publish)
