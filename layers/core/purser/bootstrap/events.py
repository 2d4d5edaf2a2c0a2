"""Events that are published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.events.service import Publisher


@kept
def event_publisher() -> Publisher:
    """Publishing events."""
    from purser.aws.events import EventBus
    from purser.events.bus import EventBridge
    from purser.events.service import Publisher
    from purser.events.telemetry import PowertoolsEventTelemetry

    return Publisher(EventBridge(EventBus(settings().require("event_bus_name"))), PowertoolsEventTelemetry())
