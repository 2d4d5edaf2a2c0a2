"""The field types of the accounts API.

Lengths and patterns are ours where the published description sets none.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from purser.customers.countries import COUNTRIES
from purser.customers.model import METADATA_ENTRIES, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH, metadata_error
from purser.http.wire import FREE_TEXT, WHOLE, Shown, iso, one_of
from purser.text import normalized


def _refused(text: str) -> PydanticCustomError:
    return PydanticCustomError("rule_field", text)


def _rule(text: str, holds: Callable[[str], object]) -> AfterValidator:
    """Return the validator of a rule, with the error text for a value that breaks it."""

    def check(value: str) -> str:
        if not holds(value):
            raise _refused(text)
        return value

    return AfterValidator(check)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A pattern for the whole value, valid in Python (ASCII) and ECMAScript, with the error text ``text``."""

    text: str
    pattern: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        rule = _rule(self.text, re.compile(self.pattern, re.ASCII).fullmatch)
        return rule.__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(core_schema), "pattern": f"^(?:{self.pattern})$"}


def _ip(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise _refused("must be valid IP address") from None


def _moment(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return iso(round(moment.timestamp() * 1000))
    except (ValueError, OverflowError):
        pass
    raise _refused("must be valid date and time, eg. 2026-01-31T08:57:17Z")


def _metadata(value: Any) -> Any:
    # The published description has metadata as one leaf, so an error names the field, not the entry.
    if not isinstance(value, dict):
        return value
    if not all(isinstance(entry, str | None) for entry in value.values()):
        raise _refused("values must be strings")
    entries = {normalized(name): entry and normalized(entry) for name, entry in value.items()}
    text = metadata_error(entries)
    if text:
        raise _refused(text)
    return entries


Text = Annotated[str, StringConstraints(min_length=1, max_length=64), FREE_TEXT]
Line = Annotated[str, StringConstraints(min_length=1, max_length=100), FREE_TEXT]
Prose = Annotated[str, StringConstraints(min_length=1, max_length=500), FREE_TEXT]
Token = Annotated[str, StringConstraints(min_length=1, max_length=2048), FREE_TEXT]
ForeignId = Annotated[str, StringConstraints(min_length=1, max_length=128), FREE_TEXT]

Email = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255),
    _Pattern("must be valid email", r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+"),
    FREE_TEXT,
]
Website = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255),
    _Pattern("must be valid website", r"(https?://)?[^\s/@:.]+(\.[^\s/@:.]+)+(:[0-9]{1,5})?([/?#]\S*)?"),
    FREE_TEXT,
]
PhoneDigits = Annotated[str, _Pattern("must be valid phone number", r"\+?[0-9(][0-9 ().-]{2,30}")]
CallingCode = Annotated[str, _Pattern("must be valid country code", r"\+?[0-9]{1,4}")]
Country = Annotated[str, _rule("must be valid country", COUNTRIES.__contains__), one_of(lambda: COUNTRIES)]
FourDigits = Annotated[str, _Pattern("must be 4 digits", r"[0-9]{4}")]
Naics = Annotated[str, _Pattern("must be 2 to 6 digits", r"[0-9]{2,6}")]
SocialNumber = Annotated[str, _Pattern("must be 9 digits", r"[0-9]{3}-?[0-9]{2}-?[0-9]{4}")]
EmployerNumber = Annotated[str, _Pattern("must be 9 digits", r"[0-9]{2}-?[0-9]{7}|[0-9]{3}-?[0-9]{2}-?[0-9]{4}")]
"""An EIN, or the SSN of a sole proprietor."""

IpAddress = Annotated[str, AfterValidator(_ip), Shown(lambda: {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]})]
Moment = Annotated[
    str, StringConstraints(max_length=64), AfterValidator(_moment), Shown(lambda: {"format": "date-time"})
]
"""An ISO 8601 instant with an offset, converted to UTC with milliseconds."""

Day = Annotated[int, Field(strict=True, ge=1, le=31), WHOLE]
Month = Annotated[int, Field(strict=True, ge=1, le=12), WHOLE]
Year = Annotated[int, Field(strict=True, ge=1900, le=9999), WHOLE]
YesNo = Annotated[bool, Field(strict=True)]

Metadata = Annotated[
    dict[
        Annotated[str, Shown(lambda: {"minLength": 1, "maxLength": METADATA_KEY_LENGTH})],
        Annotated[str, Shown(lambda: {"maxLength": METADATA_VALUE_LENGTH})] | None,
    ],
    BeforeValidator(_metadata),
    Shown(lambda: {"maxProperties": METADATA_ENTRIES}),
]

BusinessType = Literal[
    "soleProprietorship",
    "unincorporatedAssociation",
    "trust",
    "publicCorporation",
    "privateCorporation",
    "llc",
    "partnership",
    "unincorporatedNonProfit",
    "incorporatedNonProfit",
    "governmentEntity",
]
PrimaryRegulator = Literal["OCC", "FDIC", "NCUA", "FRB", "state-cu-regulator"]
