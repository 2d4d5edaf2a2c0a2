"""Test Session with its handler and Cognito (moto, with real RS256 tokens)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from types import ModuleType
from typing import Any

import jwt
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from purser import process
from purser.aws import clients
from purser.bootstrap.health import health_checks
from purser.errors import Unauthorized
from purser.sessions.cognito import CognitoIdentityProvider
from purser.sessions.model import Tokens
from tests.support.aws import Aws
from tests.support.events import Answered, call, claims
from tests.support.functions import forget_process, load_function
from tests.support.logs import logs
from tests.support.paper import Paper
from tests.support.user_pool import PASSWORD, UserPool

AUTH = "/api/v3/auth"
SESSION = {"accessToken", "refreshToken", "tokenType", "expiresIn", "expiresAt", "expiresAtDateTime", "user"}
USER = {"id", "email", "role", "createdAt", "updatedAt"}
UNAUTHORIZED = {"data": None, "success": False, "errno": -190401, "error": "Unauthorized"}


@pytest.fixture(scope="module")
def pool(aws: Aws) -> UserPool:
    return UserPool()


@pytest.fixture(scope="module")
def function(aws: Aws, pool: UserPool, _paper_server: Paper) -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("USER_POOL_ID", pool.id)
        patch.setenv("USER_POOL_CLIENT_ID", pool.client_id)
        forget_process()
        yield load_function("session")
    forget_process()


@pytest.fixture
def ask(function: ModuleType) -> Callable[..., Answered]:
    return lambda *request, **more: call(function.handler, *request, **more)


@pytest.fixture
def login(ask: Callable[..., Answered]) -> Callable[..., Answered]:
    return lambda email, password=PASSWORD: ask("POST", f"{AUTH}/login", {"email": email, "password": password})


def said_by(token: str) -> dict[str, str]:
    """Return the claims of a token as the authorizer of the gateway passes them on."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in claims.items()}


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    class Failing:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            def fail(**_: Any) -> Any:
                raise error

            return fail

    monkeypatch.setattr("purser.sessions.cognito.cognito", Failing)


def refusal(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "InitiateAuth")


def test_the_root_shows_name_and_version(ask: Callable[..., Answered]) -> None:
    answer = ask("GET", "/api/v3")
    assert answer.status == 200
    assert answer.body == {
        "data": {"name": "Purser", "version": answer.body["data"]["version"]},
        "success": True,
        "errno": 0,
        "error": None,
    }


def test_a_login_returns_a_session(pool: UserPool, login: Callable[..., Answered]) -> None:
    user = pool.add()
    answer = login(user["email"])
    assert (answer.status, answer.body["success"], answer.body["errno"]) == (200, True, 0)
    session = answer.body["data"]
    assert set(session) == SESSION
    assert set(session["user"]) == USER
    assert session["tokenType"] == "Bearer"
    assert session["user"]["id"] == user["id"]
    assert session["user"]["email"] == user["email"]
    assert session["user"]["role"] == "user"
    assert abs(session["expiresAt"] - (time.time() + session["expiresIn"])) < 60
    for name in ("createdAt", "updatedAt"):
        assert datetime.fromisoformat(session["user"][name]).tzinfo
    assert said_by(session["accessToken"])["token_use"] == "access"


def test_a_member_of_the_group_admin_has_the_role_admin(
    pool: UserPool, login: Callable[..., Answered], ask: Callable[..., Answered]
) -> None:
    session = login(pool.add(admin=True)["email"]).body["data"]
    assert session["user"]["role"] == "admin"
    token = session["accessToken"]
    me = ask("GET", f"{AUTH}/user", headers={"Authorization": f"Bearer {token}"}, caller=said_by(token))
    assert me.body["data"] == session["user"]


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(
    pool: UserPool, login: Callable[..., Answered]
) -> None:
    wrong = login(pool.add()["email"], "Wrong-Horse-9!")
    unknown = login("nobody@example.com")
    assert wrong.status == unknown.status == 401
    assert wrong.text == unknown.text
    assert wrong.body == UNAUTHORIZED


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "email must be provided; password must be provided"),
        ({"email": "me", "password": "x"}, "email must be valid email"),
        ({"email": "a b@example.com", "password": "x"}, "email must be valid email"),
        ({"email": "a@" + "x" * 300, "password": "x"}, "email must be valid email"),
        ({"email": "a@example.com", "password": ""}, "password must not be empty"),
        ({"email": "a@example.com", "password": "x" * 257}, "password length must be less than 257"),
        ({"email": 5, "password": ["x"]}, "email must be string; password must be string"),
        ({"email": "\ud800@example.com", "password": "x"}, "malformed JSON"),
        ({"email": "a@example.com", "password": "\ud800"}, "malformed JSON"),
    ],
)
def test_invalid_input_is_refused_before_cognito_is_asked(
    ask: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch, body: Any, message: str
) -> None:
    failing(monkeypatch, AssertionError("asked"))
    answer = ask("POST", f"{AUTH}/login", body)
    assert (answer.status, answer.body["errno"]) == (400, -190001)
    assert answer.body["error"].startswith(message)


def test_refreshing_replaces_the_refresh_token(
    pool: UserPool, login: Callable[..., Answered], ask: Callable[..., Answered]
) -> None:
    session = login(pool.add()["email"]).body["data"]
    again = ask("POST", f"{AUTH}/token/refresh", {"refreshToken": session["refreshToken"]})
    assert again.status == 200
    assert set(again.body["data"]) == SESSION
    assert again.body["data"]["refreshToken"] != session["refreshToken"]
    assert again.body["data"]["accessToken"] != session["accessToken"]
    assert again.body["data"]["user"] == session["user"]


@pytest.mark.usefixtures("function")
def test_a_refresh_token_can_be_used_once(pool: UserPool) -> None:
    strict = pool.add_client(RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": 0})
    provider = CognitoIdentityProvider(pool.id, strict)
    tokens = provider.sign_in(pool.add()["email"], PASSWORD)
    assert isinstance(tokens, Tokens)
    refreshed = provider.refresh(tokens.refresh_token)
    with pytest.raises(Unauthorized):
        provider.refresh(tokens.refresh_token)
    assert provider.refresh(refreshed.refresh_token).username == tokens.username


def test_another_client_cannot_use_a_refresh_token(pool: UserPool, login: Callable[..., Answered]) -> None:
    session = login(pool.add()["email"]).body["data"]
    with pytest.raises(Unauthorized):
        CognitoIdentityProvider(pool.id, pool.add_client()).refresh(session["refreshToken"])


def test_a_token_does_not_change_the_email_address(pool: UserPool, login: Callable[..., Answered]) -> None:
    user = pool.add()
    token = login(user["email"]).body["data"]["accessToken"]
    stolen = [{"Name": "email", "Value": "thief@example.com"}]
    with pytest.raises(ClientError, match="NotAuthorizedException"):
        pool.cognito.update_user_attributes(AccessToken=token, UserAttributes=stolen)
    assert login(user["email"]).body["data"]["user"]["email"] == user["email"]


def test_a_disabled_user_is_signed_out(
    pool: UserPool, login: Callable[..., Answered], ask: Callable[..., Answered]
) -> None:
    user = pool.add()
    session = login(user["email"]).body["data"]
    caller = said_by(session["accessToken"])
    assert ask("GET", f"{AUTH}/user", caller=caller).status == 200
    pool.disable(user["email"])
    assert (ask("GET", f"{AUTH}/user", caller=caller).status, login(user["email"]).status) == (401, 401)
    assert ask("POST", f"{AUTH}/token/refresh", {"refreshToken": session["refreshToken"]}).status == 401


def test_the_case_of_an_email_address_does_not_matter(pool: UserPool, login: Callable[..., Answered]) -> None:
    user = pool.add()
    assert login(user["email"].upper()).body["data"]["user"]["email"] == user["email"]


def test_an_unknown_refresh_token_is_refused(ask: Callable[..., Answered]) -> None:
    answer = ask("POST", f"{AUTH}/token/refresh", {"refreshToken": "made-up"})
    assert (answer.status, answer.body) == (401, UNAUTHORIZED)


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", ""])
def test_a_logout_ends_every_session_of_the_user(
    pool: UserPool, login: Callable[..., Answered], ask: Callable[..., Answered], scheme: str
) -> None:
    email = pool.add()["email"]
    first_session, second_session = (login(email).body["data"] for _ in range(2))
    sent = {"Authorization": scheme + first_session["accessToken"]}
    answer = ask("POST", f"{AUTH}/logout", headers=sent, caller=said_by(first_session["accessToken"]))
    assert (answer.status, answer.body) == (200, {"data": "ok", "success": True, "errno": 0, "error": None})
    for session in (first_session, second_session):
        refreshed = ask("POST", f"{AUTH}/token/refresh", {"refreshToken": session["refreshToken"]})
        assert (refreshed.status, refreshed.body) == (401, UNAUTHORIZED)
    # The access token stays valid until it expires.
    assert ask("GET", f"{AUTH}/user", caller=said_by(first_session["accessToken"])).status == 200
    assert login(email).status == 200


@pytest.mark.parametrize("sent", [{}, {"Authorization": ""}, {"Authorization": "Basic abc"}])
def test_a_logout_needs_the_access_token_in_the_header(ask: Callable[..., Answered], sent: dict[str, str]) -> None:
    answer = ask("POST", f"{AUTH}/logout", headers=sent, caller=claims())
    assert (answer.status, answer.body) == (401, UNAUTHORIZED)


@pytest.mark.parametrize(("method", "path"), [("POST", "logout"), ("GET", "user")])
def test_logout_and_user_need_a_token(ask: Callable[..., Answered], method: str, path: str) -> None:
    answer = ask(method, f"{AUTH}/{path}", headers={"Authorization": "Bearer x"})
    assert (answer.status, answer.body) == (401, UNAUTHORIZED)


def test_the_token_of_a_deleted_user_answers_401(ask: Callable[..., Answered]) -> None:
    assert ask("GET", f"{AUTH}/user", caller=claims()).status == 401


def test_a_temporary_password_must_be_changed(
    pool: UserPool, login: Callable[..., Answered], ask: Callable[..., Answered]
) -> None:
    email = pool.add(temporary=True)["email"]
    asked = login(email)
    assert (asked.status, asked.body["success"]) == (200, True)
    assert set(asked.body["data"]) == {"challengeName", "session"}
    assert asked.body["data"]["challengeName"] == "NEW_PASSWORD_REQUIRED"

    weak = ask("POST", f"{AUTH}/challenge", asked.body["data"] | {"answer": "short"})
    assert (weak.status, weak.body["errno"]) == (400, -190001)
    assert weak.body["error"] == "answer does not meet the password policy"

    done = ask("POST", f"{AUTH}/challenge", asked.body["data"] | {"answer": "Another-Horse-9!"})
    assert done.status == 200
    assert set(done.body["data"]) == SESSION
    assert login(email).status == 401
    assert login(email, "Another-Horse-9!").status == 200


def test_a_user_with_an_authenticator_app_must_enter_a_code(
    pool: UserPool, login: Callable[..., Answered], ask: Callable[..., Answered]
) -> None:
    email = pool.add()["email"]
    pool.require_code(email)
    asked = login(email).body["data"]
    assert asked["challengeName"] == "SOFTWARE_TOKEN_MFA"
    done = ask("POST", f"{AUTH}/challenge", asked | {"answer": "123456"})
    assert done.body["data"]["user"]["email"] == email


@pytest.mark.parametrize("session", ["x", "bm90IGpzb24=", "WyJhIl0=", "W1tbW1tbW10=", "é", "WyJtZSIsICJ4Il0="])
def test_a_forged_challenge_is_refused(ask: Callable[..., Answered], session: str) -> None:
    body = {"challengeName": "SOFTWARE_TOKEN_MFA", "session": session, "answer": "123456"}
    answer = ask("POST", f"{AUTH}/challenge", body)
    assert (answer.status, answer.body) == (401, UNAUTHORIZED)


def test_an_unknown_challenge_cannot_be_answered(ask: Callable[..., Answered]) -> None:
    answer = ask("POST", f"{AUTH}/challenge", {"challengeName": "MFA_SETUP", "session": "x", "answer": "1"})
    message = "challengeName must be one of SOFTWARE_TOKEN_MFA, NEW_PASSWORD_REQUIRED"
    assert (answer.status, answer.body["error"]) == (400, message)


def test_an_unsupported_challenge_is_refused_with_its_name(
    login: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Demanding:
        def initiate_auth(self, **_: Any) -> dict[str, Any]:
            return {"ChallengeName": "MFA_SETUP", "ChallengeParameters": {}, "Session": "s"}

    monkeypatch.setattr("purser.sessions.cognito.cognito", Demanding)
    answer = login("a@example.com")
    assert (answer.status, answer.body["errno"]) == (403, -190403)
    assert answer.body["error"] == "sign-in challenge MFA_SETUP is not supported"


def test_the_answer_to_a_challenge_is_sent_with_the_user_id(
    ask: Callable[..., Answered], login: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch
) -> None:
    # RespondToAuthChallenge accepts no email (https://docs.aws.amazon.com/cognito-user-identity-pools).
    answered: list[dict[str, Any]] = []

    class Cognito:
        def initiate_auth(self, **_: Any) -> dict[str, Any]:
            known = {"USER_ID_FOR_SRP": "the-sub", "FRIENDLY_DEVICE_NAME": "phone"}
            return {"ChallengeName": "SOFTWARE_TOKEN_MFA", "ChallengeParameters": known, "Session": "a-session"}

        def respond_to_auth_challenge(self, **request: Any) -> dict[str, Any]:
            answered.append(request)
            raise refusal("CodeMismatchException")

    monkeypatch.setattr("purser.sessions.cognito.cognito", Cognito)
    asked = login("a@example.com").body["data"]
    assert ask("POST", f"{AUTH}/challenge", asked | {"answer": "123456"}).status == 401
    assert answered[0]["Session"] == "a-session"
    assert answered[0]["ChallengeResponses"] == {"USERNAME": "the-sub", "SOFTWARE_TOKEN_MFA_CODE": "123456"}


@pytest.mark.parametrize(
    ("error", "status", "errno"),
    [
        (refusal("TooManyRequestsException"), 429, -190429),
        (refusal("LimitExceededException"), 429, -190429),
        (refusal("InternalErrorException"), 503, -190500),
        (refusal("UnexpectedLambdaException"), 503, -190500),
        (EndpointConnectionError(endpoint_url="https://cognito"), 503, -190500),
        (refusal("NotAuthorizedException", "Password attempts exceeded"), 401, -190401),
        (refusal("UserNotConfirmedException"), 401, -190401),
        (refusal("PasswordResetRequiredException"), 401, -190401),
        (refusal("ResourceNotFoundException", "User pool client x does not exist."), 500, -190500),
    ],
)
def test_errors_of_cognito_are_mapped_and_not_repeated(
    login: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, errno: int
) -> None:
    failing(monkeypatch, error)
    answer = login("a@example.com")
    assert (answer.status, answer.body["errno"], answer.body["success"]) == (status, errno, False)
    assert "cognito" not in answer.text.lower()
    assert "exceeded" not in answer.text.lower()


def test_tokens_and_passwords_are_in_no_log(
    pool: UserPool, login: Callable[..., Answered], ask: Callable[..., Answered]
) -> None:
    email = pool.add()["email"]
    session = login(email).body["data"]
    me = said_by(session["accessToken"])
    sent = {"Authorization": f"Bearer {session['accessToken']}"}
    given = {"refreshToken": session["refreshToken"]}
    with logs() as written:
        answers = [
            login(email, "Leaky-Password-9!"),
            ask("POST", f"{AUTH}/logout", headers=sent, caller=me),
            ask("POST", f"{AUTH}/logout", headers=sent, caller=me),
            ask("POST", f"{AUTH}/token/refresh", given),
            ask("POST", f"{AUTH}/token/refresh", given | {"password": 1}),
            ask("POST", f"{AUTH}/challenge", {"challengeName": "x", "session": session["refreshToken"], "answer": []}),
        ]
    assert [answer.status for answer in answers] == [401, 200, 401, 401, 401, 400]
    message = written.text + "".join(answer.text for answer in answers)
    for secret in ("Leaky-Password-9!", session["accessToken"], session["refreshToken"]):
        assert secret not in message


def test_no_secret_is_logged_when_cognito_is_down(
    login: Callable[..., Answered], ask: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, EndpointConnectionError(endpoint_url="https://cognito"))
    with logs() as written:
        login("a@example.com", "Leaky-Password-9!")
        ask("POST", f"{AUTH}/token/refresh", {"refreshToken": "leaky-token"})
        ask("POST", f"{AUTH}/logout", headers={"Authorization": "Bearer leaky-token"}, caller=claims())
    assert [line["message"] for line in written.lines] == ["unavailable"] * 3
    assert "eaky" not in written.text


@pytest.fixture
def reconfigure(function: ModuleType) -> Iterator[Callable[[str, str], None]]:
    """Return a function that changes the environment of the process until the test ends."""
    with pytest.MonkeyPatch.context() as patch:

        def change(name: str, value: str) -> None:
            patch.setenv(name, value)
            forget_process()

        yield change
    forget_process()


def test_health_checks_each_dependency(ask: Callable[..., Answered], paper: Paper) -> None:
    process.forget(health_checks)
    answer = ask("GET", "/api/v3/health")
    checks = {name: {"status": "healthy"} for name in ("database", "identity", "keyManagement", "queues", "exchange")}
    assert (answer.status, answer.body["success"], answer.body["errno"]) == (200, True, 0)
    assert answer.body["data"] == {"status": "healthy", "checks": checks}
    assert (answer.body["status"], answer.body["checks"]) == ("healthy", checks)
    assert abs(answer.body["timestamp"] - time.time() * 1000) < 60_000
    assert answer.body["version"] == ask("GET", "/api/v3").body["data"]["version"]


def test_the_system_is_degraded_without_the_exchange(
    ask: Callable[..., Answered], reconfigure: Callable[[str, str], None]
) -> None:
    reconfigure("EXCHANGE_ENDPOINT", "http://127.0.0.1:9")
    answer = ask("GET", "/api/v3/health")
    assert (answer.status, answer.body["success"]) == (200, True)
    assert answer.body["data"]["status"] == "degraded"
    assert answer.body["data"]["checks"]["exchange"] == {"status": "unhealthy"}
    assert answer.body["data"]["checks"]["database"] == {"status": "healthy"}


@pytest.mark.parametrize("queue", ["SNAPSHOT", "CANCELLATION", "BACKFILL", "BILLING", "SIGNAL", "EXECUTION"])
def test_the_system_is_degraded_without_a_queue(
    ask: Callable[..., Answered], reconfigure: Callable[[str, str], None], queue: str
) -> None:
    reconfigure(f"{queue}_QUEUE_URL", "http://127.0.0.1:9/no-queue")
    data = ask("GET", "/api/v3/health").body["data"]
    assert (data["status"], data["checks"]["queues"]) == ("degraded", {"status": "unhealthy"})


def test_the_system_is_unhealthy_without_a_vital_dependency(
    ask: Callable[..., Answered], reconfigure: Callable[[str, str], None]
) -> None:
    reconfigure("USER_POOL_ID", "us-east-1_gone")
    with logs() as written:
        answer = ask("GET", "/api/v3/health")
    assert [line["dependency"] for line in written.lines] == ["identity"]
    assert answer.status == 503
    assert {name: answer.body[name] for name in ("success", "errno", "error")} == {
        "success": False,
        "errno": -190500,
        "error": "a vital dependency is down",
    }
    assert answer.body["data"]["status"] == "unhealthy"
    assert answer.body["data"]["checks"]["identity"] == {"status": "unhealthy"}
    assert "us-east-1_gone" not in json.dumps(answer.body)


def test_clients_of_health_checks_have_short_timeouts_and_no_retries(reconfigure: Callable[[str, str], None]) -> None:
    reconfigure("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # Clients of the test services have longer timeouts.
    config = clients.client("kms", tries=1, patience_s=1.5).meta.config
    assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (1.5, 1.5, 1)
