"""Scenarios of the published client ``moovio_sdk`` with accounts, over any transport."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from moovio_sdk import Moov
from moovio_sdk.models import components, errors

ADDRESS: components.AddressTypedDict = {
    "address_line1": "123 Main Street",
    "address_line2": "Apt 302",
    "city": "Boulder",
    "state_or_province": "CO",
    "postal_code": "80301",
    "country": "US",
}
PHONE: components.PhoneNumberTypedDict = {"number": "8185551212", "country_code": "1"}


def client(base_url: str, token: str, transport: httpx.BaseTransport | None = None) -> Moov:
    """Return the published client with another base address and token, and nothing else changed."""
    session = httpx.Client(transport=transport, headers={"Authorization": f"Bearer {token}"}, timeout=60)
    return Moov(server_url=base_url, client=session)


def close(moov: Moov) -> None:
    """Close the connections of a client, which does not close an HTTP client that it was given."""
    session = moov.sdk_configuration.client
    assert isinstance(session, httpx.Client)
    session.close()


def refused(call: Callable[[], Any], status: int) -> errors.MoovError:
    """Return the client's error of a call that must fail with this status."""
    with pytest.raises(errors.MoovError) as caught:
        call()
    assert caught.value.status_code == status
    assert caught.value.headers["x-request-id"]
    return caught.value


def walk_through_a_business(moov: Moov) -> None:
    """Create a business as in the manual of the client, and make every call on it."""
    foreign_id = str(uuid4())
    accepted = datetime(2026, 7, 27, 8, 57, 17, 388000, UTC)
    created = moov.accounts.create(
        account_type=components.CreateAccountType.BUSINESS,
        profile={
            "business": {
                "legal_business_name": "Whole Body Fitness LLC",
                "business_type": components.BusinessType.LLC,
                "tax_id": {"ein": {"number": "12-3456789"}},
                "industry_codes": {"naics": "713940", "sic": "7991", "mcc": "7997"},
                "primary_regulator": components.PrimaryRegulator.OCC,
            }
        },
        metadata={"optional": "metadata"},
        terms_of_service={
            "manual": {
                "accepted_date": accepted,
                "accepted_ip": "2001:db8::1",
                "accepted_user_agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)",
                "accepted_domain": "https://rundown-depot.org/",
            }
        },
        foreign_id=foreign_id,
        customer_support={"phone": PHONE, "email": "jordan.lee@classbooker.dev", "address": ADDRESS},
        settings={
            "card_payment": {"statement_descriptor": "Whole Body Fitness"},
            "ach_payment": {"company_name": "WholeBodyFitness"},
        },
        capabilities=[components.CapabilityID.COLLECT_FUNDS_CARD_PAYMENTS, components.CapabilityID.SEND_FUNDS_ACH],
        mode=components.Mode.PRODUCTION,
    )
    assert created.headers["x-request-id"]
    account = created.result
    assert account.mode is components.Mode.PRODUCTION
    assert account.display_name == "Whole Body Fitness LLC"
    assert account.verification.status.value == "unverified"
    assert account.profile.business is not None
    assert account.profile.business.tax_id_provided is True
    assert account.profile.business.business_type is components.BusinessType.LLC
    assert account.terms_of_service is not None
    assert account.terms_of_service.accepted_date == accepted
    assert account.customer_support is not None
    assert account.customer_support.address is not None
    assert account.customer_support.address.postal_code == "80301"
    assert [c.capability for c in account.capabilities or []] == ["collect-funds.card-payments", "send-funds.ach"]

    assert moov.accounts.get(account_id=account.account_id).result == account
    assert moov.accounts.list(foreign_id=foreign_id).result == [account]

    changed = moov.accounts.update(
        account_id=account.account_id,
        profile={"business": {"owners_provided": True, "address": {**ADDRESS}, "website": "wbfllc.com"}},
        metadata={"more": "metadata"},
        customer_support=None,
    ).result
    assert changed.profile.business is not None
    assert changed.profile.business.owners_provided is True
    assert changed.metadata == {"optional": "metadata", "more": "metadata"}
    assert changed.customer_support is None
    assert changed.updated_on > account.updated_on

    taken = refused(lambda: moov.accounts.update(account_id=_another(moov), foreign_id=foreign_id), 409)
    assert isinstance(taken, errors.GenericError)
    assert taken.data.error == "an account with this foreignID already exists"

    assert moov.accounts.disconnect(account_id=account.account_id).headers["x-request-id"]
    assert moov.accounts.get(account_id=account.account_id).result.disconnected_on is not None
    assert moov.accounts.list(foreign_id=foreign_id).result == []
    assert len(moov.accounts.list(foreign_id=foreign_id, include_disconnected=True).result) == 1
    for call in (
        lambda: moov.accounts.disconnect(account_id=account.account_id),
        lambda: moov.accounts.update(account_id=account.account_id, metadata={"a": "b"}),
    ):
        again = refused(call, 409)
        assert isinstance(again, errors.GenericError)
        assert again.data.error == "account is disconnected"


def _another(moov: Moov) -> str:
    return individual(moov).account_id


def individual(moov: Moov, profile: components.CreateIndividualProfileTypedDict | None = None) -> components.Account:
    """Create an individual."""
    profile = profile or {"name": {"first_name": "Jordan", "last_name": "Lee"}}
    kind = components.CreateAccountType.INDIVIDUAL
    return moov.accounts.create(account_type=kind, profile={"individual": profile}).result


def walk_through_individuals(moov: Moov) -> None:
    """Use every filter of lists, and read the errors of invalid requests."""
    unique = f"{uuid4().hex[:12]}"
    jules = individual(
        moov,
        {
            "name": {"first_name": "Jules", "last_name": unique},
            "phone": PHONE,
            "email": f"{unique}@classbooker.dev",
            "address": ADDRESS,
            "birth_date": {"day": 10, "month": 11, "year": 1989},
            "government_id": {"ssn": {"full": "123-45-6789", "last_four": "6789"}},
        },
    )
    person = jules.profile.individual
    assert person is not None
    assert (person.birth_date_provided, person.government_id_provided) == (True, True)
    ana = individual(moov, {"name": {"first_name": "Ana", "last_name": unique}})
    kind = components.CreateAccountType.INDIVIDUAL
    assert moov.accounts.list(name=unique).result == [ana, jules]
    assert moov.accounts.list(name=unique, type_=kind, skip=1, count=1).result == [jules]
    assert moov.accounts.list(email=f"{unique}@classbooker.dev").result == [jules]
    assert moov.accounts.list(name=unique, capability=components.CapabilityID.WALLET).result == []

    wrong: components.CreateIndividualProfileTypedDict = {
        "name": {"first_name": "", "last_name": unique},
        "email": "nobody",
        "birth_date": {"day": 0, "month": 1, "year": 2000},
    }
    invalid = refused(lambda: individual(moov, wrong), 422)
    assert isinstance(invalid, errors.CreateAccountError)
    assert invalid.data.profile is not None
    faults = invalid.data.profile.individual
    assert faults is not None
    assert faults.name is not None
    assert faults.birth_date is not None
    assert (faults.name.first_name, faults.name.last_name) == ("must not be empty", None)
    assert (faults.email, faults.birth_date.day) == ("must be valid email", "must be at least 1")

    nothing = refused(lambda: moov.accounts.create(account_type=kind, profile={}), 422)
    assert isinstance(nothing, errors.CreateAccountError)
    gap = refused(
        lambda: moov.accounts.update(
            account_id=ana.account_id,
            profile={"individual": {"address": {"city": "Boulder"}}},
            metadata={"a": "x" * 501},
        ),
        422,
    )
    assert isinstance(gap, errors.PatchAccountError)
    assert gap.data.metadata == "values must have at most 500 characters"
    unknown = refused(lambda: moov.accounts.get(account_id=str(uuid4())), 404)
    assert isinstance(unknown, errors.APIError)
    assert unknown.body == ""


def is_private_to(moov: Moov, other: Moov) -> None:
    """Assert that another user neither sees nor changes an account of this one."""
    account_id = individual(moov).account_id
    for call in (
        lambda: other.accounts.get(account_id=account_id),
        lambda: other.accounts.update(account_id=account_id, metadata={"a": "b"}),
        lambda: other.accounts.disconnect(account_id=account_id),
    ):
        assert refused(call, 403).body == ""
    assert account_id not in [account.account_id for account in other.accounts.list().result]
