"""BalanceSnapshotPlanner: plans the balance snapshots of a day, on schedule or for an operator."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator

from purser.bootstrap.snapshots import snapshot_planner


class Detail(BaseModel):
    """The choice of an operator: a day that was missed."""

    date: dt.date | None = None


def _opened(detail: Any) -> Any:
    # In the scheduler's default event, the detail is a string.
    return json.loads(detail or "{}") if isinstance(detail, str) else detail or {}


class Trigger(BaseModel):
    """The event. ``time`` is when the run was due. Without it, and without a date, the run is for today."""

    time: dt.datetime | None = None
    detail: Annotated[Detail, BeforeValidator(_opened)] = Detail()

    @property
    def day(self) -> dt.date | None:
        """The UTC day of the run."""
        if self.detail.date or self.time is None:
            return self.detail.date
        aware = self.time if self.time.tzinfo else self.time.replace(tzinfo=dt.UTC)
        return aware.astimezone(dt.UTC).date()


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Plan a run, and return its id, its day and the number of its trading accounts."""
    run = snapshot_planner().plan(Trigger.model_validate(event).day)
    return {"runId": run.id, "date": run.date, "planned": run.planned}
