"""The rules of customers."""

from __future__ import annotations

from typing import Any

import pytest

from purser import retrying
from purser.actor import Actor
from purser.customers import service
from purser.customers.model import AccountType, Customer, Search, divided, merged
from purser.customers.service import Customers, NewCustomer
from purser.errors import (
    AccountDisconnected,
    AccountInUse,
    Contended,
    FieldError,
    Forbidden,
    ForeignIdTaken,
    InvalidInput,
    NotFound,
    PurserError,
    TooManyRequests,
    Unavailable,
)
from purser.http.accounts import answer
from tests.support.audit import FakeAudit
from tests.support.customers import FakeCustomers
from tests.support.fakes import FakeClock, FakeVault

JULES = {"profile": {"individual": {"name": {"firstName": "Jules", "lastName": "Jackson"}}}}


class World:
    """The customer service over fakes."""

    def __init__(self) -> None:
        self.store = FakeCustomers()
        self.clock, self.vault = FakeClock(), FakeVault()
        self.customers = Customers(self.store, self.vault, FakeAudit(), self.clock)

    def add(self, customer_id: str = "c1", owner: str = "me", **more: Any) -> Customer:
        return self.customers.create(NewCustomer(customer_id, owner, AccountType.INDIVIDUAL, {**JULES, **more}))


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("document", "change", "expected"),
    [
        # The examples of RFC 7396, appendix A, that are objects with members.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"a": "foo"}, {"a": {"b": "c"}}, {"a": {"b": "c"}}),
        ({"e": None, "f": 1}, {"a": 1}, {"e": None, "f": 1, "a": 1}),
        # A branch without values changes nothing.
        ({}, {"a": {"bb": {"ccc": None}}}, {}),
        ({"a": {"b": "c"}}, {"a": {}}, {"a": {"b": "c"}}),
        ({"a": {"b": "c"}}, {"a": {"b": None}}, {}),
    ],
)
def test_changes_are_merged_as_json_merge_patches(
    document: dict[str, Any], change: dict[str, Any], expected: dict[str, Any]
) -> None:
    before = repr(document)
    assert merged(document, change) == expected
    assert repr(document) == before


def test_identifiers_are_separated_from_public_fields() -> None:
    ssn = {"ssn": {"full": "123456789"}}
    change = {"profile": {"individual": {"email": "a@b.c", "governmentID": ssn, "birthDate": None}}, "mode": "sandbox"}
    public, secret = divided(AccountType.INDIVIDUAL, change)
    assert public == {"profile": {"individual": {"email": "a@b.c"}}, "mode": "sandbox"}
    assert secret == {"governmentID": ssn, "birthDate": None}


@pytest.mark.parametrize("change", [{}, {"profile": None}, {"profile": {}}, {"profile": {"individual": None}}])
def test_a_change_without_a_profile_has_no_identifiers(change: dict[str, Any]) -> None:
    assert divided(AccountType.INDIVIDUAL, change) == (change, {})


def test_an_identifier_without_values_is_ignored() -> None:
    change = {"profile": {"individual": {"governmentID": {"ssn": {"full": None}}}}}
    assert divided(AccountType.INDIVIDUAL, change)[1] == {}


def test_a_change_advances_version_and_time(world: World) -> None:
    first = world.add()
    world.clock.advance(5)
    second = world.customers.update("me", "c1", {"metadata": {"a": "b"}})
    assert (second.version, second.updated_at, second.created_at) == (2, first.updated_at + 5, first.created_at)
    assert second.details == {**JULES, "metadata": {"a": "b"}}


def test_a_change_is_merged_into_the_latest_version(world: World) -> None:
    world.add()
    world.store.stale = 3
    assert world.customers.update("me", "c1", {"metadata": {"a": "b"}}).details["metadata"] == {"a": "b"}


def test_a_change_gives_up_when_the_customer_keeps_changing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add()
    world.store.stale = 1000
    waits: list[int] = []
    monkeypatch.setattr(retrying, "backoff", waits.append)
    with pytest.raises(Contended):
        world.customers.update("me", "c1", {"metadata": {"a": "b"}})
    assert len(waits) == retrying.STALE_TRIES


def test_a_disconnected_customer_is_read_only(world: World) -> None:
    world.add()
    world.clock.advance(5)
    world.customers.disconnect("me", "c1")
    disconnected = world.customers.get(Actor("me"), "c1")
    assert disconnected.disconnected_at == disconnected.updated_at == world.clock.now
    with pytest.raises(AccountDisconnected):
        world.customers.update("me", "c1", {})
    with pytest.raises(AccountDisconnected):
        world.customers.disconnect("me", "c1")


def test_a_change_that_races_a_disconnection_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add()
    replace = world.store.replace

    def overtaken(before: Customer, after: Customer) -> None:
        """Disconnect the customer between the read and the write of the change."""
        monkeypatch.setattr(world.store, "replace", replace)
        world.customers.disconnect("me", "c1")
        replace(before, after)

    monkeypatch.setattr(world.store, "replace", overtaken)
    with pytest.raises(AccountDisconnected):
        world.customers.update("me", "c1", {"metadata": {"a": "b"}})
    assert world.customers.get(Actor("me"), "c1").details == JULES


def test_a_customer_in_use_cannot_be_disconnected(world: World) -> None:
    world.add()
    world.store.used.add("c1")
    with pytest.raises(AccountInUse):
        world.customers.disconnect("me", "c1")
    world.store.used.clear()
    world.customers.disconnect("me", "c1")


def test_customers_are_visible_to_their_owner_only(world: World) -> None:
    world.add()
    with pytest.raises(Forbidden):
        world.customers.get(Actor("other"), "c1")
    with pytest.raises(NotFound):
        world.customers.get(Actor("other", is_admin=True), "c2")
    assert world.customers.get(Actor("other", is_admin=True), "c1").owner_id == "me"
    with pytest.raises(Forbidden):
        world.customers.update("other", "c1", {})
    with pytest.raises(Forbidden):
        world.customers.disconnect("other", "c1")


def test_creating_again_with_the_same_id_returns_the_same_customer(world: World) -> None:
    assert world.add(metadata={"a": "b"}) == world.add(metadata={"c": "d"})
    with pytest.raises(Forbidden):
        world.add(owner="other")


def test_a_foreign_id_is_unique_for_its_owner(world: World) -> None:
    world.add("c1", foreignID="x")
    with pytest.raises(ForeignIdTaken):
        world.add("c2", foreignID="x")
    world.add("c3", owner="other", foreignID="x")


def test_identifiers_are_encrypted_for_their_place(world: World) -> None:
    secret = {"birthDate": {"year": 1989, "month": 11, "day": 10}}
    individual = {**JULES["profile"]["individual"], **secret}
    customer = world.add(profile={"individual": individual})
    ciphertext = customer.identifiers["birthDate"]
    context = {"userId": "me", "accountId": "c1", "identifier": "birthDate"}
    assert world.vault.decrypt(ciphertext, context) == '{"year": 1989, "month": 11, "day": 10}'
    assert customer.details == JULES
    assert "1989" not in repr(customer)
    cleared = world.customers.update("me", "c1", {"profile": {"individual": {"birthDate": None}}})
    assert cleared.identifiers == {}


def test_an_invalid_change_is_refused_before_encryption(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add()
    monkeypatch.setattr(world.vault, "encrypt", None)
    change = {"profile": {"individual": {"birthDate": {"day": 1}, "address": {"city": "x"}}}}
    with pytest.raises(InvalidInput):
        world.customers.update("me", "c1", change)


def test_a_search_reads_no_further_than_its_page(world: World) -> None:
    for number in range(10):
        world.add(f"c{number}", capabilities=["wallet"])
    found = world.customers.find("me", Search(), skip=2, count=3)
    assert [customer.id for customer in found] == ["c7", "c6", "c5"]
    assert world.store.rows_read == 5


def test_a_search_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SEARCHED", 5)
    for number in range(5):
        world.add(f"c{number}", foreignID=f"f{number}")
    assert world.customers.find("me", Search(name="nobody"), skip=0, count=1) == []
    world.add("c5")
    assert len(world.customers.find("me", Search(), skip=0, count=5)) == 5
    for search, skip in ((Search(name="nobody"), 0), (Search(), 5)):
        with pytest.raises(InvalidInput) as refused:
            world.customers.find("me", search, skip=skip, count=1)
        assert refused.value.field_errors[0].path == ("skip",)
    assert [c.id for c in world.customers.find("me", Search(foreign_id="f0"), skip=0, count=1)] == ["c0"]


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (Forbidden(), 403, None),
        (NotFound(), 404, None),
        (TooManyRequests(), 429, None),
        (PurserError("secret"), 500, None),
        (Unavailable(), 504, None),
        (Contended(), 504, None),
        (AccountDisconnected(), 409, {"error": "account is disconnected"}),
        (AccountInUse(), 409, {"error": "account has a wallet with a balance or a connected trading account"}),
        (ForeignIdTaken(), 409, {"error": "an account with this foreignID already exists"}),
        (
            InvalidInput([FieldError(("a", "b"), "x"), FieldError(("a", "c", 0), "y")]),
            422,
            {"a": {"b": "x", "c": {"0": "y"}}},
        ),
    ],
)
def test_errors_are_answered_as_the_accounts_api_documents(error: PurserError, status: int, body: Any) -> None:
    refusal = answer(error)
    assert (refusal.status, refusal.body) == (status, body)
