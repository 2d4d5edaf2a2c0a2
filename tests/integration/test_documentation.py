"""Test Documentation: the page and the OpenAPI document as a browser gets them."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.support.events import call
from tests.support.functions import forget_process, load_function
from tests.support.openapi import document

VOID = {"meta", "br"}


@pytest.fixture(scope="module")
def handler() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLOWED_ORIGINS", "https://app.example.com")
        forget_process()
        yield load_function("documentation").handler
    forget_process()


class Page(HTMLParser):
    """The tags, ids, links and text of a page. Raises AssertionError if a tag is not closed properly."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        assert not [name for name in given if name.startswith("on") or name == "src"]
        if element_id := given.get("id"):
            self.ids.append(element_id)
        self.links |= {given["href"] or ""} if "href" in given else set()
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_document_that_is_served_is_the_one_in_git(handler: Any) -> None:
    answer = call(handler, "GET", "/v1/docs/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.body == document()
    assert answer.headers["cache-control"] == "public, max-age=300"


def test_the_page_shows_every_operation_and_schema(handler: Any) -> None:
    answer = call(handler, "GET", "/v1/docs")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = Page(answer.text)
    operations = {operation["operationId"] for item in document()["paths"].values() for operation in item.values()}
    assert len(page.ids) == len(set(page.ids))
    assert operations | document()["components"]["schemas"].keys() <= set(page.ids)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    for shown in ("/v1/priv/account/exchange/key/{id}", "Idempotency-Key", "1 to 24 characters", "-140004", "(1103)"):
        assert shown in page.text


def test_the_page_has_no_scripts_and_loads_nothing(handler: Any) -> None:
    answer = call(handler, "GET", "/v1/docs")
    page = Page(answer.text)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "form"}
    assert {link for link in page.links if not link.startswith("#")} == {"docs/openapi.json"}
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("path", ["/v1/docs", "/v1/docs/openapi.json"])
def test_cors_allows_to_read_page_and_document(handler: Any, path: str) -> None:
    answer = call(handler, "GET", path, headers={"Origin": "https://app.example.com"})
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert call(handler, "HEAD", path).text == ""
