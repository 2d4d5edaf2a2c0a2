"""Builders build once for each process, until they are forgotten or replaced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from purser import process
from purser.bootstrap.exchanges import exchange_gateway


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    process.forget()


def test_a_builder_builds_once_for_the_same_arguments() -> None:
    calls: list[str] = []

    @process.kept
    def table(name: str, *, size: int = 1) -> list[str]:
        calls.append(name)
        return [name]

    assert table("a") is table("a")
    assert table("a") is not table("b")
    assert table("a", size=2) is not table("a")
    assert calls == ["a", "b", "a"]


def test_a_failed_build_is_repeated() -> None:
    @process.kept
    def broken() -> None:
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):  # noqa: PT011
            broken()


def test_forgetting_some_leaves_the_others() -> None:
    def build() -> object:
        return object()

    first, second = process.kept(build), process.kept(build)
    before = first(), second()
    process.forget(first)
    assert first() is not before[0]
    assert second() is before[1]
    process.forget()
    assert second() is not before[1]


def test_a_replacement_is_used_until_it_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENUES_TABLE", "the table")
    double = object()
    process.replace(exchange_gateway, double)
    assert exchange_gateway() is double
    process.forget()
    assert exchange_gateway() is not double
