"""One example of every type of event, which the code makes from items as the stores write them.

``PYTHONPATH=layers/core python -m tests.support.event_examples`` prints them as docs/events.md shows them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from purser.actor import SYSTEM
from purser.aws.tables import Item, from_wire, to_wire
from purser.bootstrap.events import readings
from purser.credentials import events as credential_events
from purser.credentials.model import SealedCredential
from purser.credentials.store.items import credential_attributes
from purser.customers import events as customer_events
from purser.customers.model import AccountType, Customer
from purser.customers.store import _item as customer_item
from purser.events import model
from purser.events.bus import detail_of
from purser.events.model import SOURCE, Change, Event
from purser.exchanges.model import TradeType, Venue
from purser.keys_table import credential_sk, user_pk
from purser.ledger.events import TRANSACTION_TYPES, WALLET_TYPES
from purser.ledger.model import PostingRequest, Transaction, TransactionType, Wallet, WalletStatus, WalletType, moving
from purser.ledger.store.items import transaction_item, wallet_item
from purser.orders.model import EntryType
from purser.signals import events as signal_events
from purser.signals.model import Action, Level, Mode, Reason, Signal, Source, State, Status
from purser.signals.store import signal_item, state_item
from purser.strategies.model import Direction
from purser.trading_accounts import events as trading_account_events
from purser.trading_accounts.model import ApiKeyStatus, StrategyType, TradingAccount
from purser.trading_accounts.store.items import account_item

USER = "5b8d6a0e-7a4c-4f5e-9b1d-0c2f4a6e8d10"
NOW = 1_795_219_200_000

ACCOUNT = TradingAccount(
    id="63d3aa7c-08a8-4f0b-8e5c-41a1d0f3b7c2",
    user_id=USER,
    venue=Venue.BINANCE,
    trade_type=TradeType.SPOT,
    strategy_type=StrategyType.MANUAL,
    name="Paper",
    active=True,
    api_key_status=ApiKeyStatus.AUTHORIZED,
    api_key="an API key",
    credential_id="63d3aa7c-08a8-4f0b-8e5c-41a1d0f3b7c2",
    created_at=NOW - 60_000,
    updated_at=NOW,
)
CREDENTIAL = SealedCredential(ACCOUNT.id, USER, Venue.BINANCE, "an API key", b"sealed", NOW - 60_000)
WALLET = Wallet(
    id="7f9c24e8-3b12-4fef-91e0-2d1a5c6b7d80",
    owner_id=USER,
    type=WalletType.CLIENT,
    status=WalletStatus.ACTIVE,
    allow_negative=False,
    metadata={"nickname": "Savings"},
    created_at=NOW - 60_000,
    updated_at=NOW,
)
TRANSFER = Transaction(
    id="0b6f2f0e-51d5-5a3c-9c9e-9d6a0b7d1f11",
    type=TransactionType.TRANSFER,
    postings=moving(WALLET.id, "c2b1d7a0-9f4e-4d3b-8a6c-5e7f8091a2b3", "USDT", Decimal("1250.000000000000000001")),
    created_at=NOW,
    sequence=f"{NOW}.000001",
)
CUSTOMER = Customer(
    id="d41f2a7e-6c3b-4b5a-9e8d-7f6a5b4c3d2e",
    owner_id=USER,
    account_type=AccountType.INDIVIDUAL,
    details={"profile": {"individual": {"name": {"firstName": "Ada", "lastName": "Lovelace"}}}},
    created_at=NOW - 60_000,
    updated_at=NOW,
)
SIGNAL = Signal(
    id="019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6071",
    strategy_id="b9f67eb2-1d6e-4a47-a735-d0d9039c9b08",
    source=Source.WEBHOOK,
    action=Action.ENTER,
    direction=Direction.LONG,
    symbol="BTC/USDT",
    entry_type=EntryType.MARKET,
    limit_price=None,
    trigger_price=None,
    stop=Level(price=Decimal(19000)),
    take_profits=(),
    closes=False,
    stamped_at=NOW - 800,
    received_at=NOW,
    expires_at=NOW + 60_000,
    status=Status.ACCEPTED,
)


TYPES = (
    *trading_account_events.TYPES,
    *credential_events.TYPES,
    *WALLET_TYPES,
    *TRANSACTION_TYPES,
    *customer_events.TYPES,
    *signal_events.TYPES,
)
"""Every type of event."""


def events_of(change: Change) -> list[Event]:
    """Return the events of a change, as the publisher reads them."""
    return model.events_of(change, readings())


def stored(item: Item) -> Item:
    """Return an item as a store reads it."""
    return from_wire(to_wire(item))


def account(**changed: Any) -> Item:
    """Return the item of a connected trading account."""
    return stored(account_item(replace(ACCOUNT, **changed)))


def credential(**more: Any) -> Item:
    """Return the item of a credential, with optional attributes."""
    keys = {"PK": user_pk(USER), "SK": credential_sk(CREDENTIAL.id)}
    return stored(keys | credential_attributes(CREDENTIAL) | more)


def wallet(**changed: Any) -> Item:
    """Return the item of a wallet."""
    return stored(wallet_item(replace(WALLET, **changed)))


def transaction(posted: Transaction = TRANSFER) -> Item:
    """Return the item of a transaction."""
    return stored(transaction_item(PostingRequest(posted, SYSTEM, "origin")))


def customer(**changed: Any) -> Item:
    """Return the item of a customer."""
    return stored(customer_item(replace(CUSTOMER, **changed)))


def signal(**changed: Any) -> Item:
    """Return the item of a signal."""
    return stored(signal_item(f"STRATEGY#{SIGNAL.strategy_id}", replace(SIGNAL, **changed)))


def state(mode: Mode) -> Item:
    """Return the item of a strategy's state."""
    return stored(state_item(f"STRATEGY#{SIGNAL.strategy_id}", State(mode, NOW), 1))


def trading(mode: Mode) -> Item:
    """Return the item of the mode of all trading."""
    return stored({"PK": "TRADING", "SK": "MODE", "mode": mode.value, "modeSetAt": NOW})


def written(before: Item | None, after: Item | None, number: int = 0) -> Change:
    """Return the stream record of a write."""
    return Change(f"{number:032x}", f"{1700000000000000000000 + number}", NOW, before, after)


WRITES = {
    "trading_account.connected": (None, account()),
    "trading_account.renamed": (account(name="Old name"), account()),
    "trading_account.enabled": (account(active=False), account()),
    "trading_account.disabled": (account(), account(active=False)),
    "trading_account.unavailable": (
        account(),
        account(active=False, api_key_status=ApiKeyStatus.UNAUTHORIZED),
    ),
    "trading_account.disconnected": (account(), None),
    "credential.created": (None, credential(credentialType="HMAC", status="CREATED", nickname="Desk")),
    "credential.rotated": (credential(), credential(ciphertext=b"sealed anew")),
    "credential.unverified": (credential(status="ACTIVE"), credential(status="CREATED")),
    "credential.activated": (credential(status="CREATED"), credential(status="ACTIVE")),
    "credential.expired": (credential(), credential(status="EXPIRED")),
    "credential.revoked": (credential(status="ACTIVE"), credential(status="REVOKED", ciphertext=None)),
    "credential.removed": (credential(), None),
    "wallet.created": (None, wallet()),
    "wallet.unfrozen": (wallet(status=WalletStatus.FROZEN), wallet(version=2)),
    "wallet.frozen": (wallet(), wallet(status=WalletStatus.FROZEN, version=2)),
    "wallet.closed": (wallet(), wallet(status=WalletStatus.CLOSED, version=2)),
    "transaction.recorded": (None, transaction()),
    "account.created": (None, customer()),
    "account.updated": (customer(), customer(version=2)),
    "account.disconnected": (customer(), customer(version=2, disconnected_at=NOW)),
    "signal.accepted": (None, signal()),
    "signal.rejected": (None, signal(status=Status.REFUSED, reason=Reason.NO_STOP)),
    "strategy_mode.changed": (state(Mode.ACTIVE), state(Mode.HALTED)),
    "trading_mode.changed": (None, trading(Mode.REDUCING)),
}


def example(kind: str) -> Event:
    """Return the event of the example of a type."""
    (event,) = events_of(written(*WRITES[kind], number=list(WRITES).index(kind)))
    return event


def as_documented(event: Event) -> str:
    """Return an event as a subscriber of the bus reads it, without the fields that EventBridge adds."""
    return json.dumps({"source": SOURCE, "detail-type": event.type, "detail": detail_of(event)}, indent=2)


def documented() -> Iterator[str]:
    """Return all examples in the notation of the documentation."""
    for kind in WRITES:
        yield f"### `{kind}`\n\n```json\n{as_documented(example(kind))}\n```\n"


if __name__ == "__main__":
    print("\n".join(documented()), end="")  # noqa: T201 - that is its purpose
