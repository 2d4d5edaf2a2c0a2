"""Events of signals, and of the modes that stop trading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from purser.signals.model import Mode, Status

TYPES = ("signal.accepted", "signal.rejected", "strategy_mode.changed", "trading_mode.changed")

Image = Mapping[str, Any]
Found = Iterator[tuple[str, dict[str, Any]]]


def signal_changed(before: Image | None, after: Image | None) -> Found:
    """Yield the event of a signal that was stored, or refused after it was accepted."""
    if after is None or (before is not None and before["status"] == after["status"]):
        return
    status = Status(after["status"])
    optional = {"action": "action", "direction": "side", "reason": "reason", "duplicateOf": "duplicateOf"}
    data = {
        "signalId": after["SK"].partition("#")[2],
        "strategyId": after["PK"].partition("#")[2],
        "source": after["source"],
        "status": status.value,
        "closes": after["closes"],
        "stampedAt": int(after["stampedAt"]),
        "receivedAt": int(after["receivedAt"]),
        **{name: after[attribute] for attribute, name in optional.items() if attribute in after},
    }
    yield "signal.accepted" if status is Status.ACCEPTED else "signal.rejected", data


def state_changed(before: Image | None, after: Image | None) -> Found:
    """Yield the event of a strategy whose mode has changed. Its trade has no events of its own."""
    if after is not None and _mode(before) != _mode(after):
        strategy_id = after["PK"].partition("#")[2]
        data = {"strategyId": strategy_id, "mode": _mode(after), "changedAt": int(after["modeSetAt"])}
        yield "strategy_mode.changed", data


def trading_changed(before: Image | None, after: Image | None) -> Found:
    """Yield the event of all trading whose mode has changed."""
    if after is not None and _mode(before) != _mode(after):
        yield "trading_mode.changed", {"mode": _mode(after), "changedAt": int(after["modeSetAt"])}


def _mode(image: Image | None) -> str:
    return image.get("mode", Mode.ACTIVE.value) if image else Mode.ACTIVE.value
