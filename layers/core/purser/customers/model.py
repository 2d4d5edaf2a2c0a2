"""Customers and their rules.

A customer's data is one document in the shape of the accounts API (``profile``, ``metadata``, ``settings`` …). A change
is a JSON merge patch of it (RFC 7396). Identifiers are kept apart from it: they are encrypted, and never read back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from purser.errors import AccountDisconnected, FieldError, InvalidInput
from purser.text import folded, is_plain

Document = Mapping[str, Any]

METADATA_ENTRIES = 50
METADATA_KEY_LENGTH = 64
METADATA_VALUE_LENGTH = 500
METADATA_BYTES = 4096
"""The size limit of metadata as JSON in UTF-8. A list of 200 accounts must fit into Lambda's response of 6 MB."""


class AccountType(StrEnum):
    """The kind of legal entity."""

    INDIVIDUAL = "individual"
    BUSINESS = "business"


class Mode(StrEnum):
    """The mode of a customer: real, or for tests."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


class CapabilityStatus(StrEnum):
    """The status of a requested capability."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    PENDING = "pending"
    IN_REVIEW = "in-review"


class Capability(StrEnum):
    """Capabilities that can be requested, by their published names."""

    TRANSFERS = "transfers"
    SEND_FUNDS = "send-funds"
    SEND_FUNDS_PUSH_TO_CARD = "send-funds.push-to-card"
    MONEY_TRANSFER_PUSH_TO_CARD = "money-transfer.push-to-card"
    SEND_FUNDS_ACH = "send-funds.ach"
    SEND_FUNDS_RTP = "send-funds.rtp"
    SEND_FUNDS_INSTANT_BANK = "send-funds.instant-bank"
    SEND_FUNDS_WIRE = "send-funds.wire"
    COLLECT_FUNDS = "collect-funds"
    COLLECT_FUNDS_CARD_PAYMENTS = "collect-funds.card-payments"
    MONEY_TRANSFER_PULL_FROM_CARD = "money-transfer.pull-from-card"
    COLLECT_FUNDS_ACH = "collect-funds.ach"
    WALLET = "wallet"
    WALLET_BALANCE = "wallet.balance"
    CARD_ISSUING = "card-issuing"
    ISSUING_CARDHOLDER = "issuing.cardholder"
    PRODUCTION_APP = "production-app"
    PLATFORM_PRODUCTION_APP = "platform.production-app"
    PLATFORM_WALLET_TRANSFERS = "platform.wallet-transfers"


IDENTIFIERS = {
    AccountType.INDIVIDUAL: ("birthDate", "governmentID"),
    AccountType.BUSINESS: ("taxID",),
}
"""The fields of a profile that can be written but never read."""

ADDRESS = ("addressLine1", "city", "stateOrProvince", "postalCode", "country")

REQUIRED: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("profile", "individual", "name"): ("firstName", "lastName"),
    ("profile", "individual", "address"): ADDRESS,
    ("profile", "business"): ("legalBusinessName",),
    ("profile", "business", "address"): ADDRESS,
    ("customerSupport", "address"): ADDRESS,
    ("settings", "achPayment"): ("companyName",),
}
"""The required fields of each branch of the document, if the branch exists (from the published description)."""

ALWAYS = {
    AccountType.INDIVIDUAL: ("profile", "individual", "name"),
    AccountType.BUSINESS: ("profile", "business"),
}
"""The branch that every customer has."""


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer. ``identifiers`` are ciphertexts by name. Times are Unix milliseconds; ``version`` counts changes."""

    id: str
    owner_id: str
    account_type: AccountType
    details: Document
    created_at: int
    updated_at: int
    identifiers: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    disconnected_at: int | None = None
    version: int = 1

    @property
    def profile(self) -> Document:
        """The profile of the individual or business."""
        profile: Document = self.details["profile"][self.account_type.value]
        return profile

    @property
    def mode(self) -> Mode:
        """The mode, production by default."""
        return Mode(self.details.get("mode", Mode.PRODUCTION))

    @property
    def foreign_id(self) -> str | None:
        """The id in the owner's own system, unique among the owner's active customers."""
        foreign_id: str | None = self.details.get("foreignID")
        return foreign_id

    @property
    def claimed_foreign_id(self) -> str | None:
        """The foreign id that no other active customer of the owner may have."""
        return self.foreign_id if self.disconnected_at is None else None

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """The requested capabilities. None is ever granted: each is pending."""
        return tuple(map(Capability, self.details.get("capabilities", ())))

    @property
    def display_name(self) -> str:
        """The legal name of a business, or the first and last name of an individual."""
        if self.account_type is AccountType.BUSINESS:
            return str(self.profile["legalBusinessName"])
        return " ".join(self.profile["name"][part] for part in ("firstName", "lastName"))

    @property
    def summary(self) -> Summary:
        """The row in the owner's list."""
        return Summary(
            id=self.id,
            account_type=self.account_type,
            names=_names(self),
            email=self.profile.get("email"),
            foreign_id=self.foreign_id,
            capabilities=self.capabilities,
            disconnected=self.disconnected_at is not None,
        )

    def patched(self, change: Document, identifiers: Mapping[str, bytes | None], now: int) -> Customer:
        """Return the customer after a change of its details. An identifier that is None is removed.

        Raises:
            AccountDisconnected: the customer is disconnected.
            InvalidInput: the result breaks a rule.
        """
        self.check_active()
        details = merged(self.details, change)
        check(self.account_type, details)
        known = {name: sealed for name, sealed in {**self.identifiers, **identifiers}.items() if sealed is not None}
        return replace(self, details=details, identifiers=known, updated_at=now, version=self.version + 1)

    def disconnected(self, now: int) -> Customer:
        """Return the customer disconnected. Raises ``AccountDisconnected`` if it is already."""
        self.check_active()
        return replace(self, disconnected_at=now, updated_at=now, version=self.version + 1)

    def check_active(self) -> None:
        """Raise ``AccountDisconnected`` if the customer is disconnected."""
        if self.disconnected_at is not None:
            raise AccountDisconnected


class StaleCustomer(Exception):
    """The customer has changed since it was read."""


class CustomerExists(Exception):
    """A customer with this id exists."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A row of an owner's list, for searching. ``names`` are folded lines."""

    id: str
    account_type: AccountType
    names: str
    email: str | None
    foreign_id: str | None
    capabilities: tuple[Capability, ...]
    disconnected: bool


@dataclass(frozen=True, slots=True)
class Search:
    """A search for customers of an owner. A filter that is None matches all.

    ``name`` matches a part of the display name or the profile's names, ``email`` a whole address, both in any case.
    """

    name: str | None = None
    email: str | None = None
    account_type: AccountType | None = None
    foreign_id: str | None = None
    capability: Capability | None = None
    capability_status: CapabilityStatus | None = None
    include_disconnected: bool = False

    def admits(self, row: Summary) -> bool:
        """Tell whether a row matches all filters."""
        return (
            (self.include_disconnected or not row.disconnected)
            and self.account_type in (None, row.account_type)
            and self.foreign_id in (None, row.foreign_id)
            and (self.name is None or folded(self.name) in row.names)
            and (self.email is None or folded(self.email) == folded(row.email or ""))
            and self._admits_capabilities(row.capabilities)
        )

    def _admits_capabilities(self, requested: tuple[Capability, ...]) -> bool:
        if self.capability_status not in (None, CapabilityStatus.PENDING):
            return False
        if self.capability is None:
            return self.capability_status is None or bool(requested)
        return self.capability in requested


def _names(customer: Customer) -> str:
    profile = customer.profile
    if customer.account_type is AccountType.BUSINESS:
        names = [profile["legalBusinessName"], profile.get("doingBusinessAs")]
    else:
        parts = profile["name"]
        names = [
            customer.display_name,
            " ".join(parts[part] for part in ("firstName", "middleName", "lastName") if part in parts),
        ]
    return folded("\n".join(filter(None, names)))


def merged(document: Document, change: Document) -> dict[str, Any]:
    """Apply a JSON merge patch (RFC 7396), and drop the branches that it leaves empty."""
    result = dict(document)
    for name, value in change.items():
        before = result.pop(name, None)
        after = _merged_branch(before, value) if isinstance(value, Mapping) else value
        if after is not None:
            result[name] = after
    return result


def _merged_branch(before: Any, change: Document) -> dict[str, Any] | None:
    return merged(before if isinstance(before, Mapping) else {}, change) or None


def divided(account_type: AccountType, change: Document) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a change into the part without identifiers, and the identifiers, None for one to remove."""
    profile = (change.get("profile") or {}).get(account_type.value)
    if not isinstance(profile, Mapping):
        return dict(change), {}
    public = {name: value for name, value in profile.items() if name not in IDENTIFIERS[account_type]}
    secret = {name: value and merged({}, value) for name, value in profile.items() if name not in public}
    # An empty identifier changes nothing, unlike None.
    identifiers = {name: value for name, value in secret.items() if value != {}}
    return {**change, "profile": {**change["profile"], account_type.value: public}}, identifiers


def check(account_type: AccountType, details: Document) -> None:
    """Check a customer's whole document. Raises ``InvalidInput`` with every broken rule."""
    if details.get("accountType", account_type) != account_type:
        raise InvalidInput([FieldError(("accountType",), "cannot be changed")])
    field_errors = list(_misplaced(account_type, details)) or list(_missing(account_type, details))
    text = metadata_error(details.get("metadata", {}))
    if text:
        field_errors.append(FieldError(("metadata",), text))
    if field_errors:
        raise InvalidInput(field_errors)


def _missing(account_type: AccountType, details: Document) -> Iterator[FieldError]:
    for path, names in REQUIRED.items():
        branch = _branch(details, path)
        if branch is None and path != ALWAYS[account_type]:
            continue
        yield from (FieldError((*path, name), "must be provided") for name in names if name not in (branch or {}))


def _branch(details: Document, path: tuple[str, ...]) -> Document | None:
    branch: Document | None = details
    for name in path:
        branch = branch.get(name) if branch else None
    return branch


def _misplaced(account_type: AccountType, details: Document) -> Iterator[FieldError]:
    """Return an error for each leaf of a profile of the other type."""
    for other in AccountType:
        if other is not account_type:
            branch = _branch(details, ("profile", other.value)) or {}
            text = f"is not allowed in an account of type {account_type.value}"
            yield from (FieldError(("profile", other.value, *path), text) for path in _leaves(branch))


def _leaves(document: Document) -> Iterator[tuple[str, ...]]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from ((name, *path) for path in _leaves(value))
        else:
            yield (name,)


def metadata_error(metadata: Document) -> str | None:
    """Return the broken rule of metadata, or None."""
    if len(metadata) > METADATA_ENTRIES:
        return f"must have at most {METADATA_ENTRIES} entries"
    if any(not 0 < len(key) <= METADATA_KEY_LENGTH for key in metadata):
        return f"keys must have 1 to {METADATA_KEY_LENGTH} characters"
    if not all(is_plain(text or "") for entry in metadata.items() for text in entry):
        return "keys and values have invalid characters"
    if any(len(value or "") > METADATA_VALUE_LENGTH for value in metadata.values()):
        return f"values must have at most {METADATA_VALUE_LENGTH} characters"
    if len(json.dumps(dict(metadata), ensure_ascii=False).encode()) > METADATA_BYTES:
        return f"must take at most {METADATA_BYTES} bytes"
    return None
