"""The published client can read every answer of the accounts API, and no request gets a 5xx or reveals a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from moovio_sdk.models import components
from moovio_sdk.utils.serializers import unmarshal_json

from purser.customers.model import merged
from purser.customers.service import Customers
from purser.text import normalized
from tests.support.audit import FakeAudit
from tests.support.customers import FakeCustomers
from tests.support.effort import examples
from tests.support.events import call, claims
from tests.support.fakes import FakeClock, FakeVault
from tests.support.functions import forget_process, load_function

# The published client warns about each use of a deprecated field.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SSN = "123-45-6789"
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 3000),
    st.text(max_size=20),
    st.sampled_from(
        ["individual", "business", "Jules", "a@b.dev", "US", "1234", SSN, "llc", "wallet", "2026-01-31T08:57:17Z"]
    ),
)
FIELDS = st.sampled_from(
    """
    accountType profile individual business name firstName middleName lastName suffix phone number countryCode email
    address addressLine1 city stateOrProvince postalCode country birthDate year month day governmentID ssn itin full
    lastFour legalBusinessName businessType website taxID ein industryCodes naics mcc ownersProvided metadata
    termsOfService token manual acceptedDate acceptedIP foreignID customerSupport settings cardPayment
    statementDescriptor achPayment companyName capabilities mode
    """.split()  # noqa: SIM905 - fifty literals would not read better
)
TREES: Any = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(FIELDS, inner, max_size=5)),
    max_leaves=20,
)
BODIES = st.dictionaries(FIELDS, TREES, max_size=6)

TEXT = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20).map(normalized)
ADDRESSES = st.fixed_dictionaries(
    {
        "addressLine1": TEXT,
        "city": TEXT,
        "stateOrProvince": TEXT,
        "postalCode": TEXT,
        "country": st.sampled_from(["US", "DE"]),
    },
    optional={"addressLine2": TEXT},
)
PHONES = st.fixed_dictionaries({}, optional={"number": st.just("8185551212"), "countryCode": st.just("1")})
INDIVIDUALS = st.fixed_dictionaries(
    {
        "name": st.fixed_dictionaries(
            {"firstName": TEXT, "lastName": TEXT}, optional={"middleName": TEXT, "suffix": TEXT}
        )
    },
    optional={
        "phone": PHONES,
        "email": st.just("a@b.dev"),
        "address": ADDRESSES,
        "birthDate": st.just({"year": 1989, "month": 11, "day": 10}),
        "governmentID": st.just({"ssn": {"full": SSN}}),
    },
)
BUSINESSES = st.fixed_dictionaries(
    {"legalBusinessName": TEXT},
    optional={
        "doingBusinessAs": TEXT,
        "businessType": st.just("llc"),
        "address": ADDRESSES,
        "phone": PHONES,
        "website": st.just("wbfllc.com"),
        "taxID": st.just({"ein": {"number": "123456789"}}),
        "industryCodes": st.just({"mcc": "7997"}),
    },
)
MORE = {
    "metadata": st.dictionaries(TEXT, TEXT, max_size=5),
    "customerSupport": st.fixed_dictionaries({}, optional={"phone": PHONES, "address": ADDRESSES}),
    "settings": st.fixed_dictionaries({}, optional={"achPayment": st.fixed_dictionaries({"companyName": TEXT})}),
    "capabilities": st.lists(st.sampled_from(["wallet", "transfers"]), max_size=3),
    "mode": st.sampled_from(["sandbox", "production"]),
}
ACCOUNTS = st.one_of(
    [
        st.fixed_dictionaries(
            {"accountType": st.just(kind), "profile": st.fixed_dictionaries({kind: profile})}, optional=MORE
        )
        for kind, profile in (("individual", INDIVIDUALS), ("business", BUSINESSES))
    ]
)


@pytest.fixture(scope="module")
def function() -> Iterator[ModuleType]:
    forget_process()
    module = load_function("customer")
    customers = Customers(FakeCustomers(), FakeVault(), FakeAudit(), FakeClock())
    with patch.object(module, "customers", lambda: customers):
        yield module
    forget_process()


def as_read_by_the_client(text: str) -> components.Account:
    account: components.Account = unmarshal_json(text, components.Account)
    return account


ACCOUNT = {"accountType": "individual", "profile": {"individual": {"name": {"firstName": "A", "lastName": "B"}}}}
NAMED = {"foreignID": "the same"}


@examples(300)
@given(body=BODIES, change=BODIES)
@example(body=ACCOUNT | NAMED, change=NAMED)
@example(body=ACCOUNT | NAMED, change={})
def test_any_body_is_accepted_or_refused_as_invalid(function: ModuleType, body: Any, change: Any) -> None:
    # A foreignID is unique for its user, so each account of each example belongs to another user.
    created = call(function.handler, "POST", "/accounts", body, caller=claims(str(uuid4())))
    assert created.status in (200, 422)
    who = {"caller": claims(str(uuid4()))}
    known = call(function.handler, "POST", "/accounts", ACCOUNT, **who)
    changed = call(function.handler, "PATCH", f"/accounts/{known.body['accountID']}", change, **who)
    assert changed.status in (200, 422)
    for answer in (created, changed):
        assert SSN not in answer.text or SSN in public(body) + public(change)
        if answer.status == 200:
            as_read_by_the_client(answer.text)
        else:
            assert answer.body
            assert all(isinstance(leaf, str) for leaf in leaves(answer.body))


def public(tree: Any, *, hidden: tuple[str, ...] = ("governmentID", "taxID", "birthDate")) -> str:
    if isinstance(tree, dict):
        return "".join(public(value) for name, value in tree.items() if name not in hidden)
    return json.dumps(tree)


def leaves(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict):
        for value in tree.values():
            yield from leaves(value)
    else:
        yield tree


IDENTIFIERS = {"individual": ("birthDate", "governmentID"), "business": ("taxID",)}


@examples(200)
@given(account=ACCOUNTS, changes=st.lists(ACCOUNTS, max_size=3))
def test_an_account_is_the_merge_of_its_changes_without_identifiers(
    function: ModuleType, account: Any, changes: list[Any]
) -> None:
    who = {"caller": claims()}
    answer = call(function.handler, "POST", "/accounts", account, **who)
    assert answer.status == 200, answer.text
    expected = merged({}, account)
    path = f"/accounts/{answer.body['accountID']}"
    for change in changes:
        answer = call(function.handler, "PATCH", path, change, **who)
        assert answer.status == (200 if change["accountType"] == account["accountType"] else 422), answer.text
        if answer.status == 200:
            expected = merged(expected, change)
    found = call(function.handler, "GET", path, **who)
    as_read_by_the_client(found.text)
    assert SSN not in found.text
    kind = account["accountType"]
    profile = dict(expected["profile"][kind])
    provided = {f"{name}Provided": profile.pop(name, None) is not None for name in IDENTIFIERS[kind]}
    answered = found.body["profile"][kind]
    assert {name: value for name, value in answered.items() if not name.endswith("Provided")} == profile
    assert {name: value for name, value in answered.items() if name in provided} == provided
    for name in ("metadata", "customerSupport", "settings"):
        assert found.body.get(name) == expected.get(name)
    assert found.body["mode"] == expected.get("mode", "production")
