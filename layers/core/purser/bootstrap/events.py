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
    """How to read items, by the prefixes of their keys."""
    from purser.credentials import events as credentials
    from purser.credentials.store.items import stored_of
    from purser.customers import events as customers
    from purser.customers.store import customer_of
    from purser.events.model import reading
    from purser.ledger.events import transaction_changed, wallet_changed
    from purser.ledger.store.items import recorded_of, wallet_of
    from purser.trading_accounts import events as trading_accounts
    from purser.trading_accounts.store.items import account_of

    return {
        ("USER", "KEY"): reading(account_of, trading_accounts.changed),
        ("USER", "CREDENTIAL"): reading(stored_of, credentials.changed),
        ("WALLET", "WALLET"): reading(wallet_of, wallet_changed),
        ("TRANSACTION", "TRANSACTION"): reading(lambda item: recorded_of(item).transaction, transaction_changed),
        ("CUSTOMER", "CUSTOMER"): reading(customer_of, customers.changed),
    }
