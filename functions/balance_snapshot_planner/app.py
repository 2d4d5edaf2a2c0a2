"""BalanceSnapshotPlanner: plans the balance snapshots of a day, when its schedule or an operator says so."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator

from purser.bootstrap.snapshots import snapshot_planner


class Detail(BaseModel):
    """What an operator may ask for: a missed day."""

    date: dt.date | None = None


def _opened(detail: Any) -> Any:
    # A schedule's default event carries its detail as text.
    return json.loads(detail or "{}") if isinstance(detail, str) else detail or {}


class Trigger(BaseModel):
    """The event. ``time`` is when the run was due; without it, and without a date, the day is today."""

    time: dt.datetime | None = None
    detail: Annotated[Detail, BeforeValidator(_opened)] = Detail()

    @property
    def day(self) -> dt.date | None:
        """The UTC day asked for."""
        if self.detail.date or self.time is None:
            return self.detail.date
        aware = self.time if self.time.tzinfo else self.time.replace(tzinfo=dt.UTC)
        return aware.astimezone(dt.UTC).date()


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Plans a run. Answers its id, its day and how many trading accounts it has."""
    run = snapshot_planner().plan(Trigger.model_validate(event).day)
    return {"runId": run.id, "date": run.date, "planned": run.planned}
