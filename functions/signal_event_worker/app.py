"""SignalEventWorker: takes the signals that own senders put on the event bus."""

from __future__ import annotations

from typing import Any

from purser.actor import SYSTEM
from purser.batches import work_batch
from purser.bootstrap.adapters import queue
from purser.bootstrap.signals import signals
from purser.clock import now_ms
from purser.signals.model import Source
from purser.signals.schemas.managing import SignalEvent
from purser.signals.service import NewSignal
from purser.work.model import Delivery


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Take each signal, and return which messages failed. One that is malformed goes to the dead letters."""

    def work(message: dict[str, Any], _delivery: Delivery) -> None:
        sent = SignalEvent.model_validate(message)
        new = NewSignal(sent.key, Source.EVENT, sent.detail.order(sent.stamped_at(now_ms())))
        signals().send(SYSTEM, sent.detail.strategyId, new)

    return work_batch(event, context, queue("signal_event_queue_url"), work)
