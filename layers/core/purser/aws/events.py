"""EventBridge buses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from purser.aws.clients import client, translated
from purser.retrying import backoff

TRIES = 4


class EventBus:
    """One bus."""

    def __init__(self, name: str) -> None:
        self._name = name

    def put(self, entries: Sequence[Mapping[str, Any]]) -> list[int]:
        """Sends at most ten events. EventBridge may take some of them only: the others are sent a few times more.

        Returns:
            The positions of those that were never taken.

        Raises:
            purser.errors.Unavailable: EventBridge is down or throttles; some may have been taken.
        """
        left = list(range(len(entries)))
        for attempt in range(TRIES):
            if attempt:
                backoff(attempt)
            left = self._put([entries[i] for i in left], left)
            if not left:
                break
        return left

    def _put(self, entries: Sequence[Mapping[str, Any]], positions: Sequence[int]) -> list[int]:
        request = [{**entry, "EventBusName": self._name} for entry in entries]
        with translated():
            answer = client("events").put_events(Entries=request)
        results = zip(positions, answer["Entries"], strict=True)
        return [position for position, result in results if "ErrorCode" in result]
