"""The parts that the clients of the control APIs share."""

from __future__ import annotations


class ControlRefused(Exception):
    """The control API answered 4xx. ``field`` is the one at fault."""

    def __init__(self, status: int, field: str, message: str):
        self.status, self.field = status, field
        super().__init__(f"{status} {field}: {message}")
