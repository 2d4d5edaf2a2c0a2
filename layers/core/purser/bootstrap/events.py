"""The publishing of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.events.model import Readings
    from purser.events.service import Publisher


@kept
def event_publisher() -> Publisher:
    """The publisher of events."""
    from purser.events.bus import EventBridge
    from purser.events.service import Publisher
    from purser.events.telemetry import PowertoolsEventTelemetry

    bus = EventBridge(settings().require("event_bus_name"))
    return Publisher(bus, PowertoolsEventTelemetry(), readings())


@kept
def readings() -> Readings:
    """The functions that read items, by the prefixes of their keys."""
    from purser.credentials import events as credentials
    from purser.customers import events as customers
    from purser.ledger import events as ledger
    from purser.signals import events as signals
    from purser.trading_accounts import events as trading_accounts

    return {
        ("USER", "KEY"): trading_accounts.changed,
        ("USER", "CREDENTIAL"): credentials.changed,
        ("WALLET", "WALLET"): ledger.wallet_changed,
        ("TRANSACTION", "TRANSACTION"): ledger.transaction_changed,
        ("CUSTOMER", "CUSTOMER"): customers.changed,
        ("STRATEGY", "SIGNAL"): signals.signal_changed,
        ("STRATEGY", "STATE"): signals.state_changed,
        ("TRADING", "MODE"): signals.trading_changed,
    }
