"""Test SignalAdmin and SignalWebhook with their handlers and DynamoDB Local."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from purser.aws.tables import Table
from purser.clock import now_ms
from purser.http.wire import iso
from purser.signals.store import COUNT_SHARDS, FAN_OUTS, counting
from tests.support.aws import Aws
from tests.support.aws_requests import aws_requests
from tests.support.events import Answered, LambdaContext, call, claims
from tests.support.functions import forget_process, load_function

ADMIN = "/v1/admin/strategy"
WEBHOOK = "/v1/pub/webhook/signal"
NEW = {"name": "Trend", "exchangeId": "BINANCE", "symbol": "BTC/USDT", "signalDefaults": {"stopPercent": 2}}
ENTER = {"action": "ENTER", "side": "LONG", "stop": 19000}
UNAUTHORIZED = (401, {"message": "Unauthorized"})
NOT_FOUND = (404, {"message": "route not found"})

Ask = Callable[..., Answered]


@pytest.fixture(scope="module")
def handlers(aws: Aws) -> Iterator[dict[str, Any]]:
    forget_process()
    names = ("strategy_admin", "signal_admin", "signal_webhook")
    yield {name: load_function(name).handler for name in names}
    forget_process()


@pytest.fixture
def admin(handlers: dict[str, Any]) -> Ask:
    """Return a function that sends a request, by default as an admin."""
    caller = claims(str(uuid4()), groups=["admin"])
    return lambda *request, caller=caller, **more: call(handlers["signal_admin"], *request, caller=caller, **more)


@pytest.fixture
def strategy(handlers: dict[str, Any]) -> str:
    """Return the path of a new strategy."""
    created = call(handlers["strategy_admin"], "POST", ADMIN, NEW, caller=claims(str(uuid4()), groups=["admin"]))
    return f"{ADMIN}/{created.body['id']}"


@pytest.fixture
def secret(admin: Ask, strategy: str) -> str:
    return str(admin("POST", f"{strategy}/secret").body["secret"])


@pytest.fixture
def webhook(handlers: dict[str, Any], strategy: str) -> Ask:
    """Return a function that posts a body to the webhook of the strategy, as TradingView does."""

    def post(body: Any, *, id: str = strategy.rpartition("/")[2], **headers: str) -> Answered:
        text = body if isinstance(body, str) else json.dumps(body)
        sent = {"Content-Type": "text/plain; charset=utf-8"} | headers
        return call(handlers["signal_webhook"], "POST", f"{WEBHOOK}/{id}", text, headers=sent)

    return post


def alert(action: str, secret: str, at: int | None = None, **given: Any) -> dict[str, Any]:
    body = {"secret": secret, "action": action, "timestamp": iso(at or now_ms()), "max_lag": "300"}
    return body | {"tv_exchange": "BINANCE", "tv_instrument": "BTCUSDT.P", "trigger_price": "20000.5"} | given


def listed(admin: Ask, strategy: str, **query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = admin("GET", f"{strategy}/signal/list", query=query or None).body["items"]
    return items


def test_a_signal_is_answered_and_listed_with_what_became_of_it(admin: Ask, strategy: str) -> None:
    take_profits = [{"price": 21000, "sharePercent": 40}, {"price": "22000.5", "sharePercent": "60"}]
    body = {"type": "LIMIT", "price": "19999.5", "takeProfits": take_profits, "expirySeconds": 900, "id": "first"}
    answer = admin("POST", f"{strategy}/signal", ENTER | body)
    assert answer.status == 200, answer.text
    assert answer.body == {"signalId": answer.body["signalId"], "status": "ACCEPTED", "reason": None}
    again = admin("POST", f"{strategy}/signal", ENTER | body)
    assert again.body | {"status": "DUPLICATE", "duplicateOf": answer.body["signalId"]} == again.body
    duplicate, first = listed(admin, strategy)
    assert (duplicate["status"], duplicate["duplicateOf"]) == ("DUPLICATE", answer.body["signalId"])
    assert first.items() >= {
        "id": answer.body["signalId"],
        "source": "ADMIN",
        "status": "ACCEPTED",
        "action": "ENTER",
        "side": "LONG",
        "type": "LIMIT",
        "price": 19999.5,
        "stop": {"price": 19000, "percent": None},
        "takeProfits": [
            {"price": 21000, "percent": None, "sharePercent": 40},
            {"price": 22000.5, "percent": None, "sharePercent": 60},
        ],
        "executions": [],
    }.items()  # fmt: skip


def test_the_list_counts_executions_by_state_and_reason(aws: Aws, admin: Ask, strategy: str) -> None:
    id = admin("POST", f"{strategy}/signal", ENTER).body["signalId"]
    table = Table(aws.tables["STRATEGIES_TABLE"])
    executions = [str(uuid4()) for _ in range(10 * COUNT_SHARDS)]
    for i, execution in enumerate(executions):
        state = ("OPEN", None) if i % 2 else ("SKIPPED", "MIN_EQUITY")
        _update(table, counting(table, id, execution, {state: 1}))
    _update(table, counting(table, id, executions[1], {("OPEN", None): -1, ("CLOSED", None): 1}))
    (signal,) = listed(admin, strategy)
    assert signal["executions"] == [
        {"state": "CLOSED", "reason": None, "count": 1},
        {"state": "OPEN", "reason": None, "count": 19},
        {"state": "SKIPPED", "reason": "MIN_EQUITY", "count": 20},
    ]


def _update(table: Table, part: dict[str, Any]) -> None:
    from purser.aws.tables import Transaction

    with Transaction() as write:
        write.add(part)


def test_signals_are_listed_in_pages(admin: Ask, strategy: str) -> None:
    ids = [admin("POST", f"{strategy}/signal", ENTER).body["signalId"] for _ in range(3)]
    first = admin("GET", f"{strategy}/signal/list", query={"limit": "2"}).body
    assert sorted(ids, reverse=True)[:2] == [signal["id"] for signal in first["items"]]
    rest = admin("GET", f"{strategy}/signal/list", query={"limit": "2", "nextToken": first["nextToken"]}).body
    assert ([signal["id"] for signal in rest["items"]], rest["nextToken"]) == ([min(ids)], None)
    assert admin("GET", f"{ADMIN}/{uuid4()}/signal/list", query={"nextToken": first["nextToken"]}).status == 422


def test_a_request_with_an_idempotency_key_sends_one_signal(admin: Ask, strategy: str) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = (admin("POST", f"{strategy}/signal", ENTER, headers=key) for _ in range(2))
    assert first.body == again.body
    assert len(listed(admin, strategy)) == 1


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("action", "must be provided")]),
        ({"action": "DISABLE"}, [("action", "must be one of ENTER, EXIT")]),
        ({"action": "ENTER"}, [("side", "must be provided to enter")]),
        (ENTER | {"type": "LIMIT"}, [("price", "must be provided for a limit entry")]),
        (ENTER | {"stop": "1e4"}, [("stop", "must be number")]),
        (ENTER | {"stop": -1, "expirySeconds": 0}, [
            ("stop", "must be greater than 0"), ("expirySeconds", "must be at least 1"),
        ]),
        (ENTER | {"id": ""}, [("id", "must not be empty")]),
    ],
)  # fmt: skip
def test_a_malformed_signal_is_refused_and_not_stored(
    admin: Ask, strategy: str, body: dict[str, Any], errors: list[tuple[str, str]]
) -> None:
    answer = admin("POST", f"{strategy}/signal", body)
    assert answer.status == 422, answer.text
    assert [(e["param"], e["msg"]) for e in answer.body["errors"]] == errors
    assert listed(admin, strategy) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{ADMIN}/nonsense/signal"),
        ("GET", f"{ADMIN}/nonsense/signal/list"),
        ("POST", f"{ADMIN}/nonsense/secret"),
        ("PUT", f"{ADMIN}/nonsense/mode"),
        ("PUT", "/v1/admin/trading/mode"),
    ],
)
def test_only_admins_may_trade_for_strategies(admin: Ask, method: str, path: str) -> None:
    refused = admin(method, path, {}, caller=claims(groups=["user"]))
    assert (refused.status, refused.body) == (403, {"message": "Forbidden"})
    if "nonsense" in path:
        body = {"mode": "HALTED"} if method == "PUT" else ENTER if path.endswith("signal") else None
        unknown = admin(method, path.replace("nonsense", str(uuid4())), body)
        assert (unknown.status, unknown.body) == NOT_FOUND


def test_a_secret_is_shown_once_and_nowhere_else(aws: Aws, admin: Ask, strategy: str, webhook: Ask) -> None:
    key = {"Idempotency-Key": "a secret"}
    issued = admin("POST", f"{strategy}/secret", headers=key)
    secret, signing_key = issued.body["secret"], issued.body["signingKey"]
    again = admin("POST", f"{strategy}/secret", headers=key)
    assert again.body == {"secret": None, "signingKey": None, "createdAt": issued.body["createdAt"]}
    assert webhook(alert("enter_long", secret)).body["status"] == "ACCEPTED"
    import boto3

    for table in aws.tables.values():
        items = json.dumps(boto3.client("dynamodb").scan(TableName=table)["Items"], default=str)
        assert secret not in items
        assert signing_key not in items


def test_alerts_of_3commas_and_tradingview_pass_unchanged(webhook: Ask, secret: str, strategy: str, admin: Ask) -> None:
    custom = alert("enter_long", secret, bot_uuid=strategy.rpartition("/")[2]) | {
        "order": {"amount": "100", "currency_type": "margin_percent", "order_type": "market"},
        "take_profit": {
            "enabled": True,
            "steps": [
                {"order_type": "limit", "price_percent": "1.5", "volume_percent": "50"},
                {"order_type": "limit", "price_percent": 3, "volume_percent": 50},
            ],
        },
        "stop_loss": {"enabled": True, "order_type": "market", "trigger_price_percent": "1"},
    }
    strategy_type = alert("sell", secret, at=now_ms() + 1000) | {
        "order": {"amount": "0.5", "currency_type": "base"},
        "strategy_info": {
            "market_position": "flat",
            "market_position_size": "0",
            "prev_market_position": "long",
            "prev_market_position_size": "0.5",
        },
    }
    assert webhook(custom).body["status"] == "ACCEPTED"
    assert webhook(strategy_type, **{"Content-Type": "application/json"}).body["status"] == "ACCEPTED"
    closed, opened = listed(admin, strategy)
    assert (closed["action"], closed["side"], closed["closes"]) == ("EXIT", "LONG", True)
    assert opened["stop"] == {"price": None, "percent": 1}
    assert [each["sharePercent"] for each in opened["takeProfits"]] == [50, 50]


def test_an_own_sender_signs_the_body(admin: Ask, strategy: str, webhook: Ask) -> None:
    key = admin("POST", f"{strategy}/secret").body["signingKey"]
    text = json.dumps(alert("enter_long", "") | {"secret": None})
    stamp = now_ms() // 1000
    digest = hmac.new(key.encode(), f"{stamp}.{text}".encode(), hashlib.sha256).hexdigest()
    assert webhook(text, **{"X-Purser-Signature": f"t={stamp},v1={digest}"}).body["status"] == "ACCEPTED"
    refused = webhook(text, **{"X-Purser-Signature": f"t={stamp},v1={digest[::-1]}"})
    assert (refused.status, refused.body) == UNAUTHORIZED


def test_a_wrong_secret_and_an_unknown_strategy_look_the_same(webhook: Ask, secret: str) -> None:
    answers = [
        webhook(alert("enter_long", secret), id=str(uuid4())),
        webhook(alert("enter_long", "wrong")),
        webhook("no JSON"),
        webhook(""),
    ]
    ids = {"x-request-id"}
    shown = [(a.status, a.text, {k: v for k, v in a.headers.items() if k not in ids}) for a in answers]
    assert (answers[0].status, answers[0].body) == UNAUTHORIZED
    assert all(each == shown[0] for each in shown)
    # The same requests to AWS, so that their time tells nothing either.
    with aws_requests("dynamodb", "sqs") as unknown:
        webhook(alert("enter_long", secret), id=str(uuid4()))
    with aws_requests("dynamodb", "sqs") as wrong:
        webhook(alert("enter_long", "wrong"))
    assert unknown == wrong == ["dynamodb.BatchGetItem"]


def test_a_body_of_more_than_16_kb_is_refused(webhook: Ask, secret: str) -> None:
    body = alert("enter_long", secret, note="x" * 16_384)
    assert webhook(body).status == 413
    assert webhook(body | {"note": "x" * 15_000}).body["status"] == "ACCEPTED"


def test_a_hundred_concurrent_duplicates_make_one_run(
    aws: Aws, webhook: Ask, secret: str, strategy: str, admin: Ask
) -> None:
    body = alert("enter_long", secret)
    with ThreadPoolExecutor(20) as threads:
        answers = [future.result() for future in [threads.submit(webhook, body) for _ in range(100)]]
    assert Counter(answer.body["status"] for answer in answers) == {"ACCEPTED": 1, "DUPLICATE": 99}
    (accepted,) = (answer.body["signalId"] for answer in answers if answer.body["status"] == "ACCEPTED")
    assert {answer.body.get("duplicateOf", accepted) for answer in answers} == {accepted}
    runs = Table(aws.tables["STRATEGIES_TABLE"]).query("PK = :pk", {":pk": FAN_OUTS}, consistent=True)
    id = strategy.rpartition("/")[2]
    assert [run["SK"] for run in runs if run["SK"].startswith(id)] == [f"{id}#{accepted}"]
    assert len(listed(admin, strategy, limit="100")) == 100


def test_modes_are_set_for_one_strategy_and_for_all(admin: Ask, strategy: str, webhook: Ask, secret: str) -> None:
    assert admin("PUT", f"{strategy}/mode", {"mode": "REDUCING"}).body == {"mode": "REDUCING"}
    assert webhook(alert("enter_long", secret)).body.items() >= {"status": "REFUSED", "reason": "REDUCING"}.items()
    assert admin("PUT", f"{strategy}/mode", {"mode": "ACTIVE"}).status == 200
    assert admin("PUT", f"{strategy}/mode", {"mode": "STOPPED"}).status == 422
    assert admin("PUT", "/v1/admin/trading/mode", {"mode": "HALTED"}).body == {"mode": "HALTED"}
    try:
        shown = admin("GET", f"{strategy}/signal/list").body
        refused = webhook(alert("enter_short", secret)).body
    finally:
        assert admin("PUT", "/v1/admin/trading/mode", {"mode": "ACTIVE"}).status == 200
    assert refused.items() >= {"status": "REFUSED", "reason": "HALTED"}.items()
    assert (shown["mode"], shown["tradingMode"], shown["openSide"]) == ("ACTIVE", "HALTED", None)


def bus_event(detail: dict[str, Any], id: str, at: int) -> dict[str, Any]:
    time = iso(at)[:19] + "Z"
    return {"id": id, "time": time, "source": "purser.signals", "detail-type": "strategy.signal", "detail": detail}


def test_signals_of_the_event_bus_count_once_and_malformed_ones_fail(strategy: str, admin: Ask) -> None:
    worker = load_function("signal_event_worker").handler
    detail = ENTER | {"strategyId": strategy.rpartition("/")[2], "stop": "19000.5"}
    good, old = (bus_event(detail, str(uuid4()), at) for at in (now_ms(), now_ms() - 61_000))
    malformed = [bus_event(detail | wrong, str(uuid4()), now_ms()) for wrong in ({"stop": 0}, {"strategyId": "x"})]
    unknown = bus_event(detail | {"strategyId": str(uuid4())}, str(uuid4()), now_ms())
    records = [
        {
            "messageId": str(i),
            "receiptHandle": "r",
            "body": json.dumps(event),
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "0"},
            "eventSource": "aws:sqs",
        }
        for i, event in enumerate([old, good, good, *malformed, unknown])
    ]
    failed = worker({"Records": records}, LambdaContext())["batchItemFailures"]
    assert [each["itemIdentifier"] for each in failed] == ["3", "4", "5"]
    duplicate, first, expired = listed(admin, strategy)
    assert [each["status"] for each in (expired, first, duplicate)] == ["EXPIRED", "ACCEPTED", "DUPLICATE"]
    assert (first["source"], first["stop"]) == ("EVENT", {"price": 19000.5, "percent": None})
