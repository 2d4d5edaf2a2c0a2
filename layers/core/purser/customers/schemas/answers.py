"""The answer models of the accounts API, by its published description.

Unknown values are left out. Of identifiers, an answer only has whether they were provided.
"""

from __future__ import annotations

from typing import Literal

from purser.customers.model import AccountType, Customer, Mode
from purser.http.wire import UNKNOWN, Instant, WireModel


class NameAnswer(WireModel):
    """The name of an individual."""

    firstName: str
    middleName: str | None = UNKNOWN
    lastName: str
    suffix: str | None = UNKNOWN


class PhoneAnswer(WireModel):
    """A phone number."""

    number: str | None = UNKNOWN
    countryCode: str | None = UNKNOWN


class AddressAnswer(WireModel):
    """A postal address."""

    addressLine1: str
    addressLine2: str | None = UNKNOWN
    city: str
    stateOrProvince: str
    postalCode: str
    country: str


class IndividualAnswer(WireModel):
    """The profile of an individual."""

    name: NameAnswer
    phone: PhoneAnswer | None = UNKNOWN
    email: str | None = UNKNOWN
    address: AddressAnswer | None = UNKNOWN
    birthDateProvided: bool = False
    governmentIDProvided: bool = False


class IndustryCodesAnswer(WireModel):
    """The industry of a business in three catalogs."""

    naics: str | None = UNKNOWN
    sic: str | None = UNKNOWN
    mcc: str | None = UNKNOWN


class BusinessAnswer(WireModel):
    """The profile of a business."""

    legalBusinessName: str
    doingBusinessAs: str | None = UNKNOWN
    businessType: str | None = UNKNOWN
    address: AddressAnswer | None = UNKNOWN
    phone: PhoneAnswer | None = UNKNOWN
    email: str | None = UNKNOWN
    website: str | None = UNKNOWN
    description: str | None = UNKNOWN
    taxIDProvided: bool = False
    ownersProvided: bool = False
    industryCodes: IndustryCodesAnswer | None = UNKNOWN
    industry: str | None = UNKNOWN
    primaryRegulator: str | None = UNKNOWN


class ProfileAnswer(WireModel):
    """The profile of the account's type."""

    individual: IndividualAnswer | None = UNKNOWN
    business: BusinessAnswer | None = UNKNOWN


class VerificationAnswer(WireModel):
    """The state of the verification. Purser verifies no customers."""

    status: Literal["unverified"] = "unverified"


class TermsAnswer(WireModel):
    """The time and the IP address of the acceptance of the terms of service."""

    acceptedDate: Instant
    acceptedIP: str


class CapabilityAnswer(WireModel):
    """A requested capability. Purser grants none: all are pending."""

    capability: str
    status: Literal["pending"] = "pending"


class CustomerSupportAnswer(WireModel):
    """The support contact of a business."""

    phone: PhoneAnswer | None = UNKNOWN
    email: str | None = UNKNOWN
    address: AddressAnswer | None = UNKNOWN
    website: str | None = UNKNOWN


class CardPaymentAnswer(WireModel):
    """The text of card payments on statements."""

    statementDescriptor: str | None = UNKNOWN


class AchPaymentAnswer(WireModel):
    """The text of ACH payments on statements."""

    companyName: str


class SettingsAnswer(WireModel):
    """Settings of an account."""

    cardPayment: CardPaymentAnswer | None = UNKNOWN
    achPayment: AchPaymentAnswer | None = UNKNOWN


class AccountAnswer(WireModel):
    """An account."""

    accountID: str
    mode: Mode
    accountType: AccountType
    displayName: str
    profile: ProfileAnswer
    verification: VerificationAnswer = VerificationAnswer()
    metadata: dict[str, str] | None = UNKNOWN
    termsOfService: TermsAnswer | None = UNKNOWN
    capabilities: list[CapabilityAnswer] | None = UNKNOWN
    foreignID: str | None = UNKNOWN
    customerSupport: CustomerSupportAnswer | None = UNKNOWN
    settings: SettingsAnswer | None = UNKNOWN
    createdOn: Instant
    updatedOn: Instant
    disconnectedOn: Instant | None = UNKNOWN


def account_answer(customer: Customer) -> AccountAnswer:
    """Return a customer on the wire."""
    details = customer.details
    provided = {f"{name}Provided": True for name in customer.identifiers}
    return AccountAnswer.model_validate(
        {
            **details,
            "accountID": customer.id,
            "mode": customer.mode,
            "accountType": customer.account_type,
            "displayName": customer.display_name,
            "profile": {customer.account_type.value: {**customer.profile, **provided}},
            "capabilities": [{"capability": requested.value} for requested in customer.capabilities] or None,
            "createdOn": customer.created_at,
            "updatedOn": customer.updated_at,
            "disconnectedOn": customer.disconnected_at,
        }
    )
