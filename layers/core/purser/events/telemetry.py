"""What operators see of events: log lines. None has anything of a change but where it is."""

from __future__ import annotations

from aws_lambda_powertools import Logger

from purser.events.model import Change


class PowertoolsEventTelemetry:
    """The telemetry port, written to the logs and metrics of a function."""

    def __init__(self) -> None:
        self._logger = Logger()

    def unreadable(self, change: Change, error: Exception) -> None:
        """Without the error's text: it may repeat a value."""
        where = {"streamRecord": change.id, "sequence": change.sequence, "error": type(error).__name__}
        self._logger.error("a change cannot be read: no event after it is published", extra=where)

    def delayed(self, count: int) -> None:
        """They come again with the next invocation."""
        self._logger.warning("events could not be published", extra={"events": count})
