"""What functions log, as CloudWatch would see it."""

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
        """All of them."""
        return self.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Each as JSON."""
        return [json.loads(line) for line in self.getvalue().splitlines()]


@contextmanager
def logs() -> Iterator[Logs]:
    """Collects what is logged meanwhile: the logger keeps the stdout that it found first, so pytest can't."""
    handler: Any = Logger().registered_handler
    written = Logs()
    before = handler.setStream(written)
    try:
        yield written
    finally:
        handler.setStream(before)
