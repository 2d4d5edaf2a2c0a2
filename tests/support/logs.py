"""The logs of functions, as CloudWatch receives them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aws_lambda_powertools import Logger


class Logs(io.StringIO):
    """Log lines as they are written."""

    @property
    def text(self) -> str:
        """Return all lines as one text."""
        return self.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Return each line as JSON."""
        return [json.loads(line) for line in self.getvalue().splitlines()]


@contextmanager
def logs() -> Iterator[Logs]:
    """Collect the log lines of the block. pytest cannot, because the logger keeps its first stdout."""
    handler: Any = Logger().registered_handler
    written = Logs()
    before = handler.setStream(written)
    try:
        yield written
    finally:
        handler.setStream(before)
