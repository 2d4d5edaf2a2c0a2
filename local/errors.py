"""The errors of the local system itself. The text of each is one sentence for a person."""

from __future__ import annotations


class LocalError(Exception):
    """The base class. Its text is shown as it is."""


class CannotStart(LocalError):
    """The machine lacks something, or a resource is in use."""


class NotRunning(LocalError):
    """The command needs the running system, which is not running."""
