"""Test over HTTP what each kind of caller may do: users, admins, machine clients, and callers without a token."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from local.client import Running
from tests.e2e.roles.cast import Cast, new_cast
from tests.e2e.roles.table import ADMINS, CALLERS, EVERYBODY, OWN, SCOPES, TABLE, UNKNOWN, Expected, Row, Shown
from tests.support.desk_client import ANSWERS, parsed
from tests.support.samples import ROUTES, Request, Sample, routes

IN_THE_TABLE = ("/api/v3", "/accounts", "/v1/admin")
OF_EACH_ANSWER = {"date", "x-request-id"}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def cast(system: Running) -> Iterator[Cast]:
    """Return new callers for each worker."""
    with new_cast(system) as cast_made:
        yield cast_made


def test_the_table_has_every_route_of_the_desk_accounts_and_admin_apis() -> None:
    own_routes = {route for route in routes() if route.partition(" ")[2].startswith(IN_THE_TABLE)}
    assert own_routes <= {row.route for row in TABLE} <= routes()
    assert len({row.name for row in TABLE}) == len(TABLE)
    assert SCOPES.keys() == {route for route in own_routes if route.partition(" ")[2].startswith("/accounts")}


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_every_caller_gets_the_expected_answer(cast: Cast, row: Row) -> None:
    sample = row.sample or ROUTES[row.route]
    owner = cast.subjects["machine" if row.as_machine else "user"]
    thing = getattr(owner, row.shown.thing) if row.shown else ""
    request = sample.request(row.route, owner)
    for caller in CALLERS:
        if not is_success(row.of(caller)):
            compare(cast, row, request, caller, row.of(caller))
    ask_for_unknown(cast, row, request)
    refuse_strangers(cast, row, request)

    # The refused requests had no effect, so the allowed ones succeed now.
    asked: Request | None = request
    for caller in CALLERS:
        if is_success(row.of(caller)):
            text = compare(cast, row, asked or sample.request(row.route, owner), caller, row.of(caller))
            asked = None
            if row.shown:
                assert (thing in text) == (caller in row.shown.to), (caller, thing, text)
            if caller in cast.subjects:
                sample.clean(cast.subjects[caller], json.loads(text) if text else None)


def compare(cast: Cast, row: Row, request: Request, caller: str, expected: Expected) -> str:
    """Send a request as a caller, check status and format of the answer, and return its text."""
    status, headers, text = cast.ask(request, cast.token(caller, row.route))
    assert (status, errno(text)) == (expected if isinstance(expected, tuple) else (expected, 0)), (caller, text)
    assert headers["x-request-id"]
    path = request.path.partition("?")[0]
    if path.startswith("/api/v3") and (path in ANSWERS or status >= 400):
        parsed(path, status, text)
    elif path.startswith("/accounts"):
        assert (text == "") == (status != 200), text
    elif path.startswith("/v1") and status >= 400:
        assert json.loads(text).keys() == {"message"}
    return text


def ask_for_unknown(cast: Cast, row: Row, request: Request) -> None:
    """Send the request with an unknown id, if it has an id, as each caller."""
    body = request.body if isinstance(request.body, dict) else {}
    query = parse_qs(request.path.partition("?")[2])
    in_path = UUID.search(request.path.partition("?")[0])
    for name, id in (*body.items(), *query.items(), ("path", in_path and in_path[0])):
        if name in UNKNOWN and id:
            known = id[0] if isinstance(id, list) else id
            another = str(uuid.uuid4())
            unknown = replace(
                request,
                path=request.path.replace(known, another),
                body=json.loads(json.dumps(request.body).replace(known, another)),
            )
            for caller in CALLERS:
                compare(cast, row, unknown, caller, row.of_unknown(caller, name))
            return


def refuse_strangers(cast: Cast, row: Row, request: Request) -> None:
    """Check that an invalid token is answered exactly as none. Open routes stay open with an invalid token."""
    status, headers, text = cast.ask(request, "")
    refused = status == 401
    for what, token in cast.useless.items():
        answer = cast.ask(request, token)
        assert answer[0] == status, what
        if refused:
            assert (lasting(answer[1]), answer[2]) == (lasting(headers), text), what


def lasting(headers: dict[str, str]) -> dict[str, str]:
    """Return the headers without those that differ between any two answers."""
    return {name: value for name, value in headers.items() if name not in OF_EACH_ANSWER}


def is_success(expected: Expected) -> bool:
    """Return whether the expected answer is a success."""
    return isinstance(expected, int) and 200 <= expected < 300


def errno(text: str) -> int:
    """Return the errno of an envelope, or 0 without one."""
    body = json.loads(text) if text else None
    return int(body["errno"]) if isinstance(body, dict) and "errno" in body else 0


WALLETS, KEYS = "GET /api/v3/fermata/wallet/list", "GET /v1/priv/account/exchange/key/list"


@pytest.mark.parametrize(
    "wrong",
    [
        Row(WALLETS, ADMINS),
        Row(WALLETS, EVERYBODY, Sample(query={"limit": "1000"}), shown=Shown("wallet", to=("user", "other"))),
        Row(WALLETS, EVERYBODY, Sample(query={"limit": "1000"}), shown=Shown("wallet")),
        Row(KEYS, (200, *OWN[1:])),
    ],
)
def test_a_wrong_row_of_the_table_fails(cast: Cast, wrong: Row) -> None:
    with pytest.raises(AssertionError):
        test_every_caller_gets_the_expected_answer(cast, wrong)
