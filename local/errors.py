"""What goes wrong in the local system itself, each in one sentence for a person."""

from __future__ import annotations


class LocalError(Exception):
    """The root. The text is shown as it is."""


class CannotStart(LocalError):
    """The machine lacks something, or something is in the way."""


class NotRunning(LocalError):
    """A command needs the running system, and it is not there."""
