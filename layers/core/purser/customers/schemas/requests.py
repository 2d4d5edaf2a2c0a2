"""The request models of the accounts API, by its published description.

In a change every field may be absent, and null removes a value (a JSON merge patch, RFC 7396). A new account has the
same fields, some of them required. Unknown fields are ignored.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from purser.customers.model import AccountType, Capability, Document, Mode
from purser.customers.schemas.fields import (
    BusinessType,
    CallingCode,
    Country,
    Day,
    Email,
    EmployerNumber,
    ForeignId,
    FourDigits,
    IpAddress,
    Line,
    Metadata,
    Moment,
    Month,
    Naics,
    PhoneDigits,
    PrimaryRegulator,
    Prose,
    SocialNumber,
    Text,
    Token,
    Website,
    Year,
    YesNo,
)
from purser.http.wire import STAYS, iso


class NameChange(BaseModel):
    """The name of an individual."""

    firstName: Text | None = None
    middleName: Text | None = None
    lastName: Text | None = None
    suffix: Text | None = None


class NewName(NameChange):
    """A whole name."""

    firstName: Text
    lastName: Text


class Phone(BaseModel):
    """A phone number."""

    number: PhoneDigits | None = None
    countryCode: CallingCode | None = None


class AddressChange(BaseModel):
    """A postal address."""

    addressLine1: Line | None = None
    addressLine2: Line | None = None
    city: Text | None = None
    stateOrProvince: Text | None = None
    postalCode: Text | None = None
    country: Country | None = None


class NewAddress(AddressChange):
    """A whole postal address."""

    addressLine1: Line
    city: Text
    stateOrProvince: Text
    postalCode: Text
    country: Country


class BirthDate(BaseModel):
    """A day in the past. It cannot be changed in part, because the stored one cannot be read."""

    year: Year
    month: Month
    day: Day

    @field_validator("day")
    @classmethod
    def _is_in_the_past(cls, day: int, info: ValidationInfo) -> int:
        if not {"year", "month"} <= info.data.keys():
            return day
        try:
            if date(info.data["year"], info.data["month"], day) < datetime.now(UTC).date():
                return day
        except ValueError:
            pass
        raise PydanticCustomError("rule_birth_date", "must be a day in the past")


class GovernmentNumber(BaseModel):
    """A person's number at an authority, or its last four digits."""

    full: SocialNumber | None = Field(default=None, repr=False)
    lastFour: FourDigits | None = Field(default=None, repr=False)

    @field_validator("lastFour")
    @classmethod
    def _is_the_end(cls, last_four: str | None, info: ValidationInfo) -> str | None:
        full = info.data.get("full")
        if last_four and full and not full.endswith(last_four):
            raise PydanticCustomError("rule_last_four", "must be the end of full")
        return last_four


class GovernmentID(BaseModel):
    """A person's social security or taxpayer number."""

    ssn: GovernmentNumber | None = None
    itin: GovernmentNumber | None = None


class Ein(BaseModel):
    """An employer identification number."""

    number: EmployerNumber = Field(repr=False)


class TaxID(BaseModel):
    """The tax identifier of a business."""

    ein: Ein

    @model_validator(mode="before")
    @classmethod
    def _has_its_branch(cls, value: Any) -> Any:
        return _with_branch(value, "ein")


class IndustryCodes(BaseModel):
    """The industry of a business in three catalogs."""

    naics: Naics | None = None
    sic: FourDigits | None = None
    mcc: FourDigits | None = None


class IndividualChange(BaseModel):
    """The profile of an individual."""

    name: NameChange | None = None
    phone: Phone | None = None
    email: Email | None = None
    address: AddressChange | None = None
    birthDate: BirthDate | None = None
    governmentID: GovernmentID | None = None


class NewIndividual(IndividualChange):
    """The profile of a new individual."""

    name: NewName
    address: NewAddress | None = None

    @model_validator(mode="before")
    @classmethod
    def _has_its_branch(cls, value: Any) -> Any:
        return _with_branch(value, "name")


class BusinessChange(BaseModel):
    """The profile of a business."""

    legalBusinessName: Line | None = None
    doingBusinessAs: Line | None = None
    businessType: BusinessType | None = None
    address: AddressChange | None = None
    phone: Phone | None = None
    email: Email | None = None
    website: Website | None = None
    description: Prose | None = None
    taxID: TaxID | None = None
    ownersProvided: YesNo | None = None
    industryCodes: IndustryCodes | None = None
    industry: Line | None = None
    primaryRegulator: PrimaryRegulator | None = None


class NewBusiness(BusinessChange):
    """The profile of a new business."""

    legalBusinessName: Line
    address: NewAddress | None = None


class ProfileChange(BaseModel):
    """The profile of the account's type."""

    individual: IndividualChange | None = None
    business: BusinessChange | None = None


class NewProfile(ProfileChange):
    """The profile of a new account."""

    individual: NewIndividual | None = None
    business: NewBusiness | None = None


class ManualTerms(BaseModel):
    """An acceptance of the terms of service that the owner witnessed."""

    acceptedDate: Moment
    acceptedIP: IpAddress
    acceptedUserAgent: Prose
    acceptedDomain: Line


class Terms(BaseModel):
    """An acceptance of the terms of service: its circumstances, or a token for it."""

    token: Token | None = None
    manual: ManualTerms | None = None


class CustomerSupportChange(BaseModel):
    """The support contact of a business."""

    phone: Phone | None = None
    email: Email | None = None
    address: AddressChange | None = None
    website: Website | None = None


class NewCustomerSupport(CustomerSupportChange):
    """The same of a new account."""

    address: NewAddress | None = None


class CardPayment(BaseModel):
    """The text of card payments on statements."""

    statementDescriptor: Text | None = None


class AchPaymentChange(BaseModel):
    """The text of ACH payments on statements."""

    companyName: Text | None = None


class NewAchPayment(AchPaymentChange):
    """The same of a new account."""

    companyName: Text


class SettingsChange(BaseModel):
    """Settings of an account."""

    cardPayment: CardPayment | None = None
    achPayment: AchPaymentChange | None = None


class NewSettings(SettingsChange):
    """Settings of a new account."""

    achPayment: NewAchPayment | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The time (Unix ms) and IP address of a request."""

    received_at: int
    source_ip: str


class AccountChange(BaseModel):
    """The body of update. Absent fields are unchanged."""

    accountType: AccountType | None = None
    profile: ProfileChange | None = None
    metadata: Metadata | None = None
    termsOfService: Terms | None = None
    foreignID: ForeignId | None = None
    customerSupport: CustomerSupportChange | None = None
    settings: SettingsChange | None = None
    capabilities: list[Capability] | None = Field(default=None, max_length=len(Capability))
    # Never null: without a mode an account is for production.
    mode: Annotated[Mode, STAYS] = Mode.PRODUCTION

    def document(self, circumstances: Circumstances) -> Document:
        """Return the body as a JSON merge patch of the customer's document."""
        document = self.model_dump(mode="json", exclude_unset=True)
        if self.capabilities is not None:
            document["capabilities"] = list(dict.fromkeys(document["capabilities"]))
        if self.termsOfService is not None:
            document["termsOfService"] = _acceptance(self.termsOfService, circumstances)
        return document


class NewAccount(AccountChange):
    """The body of create."""

    accountType: AccountType
    profile: NewProfile
    customerSupport: NewCustomerSupport | None = None
    settings: NewSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _has_the_profile_of_its_type(cls, value: Any) -> Any:
        account = _with_branch(value, "profile")
        if isinstance(account, dict) and account.get("accountType") in list(AccountType):
            account["profile"] = _with_branch(account["profile"], account["accountType"])
        return account


def _with_branch(value: Any, name: str) -> Any:
    """Return an object with a required branch. An empty branch makes errors name the missing leaves."""
    return {**value, name: value.get(name) or {}} if isinstance(value, dict) else value


def _acceptance(terms: Terms, circumstances: Circumstances) -> dict[str, Any]:
    if terms.manual is not None:
        return terms.manual.model_dump()
    if terms.token is not None:
        # A token has no time and place, so those of the request are kept.
        return {"acceptedDate": iso(circumstances.received_at), "acceptedIP": circumstances.source_ip}
    return {}


class Fingerprint(BaseModel):
    """The digest of a body, to recognize a repeat."""

    digest: str


def fingerprint(body: NewAccount, key: str | None) -> Fingerprint:
    """Return a digest to store, keyed with the idempotency key so that it does not reveal nine-digit numbers."""
    body_text = body.model_dump_json(exclude_unset=True).encode()
    return Fingerprint(digest=hmac.new((key or "").encode(), body_text, hashlib.sha256).hexdigest())
