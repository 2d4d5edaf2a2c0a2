"""Transactions: which errors they raise, and what is retried."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from purser.aws import tables
from purser.aws.tables import CONFLICT_TRIES, Table, Transaction
from purser.errors import Contended, Unavailable

NEW = "attribute_not_exists(PK)"
ITEM = {"PK": "P", "SK": "A"}
FAILED, NONE = "ConditionalCheckFailed", "None"


class First(Exception):
    pass


class Second(Exception):
    pass


def test_a_condition_without_a_refusal_is_a_programming_error() -> None:
    table = Table("table")
    for part in (
        table.putting(ITEM, condition=NEW),
        table.updating("P", "A", "SET x = :x", {":x": 1}, at_version=0),
        table.deleting("P", "A", at_version=3),
        table.checking("P", "A", condition=NEW),
    ):
        with pytest.raises(TypeError, match="must name its refusal"):
            Transaction().add(part)


class Answers:
    """A DynamoDB that cancels transactions for the given reasons, one list for each try, and then accepts them."""

    def __init__(self, *reasons: list[str]) -> None:
        self.reasons = iter(reasons)
        self.calls = 0

    def transact_write_items(self, **request: Any) -> None:
        self.calls += 1
        if (codes := next(self.reasons, None)) is not None:
            raise ClientError(
                {
                    "Error": {"Code": "TransactionCanceledException"},
                    "CancellationReasons": [{"Code": code} for code in codes],
                },
                "TransactWriteItems",
            )


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    pauses: list[int] = []
    monkeypatch.setattr(tables, "backoff", pauses.append)
    return pauses


def write_to(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "client", lambda _: answers)
    table = Table("table")
    with Transaction() as write:
        write.add(table.putting(ITEM, condition=NEW), refused=First)
        write.add(table.putting({"PK": "P", "SK": "B"}, condition=NEW), refused=Second)


@pytest.mark.parametrize(
    ("codes", "error"), [([FAILED, FAILED], First), ([FAILED, NONE], First), ([NONE, FAILED], Second)]
)
def test_the_first_failed_part_decides_the_error(
    codes: list[str], error: type[Exception], pauses: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(error):
        write_to(Answers(codes), monkeypatch)


def test_a_failed_condition_is_not_retried(pauses: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers([NONE, FAILED])
    with pytest.raises(Second):
        write_to(answers, monkeypatch)
    assert (answers.calls, pauses) == (1, [])


@pytest.mark.parametrize("passing", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_conflict_is_retried_even_beside_a_failed_condition(
    passing: str, pauses: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers([passing, NONE], [FAILED, passing], [NONE, passing])
    write_to(answers, monkeypatch)
    assert (answers.calls, pauses) == (4, [0, 1, 2])


def test_a_lasting_conflict_is_contended(pauses: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(*[["TransactionConflict", NONE]] * CONFLICT_TRIES)
    with pytest.raises(Contended):
        write_to(answers, monkeypatch)
    assert answers.calls == CONFLICT_TRIES


def test_any_other_reason_is_raised_unchanged(pauses: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClientError):
        write_to(Answers(["ItemCollectionSizeLimitExceeded", NONE]), monkeypatch)


def test_an_outage_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    class Down(Answers):
        def transact_write_items(self, **request: Any) -> None:
            raise ClientError({"Error": {"Code": "InternalServerError"}}, "TransactWriteItems")

    with pytest.raises(Unavailable):
        write_to(Down(), monkeypatch)
