"""Answer models of the audit trail."""

from __future__ import annotations

from pydantic import Field

from purser.audit.model import Action
from purser.http.wire import Instant, WireModel


class AuditEntryAnswer(WireModel):
    """An act: its actor, its target and its request. Purser's own acts have the actor ``system``."""

    id: str
    at: Instant
    actor: str = Field(validation_alias="actor_id")
    action: Action
    target: str
    requestId: str | None = Field(validation_alias="request_id")


class AuditPage(WireModel):
    """Audit entries, newest first. A page may be short, or empty, and still have a ``nextToken``."""

    items: list[AuditEntryAnswer]
    nextToken: str | None
