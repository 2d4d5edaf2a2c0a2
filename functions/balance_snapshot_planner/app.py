"""BalanceSnapshotPlanner: plans the balance snapshots of a day, on schedule or for an operator."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator

from purser.bootstrap.snapshots import snapshot_planner


class Detail(BaseModel):
    """The choice of an operator: a day that was missed."""

    date: dt.date | None = None


def _opened(detail: Any) -> Any:
    # In the scheduler's default event, the detail is a string.
    return json.loads(detail or "{}") if isinstance(detail, str) else detail or {}


def _in_utc(time: dt.datetime) -> dt.datetime:
    return time.astimezone(dt.UTC) if time.tzinfo else time.replace(tzinfo=dt.UTC)


class Trigger(BaseModel):
    """The event. ``time`` is when the run was due, the same for each retry. Without it, the run is due now."""

    time: Annotated[dt.datetime, AfterValidator(_in_utc)] | None = None
    detail: Annotated[Detail, BeforeValidator(_opened)] = Detail()

    @property
    def day(self) -> dt.date | None:
        """The UTC day of the run."""
        return self.detail.date or (self.time and self.time.date())

    @property
    def due_at(self) -> int | None:
        """The time at which the run was due, in Unix milliseconds."""
        return int(self.time.timestamp() * 1000) if self.time else None


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Plan a run, and return its id, its day and the number of its trading accounts."""
    trigger = Trigger.model_validate(event)
    run = snapshot_planner().plan(trigger.day, trigger.due_at)
    return {"runId": run.id, "date": run.date, "planned": run.planned}
