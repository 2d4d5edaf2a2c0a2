"""Test the local gateway: events, authorizers, throttles, and its own responses.

The gateway is built on internals of the pinned SAM CLI, which these tests cover as well.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import jwt
import pytest
import requests
from joserfc.jwk import RSAKey

from local.cloud.account import client
from local.demo.people import PASSWORDS, email_of
from tests.support.local_system import LocalSystem, eventually, shared
from tests.support.small_system import GREETING, SmallSystem, begin
from tests.support.tokens import ELSEWHERE, forged, tampered, unsigned


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    with shared(tmp_path_factory, "local-gateway", begin) as running:
        yield running


@pytest.fixture(scope="module")
def small(system: LocalSystem) -> SmallSystem:
    return SmallSystem(system.state.parent)


@pytest.fixture(scope="module")
def token(system: LocalSystem) -> str:
    return system.running.token("demo")


def raw(system: LocalSystem, request: bytes) -> bytes:
    """Send bytes to the gateway, and return the answer."""
    address = urlsplit(system.url)
    with socket.create_connection((address.hostname, address.port), 30) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def test_an_event_is_as_api_gateway_sends_it(system: LocalSystem, token: str) -> None:
    answer = system.call(
        "GET", "/talk/mine/42?a=1&a=2&b=", token, headers={"X-Forwarded-For": "192.0.2.1", "User-Agent": "me"}
    )
    event = answer.json()["event"]
    context = event["requestContext"]
    port = str(urlsplit(system.url).port)
    assert event["resource"] == "/talk/mine/{id}"
    assert event["path"] == "/talk/mine/42"
    assert event["pathParameters"] == {"id": "42"}
    assert event["queryStringParameters"] == {"a": "2", "b": ""}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"], "b": [""]}
    assert (event["body"], event["isBase64Encoded"]) == (None, False)
    assert event["headers"]["X-Forwarded-For"] == "192.0.2.1, 127.0.0.1"
    assert (event["headers"]["X-Forwarded-Port"], event["headers"]["X-Forwarded-Proto"]) == (port, "http")
    assert (context["path"], context["resourcePath"]) == ("/dev/talk/mine/42", "/talk/mine/{id}")
    assert (context["identity"]["sourceIp"], context["identity"]["userAgent"]) == ("127.0.0.1", "me")
    assert context["requestId"] == answer.headers["x-request-id"]
    assert abs(context["requestTimeEpoch"] / 1000 - time.time()) < 60


def test_each_request_has_its_own_id(system: LocalSystem) -> None:
    assert len({system.call("GET", "/talk/open").headers["x-request-id"] for _ in range(3)}) == 3


def test_an_event_has_null_for_what_the_request_does_not_have(system: LocalSystem) -> None:
    event = system.call("GET", "/talk/open").json()["event"]
    empty = ("pathParameters", "queryStringParameters", "multiValueQueryStringParameters", "stageVariables", "body")
    assert [event[name] for name in empty] == [None] * 5
    assert "authorizer" not in event["requestContext"]


def test_repeated_request_headers_stay_separate(system: LocalSystem) -> None:
    answer = raw(
        system, b"GET /talk/open HTTP/1.1\r\nHost: localhost\r\nx-one: a\r\nX-One: b, c\r\nConnection: close\r\n\r\n"
    )
    event = json.loads(answer.partition(b"\r\n\r\n")[2])["event"]
    assert event["multiValueHeaders"]["x-one"] == ["a", "b, c"]
    assert event["headers"]["x-one"] == "b, c"


def test_repeated_response_headers_stay_separate(system: LocalSystem) -> None:
    answer = raw(system, b"GET /talk/open HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b"Set-Cookie: a=1\r\n" in answer
    assert b"Set-Cookie: b=2\r\n" in answer


def test_a_text_body_arrives_unchanged_also_in_chunks(system: LocalSystem) -> None:
    sent = '{"name": "Zoë ✓"}'
    assert system.call("POST", "/talk/open", data=sent.encode()).json()["event"]["body"] == sent
    chunked = system.call("POST", "/talk/open", data=iter([sent[:9].encode(), sent[9:].encode()]))
    assert chunked.json()["event"]["body"] == sent


def test_a_body_that_is_not_utf_8_arrives_as_text(system: LocalSystem) -> None:
    event = system.call("POST", "/talk/open", data=b"\xff\xfe{}").json()["event"]
    assert (event["body"], event["isBase64Encoded"]) == ("\ufffd\ufffd{}", False)


def test_a_body_of_more_than_10_mib_is_refused(system: LocalSystem) -> None:
    answer = system.call("POST", "/talk/open", data=b"x" * (10 * 2**20 + 1))
    assert (answer.status_code, answer.json()) == (413, {"message": "Too Large"})
    # Lambda's events are limited to 6 MiB. In JSON, each of these emojis takes 12 bytes.
    for sent, status in ((b"x" * 7 * 2**20, 413), (b"x" * 5 * 2**20, 200), ("😀".encode() * 6 * 2**17, 413)):
        assert system.call("POST", "/talk/open", data=sent).status_code == status
    assert system.call("POST", "/talk/open", data=b"x" * 2**20).status_code == 200


def test_a_head_request_is_answered_without_a_body(system: LocalSystem) -> None:
    answer = system.call("HEAD", "/talk/open")
    assert (answer.status_code, answer.content) == (200, b"")
    assert system.call("HEAD", "/talk/rare").status_code == 404


def test_a_method_that_a_resource_lacks_is_not_found(system: LocalSystem) -> None:
    answer = system.call("POST", "/talk/rare")
    assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})
    assert answer.headers["x-request-id"]


def test_a_route_with_the_method_comes_before_any(system: LocalSystem) -> None:
    assert system.call("GET", "/talk/own").json()["function"] == "Echo"
    assert system.call("PUT", "/talk/own").json()["function"] == "Slow"


@pytest.mark.parametrize("path", ["/anything/else", "/talk", "/", "//talk//open"])
def test_unknown_paths_go_to_the_catch_all_route(system: LocalSystem, path: str) -> None:
    if path == "/":
        # {proxy+} does not match the root. GET shows the page of the local system.
        assert system.call("POST", path).status_code == 404
        assert "Purser on this machine" in system.call("GET", path).text
        return
    assert system.call("DELETE", path, "any token").json()["event"]["resource"] == "/{proxy+}"


def test_a_preflight_request_is_answered_from_the_template(system: LocalSystem) -> None:
    answer = system.call("OPTIONS", "/talk/mine/1", headers={"Origin": "https://app.example.com"})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET,OPTIONS"
    assert answer.headers["Access-Control-Allow-Headers"] == "Authorization,Content-Type"
    assert answer.headers["x-request-id"]


def test_the_gateway_adds_no_cors_headers_to_the_answer_of_a_function(system: LocalSystem) -> None:
    assert "Access-Control-Allow-Origin" not in system.call("GET", "/talk/open").headers


def test_a_function_gets_the_claims_of_the_token_as_text(system: LocalSystem) -> None:
    admin = system.running.token("admin")
    for header in (f"Bearer {admin}", admin, f"bearer {admin}"):
        answer = requests.get(f"{system.url}/talk/mine/1", headers={"Authorization": header}, timeout=60)
        event = answer.json()["event"]
        assert event["multiValueHeaders"]["Authorization"] == [header]
        claims = event["requestContext"]["authorizer"]["claims"]
        assert claims["sub"] == claims["username"] == system.running.stack["users"]["admin"]["sub"]
        assert claims["cognito:groups"] == "admin"
        assert claims["scope"] == "aws.cognito.signin.user.admin"
        assert all(isinstance(value, str) for value in claims.values())
        assert claims["exp"].endswith(time.strftime(" UTC %Y"))


def test_a_token_lasts_as_long_as_its_client_says(token: str) -> None:
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 15 * 60


def refused_tokens(system: LocalSystem, token: str) -> Iterator[tuple[str, str]]:
    signature = token.rpartition(".")[2]
    yield "none", ""
    yield "no token", "nonsense"
    yield "tampered", token.replace(signature[:8], signature[:8][::-1])
    yield "tampered claims", tampered(token, **{"cognito:groups": ["admin"]})
    yield "unsigned", unsigned(token)
    yield "foreign key", forged(token, RSAKey.generate_key(2048))
    yield "expired", forged(token, exp=int(time.time()) - 1)
    yield "foreign pool", forged(token, iss=ELSEWHERE)
    yield "foreign client", forged(token, client_id="elsewhere")
    yield "no scope", forged(token, scope="")
    yield "another scope", forged(token, scope="things/read")
    yield "no expiry", forged(token, exp=None)
    cognito = client("cognito-idp", system.running.stack["awsUrl"])
    signed_in = cognito.initiate_auth(
        ClientId=system.resource("UserPoolClient"),
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": email_of("demo"), "PASSWORD": PASSWORDS["demo"]},
    )
    yield "ID token", signed_in["AuthenticationResult"]["IdToken"]
    yield "ID token with the scope", forged(token, token_use="id")


def test_invalid_tokens_are_refused(system: LocalSystem, token: str) -> None:
    assert system.call("GET", "/talk/mine/1", forged(token)).status_code == 200
    for what, refused in refused_tokens(system, token):
        answer = system.call("GET", "/talk/mine/1", refused)
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"}), what
        assert answer.headers["x-request-id"]
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_each_api_has_its_own_gateway_responses(system: LocalSystem) -> None:
    answer = system.call("GET", "/quiet")
    assert (answer.status_code, answer.content) == (401, b"")


def machine_token(system: LocalSystem, **given: str) -> requests.Response:
    machine = system.running.stack["machineClients"][0]
    form = {"grant_type": "client_credentials", "client_id": machine["id"], "client_secret": machine["secret"]}
    return requests.post(f"{system.url}/oauth2/token", data=form | given, timeout=60)


def test_a_machine_client_gets_tokens_with_its_scopes(system: LocalSystem) -> None:
    answer = machine_token(system, scope="things/read")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    token = answer.json()["access_token"]
    context = system.call("GET", "/quiet", token).json()["event"]["requestContext"]
    machine = system.running.stack["machineClients"][0]
    claims = context["authorizer"]["claims"]
    assert (claims["sub"], claims["client_id"], claims["scope"]) == (machine["id"], machine["id"], "things/read")
    assert system.call("GET", "/talk/mine/1", token).status_code == 401
    basic = requests.post(
        f"{system.url}/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(machine["id"], machine["secret"]),
        timeout=60,
    )
    granted = jwt.decode(basic.json()["access_token"], options={"verify_signature": False})["scope"]
    assert granted == "things/read things/write"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "unknown"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"scope": "things/delete"}, "invalid_scope"),
    ],
)
def test_invalid_requests_for_machine_tokens_are_refused(
    system: LocalSystem, given: dict[str, str], error: str
) -> None:
    answer = machine_token(system, **given)
    assert (answer.status_code, answer.json()) == (400, {"error": error})


@pytest.mark.parametrize(
    "path",
    [
        "/talk/open?do=raise",
        "/talk/open?do=exit",
        "/talk/open?do=malformed",
        "/talk/broken",
        "/talk/slow?do=sleep&seconds=9",
    ],
)
def test_a_function_that_fails_is_answered_502_and_works_again(system: LocalSystem, path: str) -> None:
    answer = system.call("GET", path)
    assert (answer.status_code, answer.json()) == (502, {"message": "Bad Gateway"})
    assert answer.headers["x-request-id"]
    assert system.call("GET", path.partition("?")[0]).status_code == (502 if "broken" in path else 200)


def test_requests_beyond_the_throttle_get_429(system: LocalSystem) -> None:
    answers = [system.call("GET", "/talk/rare") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json() == {"message": "Too Many"}


def test_the_process_of_a_function_has_the_environment_of_lambda_and_nothing_else(system: LocalSystem) -> None:
    answer_body = json.loads(system.running.invoke("Echo", {})["output"])
    assert (answer_body["name"], answer_body["memory"]) == ("Echo", "320")
    assert 5_000 < answer_body["left"] <= 10_000
    environment = answer_body["environment"]
    assert environment["EVERYWHERE"] == "us-east-1/arn:aws:sqs:us-east-1:123456789012:Jobs/right"
    assert environment["TABLE"] == "Things"
    assert environment["QUEUE_URL"] == system.resource("Jobs")
    assert environment["KEY_ID"] == system.resource("Key")
    assert re.fullmatch(r"the dev [\w-]{43}", environment["SECRET"])
    assert (environment["AWS_LAMBDA_LOG_FORMAT"], environment["AWS_LAMBDA_LOG_LEVEL"]) == ("JSON", "DEBUG")
    assert not {"HOME", "USER", "PYTEST_CURRENT_TEST", "VIRTUAL_ENV"} & environment.keys()
    assert not [place for place in answer_body["path"] if "site-packages" in place]
    layer = next(place for place in answer_body["path"] if "Shared" in place)
    runtime = next(place for place in answer_body["path"] if place.endswith(".local/runtime"))
    assert answer_body["path"].index(layer) < answer_body["path"].index(runtime)


def test_concurrent_calls_run_in_separate_processes(system: LocalSystem) -> None:
    together = threading.Barrier(5)

    def call(_: int) -> int:
        together.wait()
        pid: int = system.call("GET", "/talk/open?do=sleep&seconds=2").json()["pid"]
        return pid

    with ThreadPoolExecutor(5) as pool:
        assert len(set(pool.map(call, range(5)))) == 5


def test_calls_beyond_the_number_of_processes_wait(system: LocalSystem) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: system.call("GET", "/talk/open?do=sleep&seconds=0.1"), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["pid"] for answer in answers}) < 20


def test_changes_of_source_files_take_effect(system: LocalSystem, small: SmallSystem) -> None:
    def answer_body(name: str) -> str:
        value: str = json.loads(system.running.invoke("Echo", {})["output"])[name]
        return value

    assert (answer_body("word"), answer_body("greeting")) == ("first", "hello")
    source = small.function("echo")
    source.write_text(source.read_text().replace('"first"', '"second"'))
    eventually(lambda: answer_body("word") == "second")
    small.package.write_text(GREETING.format("good evening"))
    eventually(lambda: answer_body("greeting") == "good evening")


def test_the_log_of_a_function_has_details_that_the_console_does_not_show(system: LocalSystem) -> None:
    system.call("GET", "/talk/open?do=raise")
    eventually(lambda: "secret detail" in (system.state / "logs/Echo.log").read_text())
    console = (system.state / "run.log").read_text()
    assert "Echo failed: ValueError" in console
    assert "secret detail" not in console
