"""Which events the changes of the tables' items are. ``docs/events.md`` is the list for those who subscribe.

An event tells what one write did to one item, and is made of that write alone: what was not written is never told,
what was written cannot be forgotten. Attributes get into events one by one, by name: a new attribute of an item is in
no event until somebody puts it there. What is secret, identifies a person or is a user's own text (but for a trading
account's name) has no place in one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

SOURCE = "purser"
VERSION = 1
"""Of what ``data`` holds, for all types: a field that is taken away or means something else makes the next one."""

Image = Mapping[str, Any]
Found = Iterator[tuple[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Change:
    """What a write did to an item: its images before and after, None where it was not there.

    ``id`` and ``sequence`` are those of the stream's record: the same however often it is delivered; of one item's
    changes, the later has the greater ``sequence`` (a decimal number). ``time`` is Unix milliseconds.
    """

    id: str
    sequence: str
    time: int
    before: Image | None
    after: Image | None


@dataclass(frozen=True, slots=True)
class Event:
    """A change of state. ``item`` is whose: events of one item are told in their order."""

    type: str
    id: str
    sequence: str
    time: int
    item: str
    data: Mapping[str, Any]


def events_of(change: Change) -> list[Event]:
    """The events that a change is; none for bookkeeping."""
    image = change.after or change.before or {}
    item = f"{image['PK']} {image['SK']}"
    return [
        Event(kind, _event_id(change, kind), change.sequence, change.time, item, data)
        for kind, data in _reading(image)(change.before, change.after)
    ]


def _event_id(change: Change, kind: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"purser:event:{change.id}:{kind}"))


def _reading(image: Image) -> Callable[[Image | None, Image | None], Found]:
    kind = image["PK"].partition("#")[0], image["SK"].partition("#")[0]
    return READINGS.get(kind, _nothing)


def _nothing(_before: Image | None, _after: Image | None) -> Found:
    yield from ()


def _trading_account(before: Image | None, after: Image | None) -> Found:
    """``USER#… KEY#…``. Its removal is a disconnect; the disconnected account is another item."""
    if after is None:
        yield "trading_account.disconnected", _account_ids(before or {})
        return
    data = _account_data(after)
    if before is None:
        yield "trading_account.connected", data
        return
    if before["name"] != after["name"]:
        yield "trading_account.renamed", data
    if data["status"] != _account_status(before):
        yield f"trading_account.{ACCOUNT_CHANGES[data['status']]}", data


ACCOUNT_CHANGES = {"ACTIVE": "enabled", "INACTIVE": "disabled", "UNAVAILABLE": "unavailable"}


def _account_status(image: Image) -> str:
    """The contract's: UNAVAILABLE while the exchange refuses the key, else whether its user wants it in use."""
    if image["apiKeyStatus"] == "UNAUTHORIZED":
        return "UNAVAILABLE"
    return "ACTIVE" if image["active"] else "INACTIVE"


def _account_ids(image: Image) -> dict[str, Any]:
    return {
        "tradingAccountId": image["tradingAccountId"],
        "userId": image["userId"],
        "venue": image["venue"],
        "credentialId": image.get("credentialId"),
    }


def _account_data(image: Image) -> dict[str, Any]:
    return {
        **_account_ids(image),
        "accountType": "MARGIN" if image["tradeType"] == "FUTURES" else "SPOT",
        "strategyType": image["strategyType"],
        "name": image["name"],
        "status": _account_status(image),
        "createdAt": int(image["createdAt"]),
        "updatedAt": int(image["updatedAt"]),
    }


def _credential(before: Image | None, after: Image | None) -> Found:
    """``USER#… CREDENTIAL#…``. A new ciphertext is a rotation; that there is none any more is part of revoking."""
    if after is None:
        yield "credential.removed", _credential_ids(before or {})
        return
    data = _credential_data(after)
    if before is None:
        yield "credential.created", data
        return
    if "ciphertext" in before and "ciphertext" in after and before["ciphertext"] != after["ciphertext"]:
        yield "credential.rotated", data
    if data["status"] != _credential_status(before):
        yield f"credential.{CREDENTIAL_CHANGES[data['status']]}", data


CREDENTIAL_CHANGES = {"CREATED": "unverified", "ACTIVE": "activated", "EXPIRED": "expired", "REVOKED": "revoked"}


def _credential_status(image: Image) -> str:
    """One that came with its trading account has no status of its own: an exchange has accepted it."""
    return str(image.get("status", "ACTIVE"))


def _credential_ids(image: Image) -> dict[str, Any]:
    return {name: image[name] for name in ("credentialId", "userId", "venue")}


def _credential_data(image: Image) -> dict[str, Any]:
    return {
        **_credential_ids(image),
        "credentialType": image.get("credentialType", "API_KEY"),
        "status": _credential_status(image),
        "createdAt": int(image["createdAt"]),
    }


def _wallet(before: Image | None, after: Image | None) -> Found:
    """``WALLET#… WALLET``. That a closed wallet has expired is no change of its state."""
    if after is None:
        return
    if before is None:
        yield "wallet.created", _wallet_data(after)
    elif before["status"] != after["status"]:
        yield f"wallet.{WALLET_CHANGES[after['status']]}", _wallet_data(after)


WALLET_CHANGES = {"ACTIVE": "unfrozen", "FROZEN": "frozen", "CLOSED": "closed"}


def _wallet_data(image: Image) -> dict[str, Any]:
    return {
        "walletId": image["walletId"],
        "userId": image["ownerId"],
        "walletType": image["walletType"],
        "status": image["status"],
        "allowNegative": image["allowNegative"],
        "accountID": image.get("accountId"),
        "createdAt": int(image["createdAt"]),
        "updatedAt": int(image["updatedAt"]),
    }


def _transaction(before: Image | None, after: Image | None) -> Found:
    """``TRANSACTION#… TRANSACTION``: written once, and never changed."""
    if before is not None or after is None:
        return
    yield (
        "transaction.recorded",
        {
            "transactionId": after["PK"].partition("#")[2],
            "type": after["transactionType"],
            "postings": [_posting(posting) for posting in after["postings"]],
            "reverses": after.get("reverses"),
            "createdAt": int(after["sequence"].partition(".")[0]),
        },
    )


def _posting(posting: Image) -> dict[str, str]:
    amount: Decimal = posting["amount"]
    return {"walletId": posting["walletId"], "asset": posting["asset"], "amount": f"{amount:f}"}


def _customer(before: Image | None, after: Image | None) -> Found:
    """``CUSTOMER#… CUSTOMER``."""
    if after is None:
        return
    data = {
        "accountID": after["customerId"],
        "ownerId": after["ownerId"],
        "accountType": after["accountType"],
        "createdOn": int(after["createdAt"]),
        "updatedOn": int(after["updatedAt"]),
    }
    if before is None:
        yield "account.created", data
    elif "disconnectedAt" in after and "disconnectedAt" not in before:
        yield "account.disconnected", {**data, "disconnectedOn": int(after["disconnectedAt"])}
    elif before["version"] != after["version"]:
        yield "account.updated", data


READINGS: Mapping[tuple[str, str], Callable[[Image | None, Image | None], Found]] = {
    ("USER", "KEY"): _trading_account,
    ("USER", "CREDENTIAL"): _credential,
    ("WALLET", "WALLET"): _wallet,
    ("TRANSACTION", "TRANSACTION"): _transaction,
    ("CUSTOMER", "CUSTOMER"): _customer,
}
"""How items are read, by what their keys begin with. All others are bookkeeping."""

TYPES = (
    "trading_account.connected",
    "trading_account.renamed",
    *(f"trading_account.{change}" for change in ACCOUNT_CHANGES.values()),
    "trading_account.disconnected",
    "credential.created",
    "credential.rotated",
    *(f"credential.{change}" for change in CREDENTIAL_CHANGES.values()),
    "credential.removed",
    "wallet.created",
    *(f"wallet.{change}" for change in WALLET_CHANGES.values()),
    "transaction.recorded",
    "account.created",
    "account.updated",
    "account.disconnected",
)
"""Every type of event."""
