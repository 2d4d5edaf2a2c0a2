"""Test transactions, claims and versions on DynamoDB Local."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from purser.aws.tables import ConditionFailed, Item, Table, Transaction
from tests.support.aws import Aws
from tests.support.aws_requests import first_answers_lost

NEW = "attribute_not_exists(PK)"
THERE = "attribute_exists(PK)"


class First(Exception):
    pass


class Second(Exception):
    pass


class Found(Exception):
    def __init__(self, item: Item) -> None:
        super().__init__()
        self.item = item


def found(item: Item) -> Exception:
    return Found(item)


@pytest.fixture(scope="module")
def table(aws: Aws) -> Table:
    return Table(aws.tables["KEYS_TABLE"])


@pytest.fixture
def pk() -> str:
    return f"TEST#{uuid.uuid4()}"


def item(pk: str, sk: str = "A", **attributes: Any) -> Item:
    return {"PK": pk, "SK": sk, **attributes}


def test_a_transaction_writes_all_its_parts(table: Table, pk: str) -> None:
    table.put(item(pk, "gone"))
    table.put(item(pk, "checked", name="x"))
    with Transaction() as write:
        write.add(table.putting(item(pk, "put", name="y"), condition=NEW), refused=First)
        write.add(table.updating(pk, "updated", "SET #name = :name", {":name": "z"}, names={"#name": "name"}))
        write.add(table.deleting(pk, "gone", condition=THERE), refused=First)
        named: dict[str, Any] = {"condition": "#name = :name", "names": {"#name": "name"}, "values": {":name": "x"}}
        write.add(table.checking(pk, "checked", **named), refused=First)
    items_found = table.query("PK = :pk", {":pk": pk}, consistent=True)
    assert [(each["SK"], each["name"]) for each in items_found] == [("checked", "x"), ("put", "y"), ("updated", "z")]


def test_an_error_in_the_block_writes_nothing(table: Table, pk: str) -> None:
    with pytest.raises(First), Transaction() as write:  # noqa: PT012
        write.add(table.putting(item(pk)))
        raise First
    assert table.get(pk, "A") is None


@pytest.mark.parametrize("order", [(First, Second), (Second, First)])
def test_of_two_failed_conditions_the_error_of_the_first_part_is_raised(
    table: Table, pk: str, order: tuple[type[Exception], type[Exception]]
) -> None:
    with pytest.raises(order[0]), Transaction() as write:  # noqa: PT012
        write.add(table.putting(item(pk, "free"), condition=NEW), refused=found)
        write.add(table.checking(pk, "missing", condition=THERE), refused=order[0])
        write.add(table.deleting(pk, "missing too", condition=THERE), refused=order[1])
    assert table.get(pk, "free") is None


def test_a_refusal_gets_the_item_that_its_part_found(table: Table, pk: str) -> None:
    table.put(item(pk, "there", number=7))
    with pytest.raises(Found) as refused, Transaction() as write:
        write.add(table.putting(item(pk, "there"), condition=NEW), refused=found)
    assert refused.value.item == item(pk, "there", number=7)
    with pytest.raises(Found) as refused, Transaction() as write:
        write.add(table.deleting(pk, "missing", condition=THERE), refused=found)
    assert refused.value.item == {}


def test_the_refusal_of_every_failed_part_is_called(table: Table, pk: str) -> None:
    error = First()
    seen: list[tuple[str, Item]] = []

    def noting(name: str) -> Callable[[Item], Exception]:
        def note(found: Item) -> Exception:
            seen.append((name, found))
            return error

        return note

    table.put(item(pk, "there"))
    with pytest.raises(First), Transaction() as write:  # noqa: PT012
        write.add(table.checking(pk, "there", condition=NEW), refused=noting("one"))
        write.add(table.putting(item(pk, "free"), condition=NEW), refused=noting("free"))
        write.add(table.checking(pk, "missing", condition=THERE), refused=noting("two"))
    assert seen == [("one", item(pk, "there")), ("two", {})]


def test_a_single_write_raises_its_refusal(table: Table, pk: str) -> None:
    table.put(item(pk))
    with pytest.raises(First):
        table.put(item(pk), condition=NEW, refused=First)
    with pytest.raises(First):
        table.update(pk, "B", "SET x = :x", {":x": 1}, condition=THERE, refused=First)
    with pytest.raises(First):
        table.delete(pk, "B", condition=THERE, refused=First)
    with pytest.raises(ConditionFailed):
        table.delete(pk, "B", condition=THERE)


def test_an_item_without_a_version_is_at_version_0(table: Table, pk: str) -> None:
    table.put(item(pk, name="old"))
    with pytest.raises(ConditionFailed):
        table.put(item(pk, name="wrong"), at_version=1)
    table.put(item(pk, name="new", version=1), at_version=0)
    with pytest.raises(ConditionFailed):
        table.put(item(pk, name="wrong"), at_version=0)
    with pytest.raises(ConditionFailed):
        table.put(item(pk, name="wrong"), condition="#name = :name OR #name = :new", at_version=2, **NAMED)
    table.delete(pk, "A", condition="#name = :name OR #name = :new", at_version=1, **NAMED)
    assert table.get(pk, "A") is None


NAMED: dict[str, Any] = {"names": {"#name": "name"}, "values": {":name": "other", ":new": "new"}}


def test_of_two_claims_on_a_version_one_succeeds(table: Table, pk: str) -> None:
    table.put(item(pk, dueAt=1))
    claimed = table.claim(pk, "A", {"dueAt": 5}, at_version=0)
    assert claimed is not None
    assert (claimed["dueAt"], claimed["version"]) == (5, 1)
    assert table.claim(pk, "A", {"dueAt": 6}, at_version=0) is None
    assert table.claim(pk, "A", {"dueAt": 6}, at_version=1) is not None
    assert table.claim(pk, "A", {"dueAt": 7}, at_version=1) is None


def test_a_claim_succeeds_only_when_its_condition_holds(table: Table, pk: str) -> None:
    table.put(item(pk, leasedUntil=10))
    condition = "leasedUntil <= :now OR attribute_not_exists(leasedUntil)"
    assert table.claim(pk, "A", {"leasedUntil": 20}, condition=condition, values={":now": 9}) is None
    claimed = table.claim(pk, "A", {"leasedUntil": 20}, condition=condition, values={":now": 10})
    assert claimed is not None
    assert "version" not in claimed
    assert table.claim(pk, "A", {"leasedUntil": 30}, condition=condition, values={":now": 19}) is None


def test_claiming_a_missing_item_fails(table: Table, pk: str) -> None:
    assert table.claim(pk, "A", {"dueAt": 5}, at_version=0) is None
    assert table.claim(pk, "A", {"dueAt": 5}, condition="attribute_not_exists(leasedUntil)") is None
    assert table.get(pk, "A") is None


@pytest.mark.parametrize("on", [{"at_version": 0}, {"condition": "attribute_not_exists(leasedUntil)"}])
def test_a_claim_whose_answer_was_lost_succeeds_for_its_caller_only(table: Table, pk: str, on: dict[str, Any]) -> None:
    table.put(item(pk))
    with first_answers_lost("UpdateItem") as attempts:
        claimed = table.claim(pk, "A", {"leasedUntil": 5}, **on)
        assert claimed is not None
        assert claimed.get("version") == (1 if "at_version" in on else None)
        assert attempts == [1, 2]
        assert table.claim(pk, "A", {"leasedUntil": 6}, **on) is None
