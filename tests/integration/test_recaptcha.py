"""Test reCAPTCHA v3 on the customer API with Secrets Manager (moto) and a double of Google."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from pydantic import BaseModel

from purser.aws.secrets import Secret
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.customer import customer_app
from purser.settings import settings
from tests.support.aws import Aws
from tests.support.events import Answered, call, claims
from tests.support.functions import forget_process
from tests.support.google import SECRET, Google
from tests.support.logs import logs

PATH = "/v1/priv/things"


class Body(BaseModel):
    name: str


@pytest.fixture
def google() -> Iterator[Google]:
    with Google().serve() as served:
        yield served


@pytest.fixture
def configure(aws: Aws, google: Google) -> Iterator[Callable[..., None]]:
    with pytest.MonkeyPatch.context() as patch:

        def configure(secret: str | None = SECRET, url: str = google.url) -> None:
            name = f"recaptcha-{uuid4()}"
            if secret:
                boto3.client("secretsmanager").create_secret(Name=name, SecretString=secret)
            patch.setenv("RECAPTCHA_SECRET_ID", name)
            patch.setenv("RECAPTCHA_VERIFY_URL", url)
            forget_process()

        yield configure
    forget_process()


@pytest.fixture
def ask(configure: Callable[..., None]) -> Callable[..., Answered]:
    """Return a function that sends a request to an app of the customer API with reCAPTCHA configured."""
    configure()
    return sender()


def sender() -> Callable[..., Answered]:
    app = customer_app()
    done: list[str] = []

    def act(caller: SignedIn, body: Body) -> dict[str, int]:
        done.append(body.name)
        return {"done": len(done)}

    def look(caller: SignedIn) -> dict[str, int]:
        return {"done": len(done)}

    for path in (PATH, "/v1/admin/things"):
        for register in (app.post, app.put, app.delete):
            register(path)(act)
        app.get(path)(look)
    handler = entry_point(app)

    def send(method: str, token: str | None = None, path: str = PATH, body: Any = None) -> Answered:
        headers = {"ReCaptcha-Token-V3": token} if token is not None else {}
        sent = None if method == "GET" else body or {"name": "x"}
        return call(handler, method, path, sent, headers=headers, caller=claims())

    return send


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_change_needs_a_token_that_is_used_once(ask: Callable[..., Answered], google: Google, method: str) -> None:
    without = ask(method)
    assert (without.status, without.body) == (403, {"message": "reCAPTCHA token is missing"})
    token = google.token()
    assert ask(method, token).body == {"done": 1}
    assert google.asked == [{"secret": SECRET, "response": token}]
    again = ask(method, token)
    assert (again.status, again.body) == (403, {"message": "reCAPTCHA token is not accepted"})
    assert ask("GET").body == {"done": 1}


def test_reads_and_admin_routes_need_no_token(ask: Callable[..., Answered], google: Google) -> None:
    assert ask("GET").status == 200
    assert ask("POST", path="/v1/admin/things").status == 200
    assert google.asked == []


@pytest.mark.parametrize(
    "token",
    [
        {"score": 0.49},
        {"score": 0},
        {"score": None},
        {"score": "high"},
        {"age": timedelta(minutes=2, seconds=5)},
        {"age": timedelta(minutes=-3)},
        {"challenge_ts": "yesterday"},
        {"challenge_ts": "2022-09-16T15:09:49"},
        {"challenge_ts": None},
        {"success": False},
        {"success": "true"},
    ],
)
def test_tokens_with_low_score_or_wrong_time_are_refused(
    ask: Callable[..., Answered], google: Google, token: dict[str, Any]
) -> None:
    answer = ask("POST", google.token(**token))
    assert (answer.status, answer.body) == (403, {"message": "reCAPTCHA token is not accepted"})
    assert ask("GET").body == {"done": 0}


@pytest.mark.parametrize("token", [{"score": 0.5}, {"score": 1}, {"age": timedelta(seconds=115)}])
def test_tokens_at_the_limits_are_accepted(ask: Callable[..., Answered], google: Google, token: dict[str, Any]) -> None:
    assert ask("POST", google.token(**token)).status == 200


@pytest.mark.parametrize("token", ["", "x" * 8193])
def test_malformed_tokens_are_not_sent_to_google(ask: Callable[..., Answered], google: Google, token: str) -> None:
    assert ask("POST", token).status == 403
    assert google.asked == []


def test_the_token_is_checked_before_the_body(ask: Callable[..., Answered]) -> None:
    assert ask("POST", body={"name": 5}).status == 403


@pytest.mark.parametrize("broken", [(500, b"{}"), (200, b"<html>"), (200, b"[1]"), (200, b"null"), (404, b"")])
def test_a_failure_of_google_answers_503_and_changes_nothing(
    ask: Callable[..., Answered], google: Google, broken: tuple[int, bytes]
) -> None:
    google.broken_with = broken
    answer = ask("POST", google.token())
    assert (answer.status, set(answer.body)) == (503, {"message"})
    assert ask("GET").body == {"done": 0}


def test_an_unreachable_google_answers_503(configure: Callable[..., None]) -> None:
    configure(url="http://127.0.0.1:9/")
    assert sender()("POST", "token").status == 503


def test_a_secret_that_google_refuses_answers_503_and_is_not_logged(
    configure: Callable[..., None], google: Google
) -> None:
    configure(secret="a-wrong-secret")
    with logs() as written:
        answer = sender()("POST", google.token())
    assert answer.status == 503
    assert written.lines[0]["message"] == "unavailable"
    assert "a-wrong-secret" not in written.text + answer.text


def test_secret_and_token_are_in_no_log(configure: Callable[..., None], google: Google) -> None:
    configure(url="http://127.0.0.1:9/")
    with logs() as written:
        answer = sender()("POST", "the-token")
    assert written.lines
    for secret_text in (SECRET, "the-token"):
        assert secret_text not in written.text + answer.text


def test_a_missing_secret_answers_500(configure: Callable[..., None], google: Google) -> None:
    configure(secret=None)
    assert sender()("POST", google.token()).status == 500


def test_the_secret_is_read_again_after_five_minutes(ask: Callable[..., Answered], google: Google) -> None:
    now = [0.0]
    secret_id = settings().recaptcha_secret_id
    secret = Secret(secret_id, clock=lambda: now[0])
    assert secret.value() == SECRET
    boto3.client("secretsmanager").put_secret_value(SecretId=secret_id, SecretString="new")
    now[0] = 299
    assert secret.value() == SECRET
    now[0] = 300
    assert secret.value() == "new"


def test_without_recaptcha_its_module_is_not_loaded() -> None:
    code = "import sys; from purser.http.customer import customer_app; customer_app();"
    code += "print('purser.http.recaptcha' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    environment = {"PYTHONPATH": str(root / "layers/core"), "POWERTOOLS_SERVICE_NAME": "test"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
