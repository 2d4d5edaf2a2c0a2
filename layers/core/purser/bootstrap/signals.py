"""Signals, their secrets, and the modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import queue, recording, table
from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.signals.service import Modes, Secrets, Signals


@kept
def signals() -> Signals:
    """The use cases of signals."""
    from purser.signals.service import Signals
    from purser.signals.store import DynamoSignalStore

    store = DynamoSignalStore(table("strategies_table"), recording)
    return Signals(store, queue("signal_queue_url"), now_ms, _deployment_key)


def prepare_to_receive() -> None:
    """Build what the first signal of a process needs, the clients of AWS included."""
    from purser.aws.clients import client

    signals()
    for service in ("dynamodb", "sqs"):
        client(service)


@kept
def signal_secrets() -> Secrets:
    """The use case of secrets."""
    from purser.signals.service import Secrets
    from purser.signals.store import DynamoSecretStore

    return Secrets(DynamoSecretStore(table("strategies_table"), recording), now_ms, _deployment_key)


@kept
def modes() -> Modes:
    """The use cases of modes."""
    from purser.signals.service import Modes
    from purser.signals.store import DynamoModeStore

    return Modes(DynamoModeStore(table("strategies_table"), recording), now_ms)


def _deployment_key() -> str:
    return settings().require("signal_signing_key")
