"""Log lines about events, which have the position of a change but none of its content."""

from __future__ import annotations

from aws_lambda_powertools import Logger

from purser.events.model import Change


class PowertoolsEventTelemetry:
    """The telemetry port on the logs of a function."""

    def __init__(self) -> None:
        self._logger = Logger()

    def unreadable(self, change: Change, error: Exception) -> None:
        """Log an unreadable change, without the error's text, which may contain a value."""
        where = {"streamRecord": change.id, "sequence": change.sequence, "error": type(error).__name__}
        self._logger.error("unreadable change; no event after it is published", extra=where)

    def delayed(self, count: int) -> None:
        self._logger.warning("events could not be published", extra={"events": count})
