"""The field types of the accounts API: what a text, an address of any kind, or a number must look like.

Lengths and patterns are our own bounds where the published description sets none.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from purser.countries import COUNTRIES
from purser.customers.model import metadata_fault
from purser.http.wire import iso


def _refused(text: str) -> PydanticCustomError:
    return PydanticCustomError("rule_field", text)


def _rule(text: str, holds: Callable[[str], object]) -> AfterValidator:
    """A rule of a text, and what a caller who breaks it is told."""

    def check(value: str) -> str:
        if not holds(value):
            raise _refused(text)
        return value

    return AfterValidator(check)


def _pattern(text: str, pattern: str) -> AfterValidator:
    return _rule(text, re.compile(pattern, re.ASCII).fullmatch)


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
    # Metadata is one leaf to the published description: a fault stands at the field, whichever entry it is in.
    if not isinstance(value, dict):
        return value
    if not all(isinstance(entry, str | None) for entry in value.values()):
        raise _refused("values must be strings")
    text = metadata_fault(value)
    if text:
        raise _refused(text)
    return value


PRINTABLE = _rule("has invalid characters", str.isprintable)

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), PRINTABLE]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), PRINTABLE]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), PRINTABLE]
Token = Annotated[str, StringConstraints(min_length=1, max_length=2048), PRINTABLE]
ForeignId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128), PRINTABLE]

Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255),
    PRINTABLE,
    _rule("must be valid email", re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+").fullmatch),
]
Website = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255),
    PRINTABLE,
    _rule(
        "must be valid website", re.compile(r"(https?://)?[^\s/@:.]+(\.[^\s/@:.]+)+(:\d{1,5})?([/?#]\S*)?").fullmatch
    ),
]
PhoneDigits = Annotated[str, _pattern("must be valid phone number", r"\+?[0-9(][0-9 ().-]{2,30}")]
CallingCode = Annotated[str, _pattern("must be valid country code", r"\+?[0-9]{1,4}")]
Country = Annotated[str, _rule("must be valid country", COUNTRIES.__contains__)]
FourDigits = Annotated[str, _pattern("must be 4 digits", r"\d{4}")]
Naics = Annotated[str, _pattern("must be 2 to 6 digits", r"\d{2,6}")]
SocialNumber = Annotated[str, _pattern("must be 9 digits", r"\d{3}-?\d{2}-?\d{4}")]
EmployerNumber = Annotated[str, _pattern("must be 9 digits", r"\d{2}-?\d{7}|\d{3}-?\d{2}-?\d{4}")]
"""An EIN, or the SSN that a sole proprietor uses as one."""

IpAddress = Annotated[str, AfterValidator(_ip)]
Moment = Annotated[str, StringConstraints(max_length=64), AfterValidator(_moment)]
"""An ISO 8601 instant with its offset, made UTC with milliseconds."""

Day = Annotated[int, Field(strict=True, ge=1, le=31)]
Month = Annotated[int, Field(strict=True, ge=1, le=12)]
Year = Annotated[int, Field(strict=True, ge=1900, le=9999)]
YesNo = Annotated[bool, Field(strict=True)]

Metadata = Annotated[dict[str, str | None], BeforeValidator(_metadata)]

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
