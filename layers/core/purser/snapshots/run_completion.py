"""Complete a run: close it and report it once all its trading accounts are accounted for."""

from __future__ import annotations

from purser.snapshots.ports import RunStore, Telemetry


def close_if_complete(runs: RunStore, telemetry: Telemetry, run_id: str, now: int) -> None:
    """Reports a run once all its trading accounts are accounted for; only one caller ever does."""
    if run := runs.close(run_id, now):
        telemetry.finished(run)
