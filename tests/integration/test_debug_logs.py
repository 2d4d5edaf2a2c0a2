"""Test that no secret is in a log at the level DEBUG: functions run as in Lambda, in processes of their own."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import aws_lambda_powertools
import pytest

from local.places import ROOT
from purser.aws.tables import Table
from purser.clock import now_ms
from purser.strategies.store import DynamoStrategyStore
from tests.support.audit import entry, recording
from tests.support.aws import Aws
from tests.support.events import Answered, answered, claims, proxy_event
from tests.support.function_process import FunctionProcess, started
from tests.support.paper import Paper
from tests.support.signals import SECRET, a_strategy, alert
from tests.support.user_pool import PASSWORD, UserPool

AWS_VARIABLES = (
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_DYNAMODB",
)
SNAPSHOT_VARIABLES = ("CREDENTIAL_KEY_ID", "CANCELLATION_QUEUE_URL", "BACKFILL_QUEUE_URL", "EXCHANGE_ENDPOINT")
SIGNAL_VARIABLES = ("SIGNAL_QUEUE_URL", "SIGNAL_SIGNING_KEY")

Ask = Callable[..., Answered]


@pytest.fixture(scope="module")
def pool(aws: Aws) -> UserPool:
    return UserPool()


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def ask(aws: Aws, pool: UserPool, _paper_server: Paper, tmp_path: Path, logs: Path) -> Iterator[Ask]:
    """Return a function that asks another function, by its folder's name, at DEBUG."""
    variables = {name: os.environ[name] for name in (*aws.tables, *SNAPSHOT_VARIABLES, *SIGNAL_VARIABLES)}
    variables |= {"USER_POOL_ID": pool.id, "USER_POOL_CLIENT_ID": pool.client_id, "LOG_LEVEL": "DEBUG"}
    variables |= {"STAGE": "test", "POWERTOOLS_SERVICE_NAME": "purser", "POWERTOOLS_METRICS_NAMESPACE": "Purser"}
    aws_variables = {name: os.environ[name] for name in AWS_VARIABLES}
    running: dict[str, FunctionProcess] = {}
    with ExitStack() as stack:

        def asked(name: str, *request: Any, **more: Any) -> Answered:
            if name not in running:
                function = _function(name, variables, tmp_path)
                running[name] = stack.enter_context(started(function, aws_variables, logs / f"{name}.log"))
            return answered(running[name].invoke(proxy_event(*request, **more)))

        yield asked


def _function(name: str, variables: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Return a function whose layers lead to the source and to the installed libraries."""
    layers = {"libraries": Path(aws_lambda_powertools.__file__).parents[1], "core": ROOT / "layers/core"}
    for layer, source in layers.items():
        (folder / layer).mkdir(exist_ok=True)
        if not (folder / layer / "python").exists():
            (folder / layer / "python").symlink_to(source)
    return {
        "name": name,
        "code": str(ROOT / "functions" / name),
        "layers": [str(folder / layer) for layer in layers],
        "handler": "app.handler",
        "memory": 512,
        "timeout": 60,
        "variables": variables,
        "log_format": "JSON",
        "log_level": "DEBUG",
        "properties": {},
    }


def test_no_log_at_debug_has_a_secret(ask: Ask, pool: UserPool, paper: Paper, logs: Path) -> None:
    paper.prices(BTC_USDC="20000", USDC_USDT="1", BTC_USDT="20000")
    user, key = pool.add(), paper.key(spot={"USDT": "1"})
    caller = claims(user["id"])
    login = {"email": user["email"], "password": PASSWORD}
    session = ask("session", "POST", "/api/v3/auth/login", login)
    assert session.status == 200, session.text
    tokens = [session.body["data"][name] for name in ("accessToken", "refreshToken")]
    renewed = ask("session", "POST", "/api/v3/auth/token/refresh", {"refreshToken": tokens[1]})
    assert renewed.status == 200, renewed.text
    wrong = f"Wrong-{uuid4().hex}"
    assert ask("session", "POST", "/api/v3/auth/login", login | {"password": wrong}).status == 401

    body = {"venue": "BINANCE", "credentialType": "HMAC", "apiKey": key["apiKey"], "apiSecret": key["secret"]}
    created = ask("credential", "POST", "/api/v3/credential/create", body, caller=caller)
    assert created.status == 200, created.text
    ids = {"credentialIds": [created.body["data"]["credentialId"]]}
    verified = ask("credential", "POST", "/api/v3/credential/verify", ids, caller=caller)
    assert verified.status == 200, verified.text
    assert "SPOT" in verified.text

    ssn = "123-45-6789"
    profile = {"individual": {"name": {"firstName": "Ada", "lastName": "L"}, "governmentID": {"ssn": {"full": ssn}}}}
    customer = {"accountType": "individual", "profile": profile}
    registered = ask("customer", "POST", "/accounts", customer, caller=caller)
    assert registered.status == 200, registered.text

    secrets = [PASSWORD, wrong, *tokens, renewed.body["data"]["accessToken"], key["secret"], ssn]
    assert_unlogged(secrets, logs, {"session", "credential", "customer"})


def test_no_log_at_debug_has_the_secret_of_a_strategy(aws: Aws, ask: Ask, logs: Path) -> None:
    strategy = a_strategy()
    DynamoStrategyStore(Table(aws.tables["STRATEGIES_TABLE"]), recording(aws.tables)).add(strategy, entry())
    admin, path = claims(groups=["admin"]), f"/v1/pub/webhook/signal/{strategy.id}"
    issued = ask("signal_admin", "POST", f"/v1/admin/strategy/{strategy.id}/secret", caller=admin)
    assert issued.status == 200, issued.text
    secret, wrong = issued.body["secret"], f"wrong-{uuid4().hex}"
    assert ask("signal_webhook", "POST", path, alert("enter_long", now_ms(), secret=secret)).status == 200
    assert ask("signal_webhook", "POST", path, alert("enter_long", now_ms(), secret=wrong)).status == 401
    headers = {"X-Purser-Signature": f"t=1,v1={wrong}"}
    assert ask("signal_webhook", "POST", path, alert("enter_long", now_ms()), headers=headers).status == 401
    assert_unlogged([secret, issued.body["signingKey"], wrong, SECRET], logs, {"signal_admin", "signal_webhook"})


def assert_unlogged(secrets: Sequence[str], logs: Path, functions: set[str]) -> None:
    """Assert that these functions have logs, and that no secret is in them."""
    written = {log.stem: log.read_text() for log in logs.glob("*.log")}
    assert written.keys() == functions
    for secret in secrets:
        for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")):
            assert [name for name, text in written.items() if form in text] == []
