"""Test that entities of other users look exactly like unknown ones, and that requests do not change them."""

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
    """Return all parts of an answer that could differ between the two requests."""
    status, headers, content = subject.send.raw(request)
    return status, {name: value for name, value in headers.items() if name not in OF_EACH_ANSWER}, content


@pytest.mark.parametrize("route", OWNED)
def test_a_request_for_the_entity_of_another_user_answers_as_for_an_unknown_id(
    new_subject: Callable[[], HttpSubject], route: str
) -> None:
    owner, stranger = new_subject(), new_subject()
    # The stranger has an entity of the same kind, which must make no difference.
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
