"""The outcome of a signal, as its sender sees it."""

from __future__ import annotations

from pydantic import Field

from purser.http.wire import UNKNOWN, WireModel
from purser.signals.model import Reason, Status


class ReceivedAnswer(WireModel):
    """The outcome of a signal. ``duplicateOf`` is the first signal that is the same."""

    signalId: str = Field(validation_alias="id")
    status: Status
    reason: Reason | None
    detail: str | None = UNKNOWN
    duplicateOf: str | None = Field(
        default=None, validation_alias="duplicate_of", exclude_if=lambda value: value is None
    )
