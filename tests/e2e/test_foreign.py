"""What is another user's answers exactly as what there is not, and nothing happens to it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.samples import ROUTES, Request
from tests.support.senders import HttpSubject

OWNED = sorted(route for route in ROUTES if "/v1/priv/" in route and "{" in route)
OF_EACH_ANSWER = {"date", "x-request-id"}


def response_to(subject: HttpSubject, request: Request) -> tuple[int, dict[str, str], bytes]:
    """All of an answer that could tell one from another."""
    status, headers, content = subject.send.raw(request)
    return status, {name: value for name, value in headers.items() if name not in OF_EACH_ANSWER}, content


@pytest.mark.parametrize("route", OWNED)
def test_foreign_is_unknown(new_subject: Callable[[], HttpSubject], route: str) -> None:
    owner, stranger = new_subject(), new_subject()
    # One who has the like himself is answered no differently.
    ROUTES[route].request(route, stranger)
    foreign = ROUTES[route].request(route, owner)
    (id,) = (part for part in foreign.path.partition("?")[0].split("/") if _is_uuid(part))
    unknown = replace(foreign, path=foreign.path.replace(id, str(uuid.uuid4())))

    status, headers, content = response_to(stranger, foreign)
    assert (status, content) == (404, b'{"message":"route not found"}')
    assert response_to(stranger, unknown) == (status, headers, content)

    assert 200 <= owner.send(foreign)[0] < 300


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
