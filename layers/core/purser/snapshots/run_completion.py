"""Completion of runs."""

from __future__ import annotations

from purser.snapshots.ports import RunStore, Telemetry


def close_if_complete(runs: RunStore, telemetry: Telemetry, run_id: str, now: int) -> None:
    """Close and report a run whose trading accounts are all accounted for. Only one caller ever does."""
    if run := runs.close(run_id, now):
        telemetry.finished(run)
