"""Transactions, claims and versions on DynamoDB Local."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from purser.aws import tables
from purser.aws.tables import CONFLICT_TRIES, ConditionFailed, Item, Table, Transaction
from purser.errors import Contended, Unavailable

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


@pytest.fixture(scope="module")
def table(aws) -> Table:
    return Table(aws.tables["KEYS_TABLE"])


@pytest.fixture
def pk() -> str:
    return f"TEST#{uuid.uuid4()}"


def item(pk: str, sk: str = "A", **attributes: Any) -> Item:
    return {"PK": pk, "SK": sk, **attributes}


def test_all_parts_are_written(table: Table, pk: str) -> None:
    table.put(item(pk, "gone"))
    table.put(item(pk, "checked", name="x"))
    with Transaction() as write:
        write.add(table.putting(item(pk, "put", name="y"), condition=NEW), refused=First)
        write.add(table.updating(pk, "updated", "SET #name = :name", {":name": "z"}, names={"#name": "name"}))
        write.add(table.deleting(pk, "gone", condition=THERE), refused=First)
        named = {"condition": "#name = :name", "names": {"#name": "name"}, "values": {":name": "x"}}
        write.add(table.checking(pk, "checked", **named), refused=First)
    found = table.query("PK = :pk", {":pk": pk}, consistent=True)
    assert [(each["SK"], each["name"]) for each in found] == [("checked", "x"), ("put", "y"), ("updated", "z")]


def test_an_error_in_the_block_writes_nothing(table: Table, pk: str) -> None:
    with pytest.raises(First), Transaction() as write:  # noqa: PT012
        write.add(table.putting(item(pk)))
        raise First
    assert table.get(pk, "A") is None


@pytest.mark.parametrize("order", [(First, Second), (Second, First)])
def test_of_two_failed_conditions_the_first_parts_error_is_raised(table: Table, pk: str, order) -> None:
    with pytest.raises(order[0]), Transaction() as write:  # noqa: PT012
        write.add(table.putting(item(pk, "free"), condition=NEW), refused=lambda found: Found(found))
        write.add(table.checking(pk, "missing", condition=THERE), refused=order[0])
        write.add(table.deleting(pk, "missing too", condition=THERE), refused=order[1])
    assert table.get(pk, "free") is None


def test_a_refusal_sees_what_its_part_has_found(table: Table, pk: str) -> None:
    table.put(item(pk, "there", number=7))
    with pytest.raises(Found) as refused, Transaction() as write:
        write.add(table.putting(item(pk, "there"), condition=NEW), refused=lambda found: Found(found))
    assert refused.value.item == item(pk, "there", number=7)
    with pytest.raises(Found) as refused, Transaction() as write:
        write.add(table.deleting(pk, "missing", condition=THERE), refused=lambda found: Found(found))
    assert refused.value.item == {}


def test_one_error_can_tell_of_all_failed_parts(table: Table, pk: str) -> None:
    error, seen = First(), []

    def noting(name: str) -> Callable[[Item], Exception]:
        return lambda found: seen.append((name, found)) or error

    table.put(item(pk, "there"))
    with pytest.raises(First), Transaction() as write:  # noqa: PT012
        write.add(table.checking(pk, "there", condition=NEW), refused=noting("one"))
        write.add(table.putting(item(pk, "free"), condition=NEW), refused=noting("free"))
        write.add(table.checking(pk, "missing", condition=THERE), refused=noting("two"))
    assert seen == [("one", item(pk, "there")), ("two", {})]


def test_a_condition_without_a_refusal_is_a_programming_error(table: Table, pk: str) -> None:
    for part in (
        table.putting(item(pk), condition=NEW),
        table.updating(pk, "A", "SET x = :x", {":x": 1}, at_version=0),
        table.deleting(pk, "A", at_version=3),
        table.checking(pk, "A", condition=NEW),
    ):
        with pytest.raises(TypeError, match="must name its refusal"), Transaction() as write:
            write.add(part)


class Answers:
    """A DynamoDB that cancels transactions for the given reasons, one list a try, and then takes them."""

    def __init__(self, *reasons: list[str]) -> None:
        self.reasons = iter(reasons)
        self.calls = 0

    def transact_write_items(self, **request: Any) -> None:
        self.calls += 1
        if (codes := next(self.reasons, None)) is not None:
            error = {
                "Error": {"Code": "TransactionCanceledException"},
                "CancellationReasons": [{"Code": c} for c in codes],
            }
            raise ClientError(error, "TransactWriteItems")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    pauses: list[int] = []
    monkeypatch.setattr(tables, "backoff", pauses.append)
    return pauses


def write_to(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "client", lambda _: answers)
    table = Table("table")
    with Transaction() as write:
        write.add(table.putting(item("pk", "a"), condition=NEW), refused=First)
        write.add(table.putting(item("pk", "b"), condition=NEW), refused=Second)


FAILED, NONE = "ConditionalCheckFailed", "None"


def test_a_failed_condition_is_never_tried_again(pauses, monkeypatch) -> None:
    answers = Answers([NONE, FAILED])
    with pytest.raises(Second):
        write_to(answers, monkeypatch)
    assert (answers.calls, pauses) == (1, [])


@pytest.mark.parametrize("passing", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_conflict_is_tried_again_also_beside_a_failed_condition(passing: str, pauses, monkeypatch) -> None:
    answers = Answers([passing, NONE], [FAILED, passing], [NONE, passing])
    write_to(answers, monkeypatch)
    assert (answers.calls, pauses) == (4, [0, 1, 2])


def test_a_conflict_that_does_not_end_is_contended(pauses, monkeypatch) -> None:
    answers = Answers(*[["TransactionConflict", NONE]] * CONFLICT_TRIES)
    with pytest.raises(Contended):
        write_to(answers, monkeypatch)
    assert answers.calls == CONFLICT_TRIES


def test_another_reason_is_the_error_itself(pauses, monkeypatch) -> None:
    with pytest.raises(ClientError):
        write_to(Answers(["ItemCollectionSizeLimitExceeded", NONE]), monkeypatch)


def test_an_outage_is_unavailable(monkeypatch) -> None:
    class Down:
        def transact_write_items(self, **request: Any) -> None:
            raise ClientError({"Error": {"Code": "InternalServerError"}}, "TransactWriteItems")

    with pytest.raises(Unavailable):
        write_to(Down(), monkeypatch)


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


def test_a_claim_on_a_condition(table: Table, pk: str) -> None:
    table.put(item(pk, leasedUntil=10))
    condition = "leasedUntil <= :now OR attribute_not_exists(leasedUntil)"
    assert table.claim(pk, "A", {"leasedUntil": 20}, condition=condition, values={":now": 9}) is None
    claimed = table.claim(pk, "A", {"leasedUntil": 20}, condition=condition, values={":now": 10})
    assert claimed is not None
    assert "version" not in claimed
    assert table.claim(pk, "A", {"leasedUntil": 30}, condition=condition, values={":now": 19}) is None


def test_nothing_is_no_claim(table: Table, pk: str) -> None:
    assert table.claim(pk, "A", {"dueAt": 5}, at_version=0) is None
    assert table.claim(pk, "A", {"dueAt": 5}, condition="attribute_not_exists(leasedUntil)") is None
    assert table.get(pk, "A") is None


@pytest.fixture
def answers_lost() -> Iterator[list[str]]:
    """Makes the SDK send every update twice, as it does when the first one's answer is lost."""
    from purser.aws.clients import client

    sent: list[str] = []
    events = client("dynamodb").meta.events

    def lose(operation: Any, attempts: int, **_: Any) -> float | None:
        sent.append(operation.name)
        return 0.0 if attempts == 1 else None

    events.register_first("needs-retry.dynamodb.UpdateItem", lose)
    yield sent
    events.unregister("needs-retry.dynamodb.UpdateItem", lose)


@pytest.mark.parametrize("on", [{"at_version": 0}, {"condition": "attribute_not_exists(leasedUntil)"}])
def test_a_claim_whose_answer_was_lost_is_the_callers(table: Table, pk: str, on, answers_lost) -> None:
    table.put(item(pk))
    assert table.claim(pk, "A", {"leasedUntil": 5}, **on) is not None
    assert answers_lost == ["UpdateItem"] * 2
    assert table.claim(pk, "A", {"leasedUntil": 6}, **on) is None
