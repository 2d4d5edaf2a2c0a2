"""Test AccountExchange with its handler, DynamoDB Local, KMS (moto), ccxt and the paper exchange."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from types import ModuleType
from typing import Any
from uuid import uuid4

import boto3
import pytest

from purser.aws.clients import client
from purser.aws.integrity import ALARMING
from purser.aws.tables import Table, Transaction
from purser.credentials.model import SealedCredential
from purser.disconnecting.model import Cancellation
from purser.disconnecting.store.cancellations import DynamoCancellationStore
from purser.errors import StoredDataRefused
from purser.exchanges import transport
from purser.exchanges.model import TradeType, Venue
from purser.http.paging import page_token
from purser.plans.model import CATALOG
from purser.trading_accounts.model import AccountValuation, ApiKeyStatus, StaleAccounts, StrategyType, TradingAccount
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from tests.support.accounts import sealed_credential, trading_account
from tests.support.aws import Aws
from tests.support.budget import end_cooldowns
from tests.support.events import Answered, LambdaContext, answered, claims, proxy_event
from tests.support.functions import forget_process, load_function
from tests.support.logs import logs
from tests.support.paper import Paper

KEYS = "/v1/priv/account/exchange/key"
BASIC, _, PROFESSIONAL, _ = CATALOG
DOCUMENTED = {"id", "exchangeId", "tradeType", "strategyType", "active", "name"}
DOCUMENTED |= {"apiKeyStatus", "apiKey", "createdAt", "updatedAt"}


@dataclass
class User:
    """A user who calls the function."""

    function: ModuleType
    id: str

    def call(self, method: str, path: str, body: Any = None, **given: Any) -> Answered:
        event = proxy_event(method, path, body, caller=claims(self.id), **given)
        return answered(self.function.handler(event, LambdaContext()))

    def grant(self, plan_id: str) -> User:
        from purser.bootstrap.billing import subscriptions

        subscriptions().grant(self.id, plan_id)
        return self

    def add(self, key: dict[str, str], **given: Any) -> Answered:
        return self.call("POST", KEYS, new_key(key, **given))


def new_key(key: dict[str, str], **given: Any) -> dict[str, Any]:
    body = {"exchangeId": "BINANCE", "tradeType": "SPOT", "strategyType": "MANUAL", "name": "Default"}
    return body | {"apiKey": key["apiKey"], "apiSecretKey": key["secret"]} | given


@pytest.fixture(scope="module")
def function(aws: Aws, _paper_server: Paper) -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EGRESS_LANES", "a=15.137.11.254, b=221.110.159.85 weight 0")
        forget_process()
        yield load_function("account_exchange")
    forget_process()


@pytest.fixture
def someone(function: ModuleType) -> Callable[[], User]:
    return lambda: User(function, str(uuid4()))


@pytest.fixture
def user(someone: Callable[[], User]) -> User:
    return someone().grant(BASIC.id)


def items_of(user: User) -> list[dict[str, Any]]:
    answer = boto3.client("dynamodb").query(
        TableName="KeysTable",
        KeyConditionExpression="PK = :pk",
        ExpressionAttributeValues={":pk": {"S": f"USER#{user.id}"}},
    )
    return list(answer["Items"])


def test_the_addresses_to_whitelist_are_listed(user: User) -> None:
    answer = user.call("GET", "/v1/priv/account/exchange/whitelist/ip")
    assert (answer.status, answer.body) == (200, ["15.137.11.254", "221.110.159.85"])


@pytest.mark.parametrize("name", ["a\r\nb", "a\0b", "a\u202eb", " ", "\u200d"])
def test_a_name_with_control_characters_or_no_visible_ones_is_refused(user: User, name: str) -> None:
    for answer in (
        user.call("POST", KEYS, new_key({"apiKey": "key", "secret": "secret"}, name=name)),
        user.call("PUT", f"{KEYS}/{uuid4()}", {"name": name}),
    ):
        assert answer.status == 422
        assert [error["param"] for error in answer.body["errors"]] == ["name"]


def test_a_name_counts_characters_in_unicode_composed_form(user: User, paper: Paper) -> None:
    added = user.call("POST", KEYS, new_key(paper.key(), name="e\u0301" * 24))
    assert (added.status, added.body["name"]) == (200, "\u00e9" * 24)


def test_a_key_is_connected_listed_read_renamed_and_disconnected(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDT": "1000.5"})
    added = user.add(key)
    assert added.status == 200, added.text
    assert set(added.body) == DOCUMENTED
    assert added.body["apiKeyStatus"] == "AUTHORIZED"
    assert user.call("GET", f"{KEYS}/list").body == {"items": [added.body]}

    one = f"{KEYS}/{added.body['id']}"
    balance = user.call("GET", f"{one}/balance")
    assert set(balance.body) == {"free", "used", "total"}
    assert balance.body["total"]["USDT"] == 1000.5

    renamed = user.call("PUT", one, {"name": "Change to different"})
    assert renamed.body == added.body | {"name": "Change to different", "updatedAt": renamed.body["updatedAt"]}

    deleted = user.call("DELETE", one)
    assert (deleted.status, deleted.text) == (204, "")
    assert user.call("DELETE", one).status == 404
    assert user.call("GET", f"{KEYS}/list").body == {"items": []}


def test_limits_for_strategies_are_set_shown_and_removed(user: User, paper: Paper) -> None:
    added = user.add(paper.key(spot={"USDT": "1"})).body
    one = f"{KEYS}/{added['id']}"
    limits = {"maxDailyLossPercent": 2.5, "maxOpenTrades": 3}
    limited = user.call("PUT", one, limits).body
    assert limited == added | limits | {"updatedAt": limited["updatedAt"]}
    assert user.call("GET", f"{KEYS}/list").body == {"items": [limited]}
    assert set(user.call("PUT", one, dict.fromkeys(limits)).body) == DOCUMENTED


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("maxDailyLossPercent", 0, "must be greater than 0"),
        ("maxDailyLossPercent", 101, "must be at most 100"),
        ("maxOpenTrades", 0, "must be at least 1"),
        ("maxOpenTrades", 101, "must be at most 100"),
    ],
)
def test_a_wrong_limit_is_a_field_error(user: User, field: str, value: Any, message: str) -> None:
    refused = user.call("PUT", f"{KEYS}/{uuid4()}", {field: value})
    assert refused.status == 422
    assert refused.body == {"errors": [{"value": value, "msg": message, "param": field, "location": "body"}]}


def test_connecting_a_key_stores_and_enqueues_a_backfill(user: User, paper: Paper, aws: Aws) -> None:
    added = user.add(paper.key(spot={"USDT": "1"}))
    record = Table("KeysTable").get("BACKFILLS", added.body["id"])
    assert record is not None
    assert record["userId"] == user.id
    assert record["correlationId"] == added.headers["x-request-id"]
    asked = dict[str, str]()
    while added.body["id"] not in asked:  # Other tests connect keys, too.
        received = boto3.client("sqs").receive_message(QueueUrl=aws.backfill_queue_url, MaxNumberOfMessages=10)
        bodies = [json.loads(message["Body"]) for message in received["Messages"]]
        asked |= {body["tradingAccountId"]: body.get("correlationId") for body in bodies}
    assert asked[added.body["id"]] == record["correlationId"]


def test_no_backfill_is_stored_for_a_refused_key(user: User, paper: Paper) -> None:
    waiting = {item["SK"] for item in Table("KeysTable").query("PK = :pk", {":pk": "BACKFILLS"})}
    assert user.add(paper.key(withdrawals=True)).status == 433
    assert {item["SK"] for item in Table("KeysTable").query("PK = :pk", {":pk": "BACKFILLS"})} == waiting


def test_futures_keys_show_their_margin_balance(user: User, paper: Paper) -> None:
    key = paper.key(futures={"USDT": "2383.52587258"})
    added = user.add(key, tradeType="FUTURES", strategyType="AUTOMATED")
    balance = user.call("GET", f"{KEYS}/{added.body['id']}/balance")
    assert '"USDT":2383.52587258' in balance.text


def test_the_total_balance_is_the_sum_of_the_latest_values_of_active_keys(user: User, paper: Paper) -> None:
    assert user.call("GET", "/v1/priv/account/exchange/balance").body == {"USD": 0}
    paper.prices(USDC_USDT="1")
    first = user.add(paper.key(spot={"USDC": "1000.123"}))
    user.add(paper.key(futures={"USDC": "500"}), tradeType="FUTURES")
    assert json.loads(user.call("GET", "/v1/priv/account/exchange/balance").text, parse_float=Decimal) == {
        "USD": Decimal("1500.123")
    }
    user.call("PUT", f"{KEYS}/{first.body['id']}", {"active": False})
    assert user.call("GET", "/v1/priv/account/exchange/balance").body == {"USD": 500}


def refusal(answer: Answered) -> tuple[int, Any]:
    return answer.status, answer.body


def test_create_key_refuses_with_the_documented_errors(someone: Callable[[], User], user: User, paper: Paper) -> None:
    without_plan = someone()
    key = paper.key(spot={"USDT": "1000"}, futures={"USDT": "500"})
    assert refusal(without_plan.add(key)) == (433, {"error": "exceed subscription max API key limit (2129a)"})

    wrong = user.add(key | {"secret": "x" * 64})
    assert refusal(wrong) == (433, {"error": "exchange API authorization failed (1103)"})

    withdrawing = paper.key(spot={"USDT": "1"}, withdrawals=True)
    assert refusal(user.add(withdrawing)) == (433, {"error": "exchange API key must not allow withdrawals (1130)"})

    spot_only = paper.key(spot={"USDT": "1"}, may_trade_futures=False)
    assert refusal(user.add(spot_only, tradeType="FUTURES"))[1] == {"error": "exchange API authorization failed (1103)"}

    rich = paper.key(spot={"USDC": "2500.01"})
    assert refusal(user.add(rich)) == (433, {"error": "exceed subscription max API balance limit (2129b)"})

    assert user.add(key).status == 200
    again = (433, {"error": "exchange API key already exist (1109)"})
    assert refusal(user.add(key)) == again
    assert refusal(someone().grant(BASIC.id).add(key, tradeType="FUTURES")) == again
    assert user.call("GET", f"{KEYS}/list").body["items"][0]["apiKey"] == key["apiKey"]

    user.add(paper.key(spot={"USDC": "1"}))
    assert refusal(user.add(paper.key(spot={"USDT": "1000"}, futures={"USDT": "500"}))) == (
        433,
        {"error": "exceed subscription max API key limit (2129a)"},
    )


@pytest.mark.parametrize(("kind", "times"), [("http_503", 1), ("timeout_before", 2), ("timeout_after", 2)])
def test_a_failing_exchange_leaves_no_key_behind(
    user: User, paper: Paper, kind: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "SOON_S", 60)
    key = paper.key(spot={"USDC": "1"})
    paper.fault("/api/v3/account", kind, times=times, apiKey=key["apiKey"])
    assert refusal(user.add(key)) == (433, {"error": "exchange is unavailable (1503)"})
    assert items_of(user) == []
    assert user.add(key).status == 200


def test_a_rate_limit_answers_with_retry_after(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDT": "1000"}, futures={"USDT": "500"})
    paper.fault("/api/v3/account", "rate_limit", apiKey=key["apiKey"])
    limited = user.add(key)
    assert refusal(limited) == (433, {"error": "exchange rate limit, try again later (1129)"})
    assert int(limited.headers["retry-after"]) > 0
    end_cooldowns()


def test_a_request_gets_all_its_field_errors_at_once(user: User) -> None:
    body = {
        "exchangeId": "KRAKEN",
        "tradeType": "SPOT",
        "strategyType": "AUTOMATED",
        "name": "this is example of very long text input",
        "apiSecretKey": "with space",
        "active": "yes",
    }
    answer = user.call("POST", KEYS, body)
    assert answer.status == 422
    assert {(e["param"], e["msg"], e["value"], e["location"]) for e in answer.body["errors"]} == {
        ("exchangeId", "must be one of BINANCE", "KRAKEN", "body"),
        ("tradeType", "cannot be assigned to AUTOMATED strategy", "SPOT", "body"),
        ("name", "length must be less than 25", "this is example of very long text input", "body"),
        ("apiKey", "must be provided", None, "body"),
        ("apiSecretKey", "has invalid characters", None, "body"),
        ("active", "must be boolean", "yes", "body"),
    }
    update = user.call("PUT", f"{KEYS}/invalid", {"name": "this is example of very long text input"})
    assert update.body == {
        "errors": [
            {"value": "invalid", "msg": "must be UUID", "param": "id", "location": "params"},
            {
                "value": "this is example of very long text input",
                "msg": "length must be less than 25",
                "param": "name",
                "location": "body",
            },
        ]
    }


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [("PUT", "", {"name": "x"}), ("DELETE", "", None), ("GET", "/balance", None), ("GET", "/balance/history", None)],
)
def test_a_key_of_another_user_answers_exactly_as_an_unknown_one(
    someone: Callable[[], User], user: User, paper: Paper, method: str, suffix: str, body: Any
) -> None:
    other_key = someone().grant(BASIC.id).add(paper.key(spot={"USDT": "1000"}, futures={"USDT": "500"})).body["id"]
    foreign = user.call(method, f"{KEYS}/{other_key}{suffix}", body, request_id="same")
    unknown = user.call(method, f"{KEYS}/{uuid4()}{suffix}", body, request_id="same")
    assert foreign == unknown
    assert (foreign.status, foreign.body) == (404, {"message": "route not found"})


def test_the_secret_is_in_no_answer_log_or_table(
    user: User, paper: Paper, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    key = paper.key(spot={"USDT": "1000"}, futures={"USDT": "500"})
    with logs() as written:
        headers = {"Idempotency-Key": str(uuid4())}
        added = user.call("POST", KEYS, new_key(key), headers=headers)
        texts = [added.text, user.call("POST", KEYS, new_key(key), headers=headers).text]
        texts += [user.add(key).text, user.add(key | {"apiKey": "other"}).text, user.call("GET", f"{KEYS}/list").text]
        paper.fault("/api/v3/openOrders", "http_503", apiKey=key["apiKey"])
        texts.append(user.call("DELETE", f"{KEYS}/{added.body['id']}").text)
    stored = everything_in("KeysTable") + everything_in("IdempotencyTable")
    assert "CANCELLATIONS" in [item.get("PK", {}).get("S") for item in stored if added.body["id"] in str(item)]
    assert any(added.body["id"] in str(item) for item in everything_in("IdempotencyTable"))
    assert key["secret"] not in "".join([*texts, str(stored), written.text, *capfd.readouterr(), caplog.text])


def everything_in(table: str) -> list[dict[str, Any]]:
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    return [item for page in pages for item in page["Items"]]


@pytest.mark.parametrize(
    ("moved", "reason"),
    [
        (("ciphertext", "apiKey"), "a secret could not be decrypted: InvalidCiphertextException"),
        (("ciphertext", "apiKey", "userId"), "userId of an item USER differs from its PK"),
        (("ciphertext", "apiKey", "credentialId"), "credentialId of an item CREDENTIAL differs from its SK"),
        (("ciphertext", "apiKey", "userId", "credentialId"), "credentialId of an item CREDENTIAL differs from its SK"),
        (("ciphertext",), "a secret could not be decrypted: InvalidCiphertextException"),
    ],
)
def test_a_secret_moved_to_another_user_is_refused_and_an_alarm_rings(
    someone: Callable[[], User],
    user: User,
    paper: Paper,
    caplog: pytest.LogCaptureFixture,
    moved: tuple[str, ...],
    reason: str,
) -> None:
    user.add(paper.key(spot={"USDT": "1000"}, futures={"USDT": "500"}))
    thief = someone().grant(BASIC.id)
    key_id = thief.add(paper.key(spot={"USDT": "1"})).body["id"]
    (mine,), (theirs,) = (
        [item for item in items_of(each) if item["SK"]["S"].startswith("CREDENTIAL#")] for each in (user, thief)
    )
    boto3.client("dynamodb").put_item(TableName="KeysTable", Item=theirs | {name: mine[name] for name in moved})
    with logs():
        answer = thief.call("GET", f"{KEYS}/{key_id}/balance")
    assert (answer.status, answer.body) == (500, {"message": StoredDataRefused.default})
    [alarming] = [record for record in caplog.records if record.message == ALARMING]
    assert alarming.__dict__["reason"] == reason


def test_of_six_keys_connected_at_once_the_professional_plan_allows_five(
    someone: Callable[[], User], paper: Paper
) -> None:
    user = someone().grant(PROFESSIONAL.id)
    keys = [paper.key(spot={"USDC": "1"}) for _ in range(6)]
    answers = at_once([partial(user_add, user, key) for key in keys])
    assert sorted(answers) == [200] * 5 + [433]
    assert len(user.call("GET", f"{KEYS}/list").body["items"]) == 5


def test_one_key_connected_twice_at_once_is_connected_once(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDC": "1"})
    assert sorted(at_once([lambda: user_add(user, key)] * 2)) == [200, 433]
    assert len(user.call("GET", f"{KEYS}/list").body["items"]) == 1


def user_add(user: User, key: dict[str, str]) -> int:
    """Connect a key through the service, since a handler serves one request at a time and must not run in threads."""
    from purser.bootstrap.trading_accounts import trading_accounts
    from purser.errors import PurserError
    from purser.trading_accounts.service import NewConnection

    new = NewConnection(
        str(uuid4()), user.id, Venue.BINANCE, TradeType.SPOT, StrategyType.MANUAL, "x", key["apiKey"], key["secret"]
    )
    try:
        trading_accounts().connect(new)
    except PurserError:
        return 433
    return 200


def at_once(calls: list[Callable[[], int]]) -> list[int]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def test_an_idempotency_key_connects_one_key_and_repeats_the_answer(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDT": "1000"}, futures={"USDT": "500"})
    header = {"Idempotency-Key": str(uuid4())}
    first = user.call("POST", KEYS, new_key(key), headers=header)
    again = user.call("POST", KEYS, new_key(key), headers=header)
    assert first.status == 200
    assert again.body == first.body
    other = user.call("POST", KEYS, new_key(key, name="Other"), headers=header)
    assert (other.status, other.body["errors"][0]["location"]) == (422, "headers")
    other_secret = user.call("POST", KEYS, new_key(key | {"secret": "y" * 64}), headers=header)
    assert other_secret.status == 422


def forget_records() -> None:
    """Delete the idempotency records, as if they had expired, or the requests had been cut before storing them."""
    for record in everything_in("IdempotencyTable"):
        boto3.client("dynamodb").delete_item(TableName="IdempotencyTable", Key={"id": record["id"]})


def test_without_its_record_an_idempotency_key_still_belongs_to_its_request(user: User, paper: Paper) -> None:
    key, other = (paper.key(spot={"USDC": "1"}, futures={"USDT": "1"}) for _ in range(2))
    header = {"Idempotency-Key": str(uuid4())}
    first = user.call("POST", KEYS, new_key(key), headers=header)
    futures = {"tradeType": "FUTURES", "strategyType": "AUTOMATED"}
    for body in (new_key(other), new_key(key, tradeType="FUTURES"), new_key(key, **futures)):
        forget_records()
        reused = user.call("POST", KEYS, body, headers=header)
        assert (reused.status, reused.body["errors"][0]["param"]) == (422, "Idempotency-Key")
    assert user.call("POST", KEYS, new_key(key), headers=header).body == first.body
    assert user.call("GET", f"{KEYS}/list").body == {"items": [first.body]}


def test_a_late_retry_does_not_connect_a_disconnected_key_again(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDC": "1"})
    header = {"Idempotency-Key": str(uuid4())}
    first = user.call("POST", KEYS, new_key(key), headers=header)
    user.call("DELETE", f"{KEYS}/{first.body['id']}")
    forget_records()
    late = user.call("POST", KEYS, new_key(key), headers=header)
    assert (late.status, late.body["errors"][0]["param"]) == (422, "Idempotency-Key")
    assert user.call("GET", f"{KEYS}/list").body == {"items": []}


def test_a_failed_request_does_not_use_up_its_idempotency_key(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDT": "1000"}, futures={"USDT": "500"})
    header = {"Idempotency-Key": str(uuid4())}
    paper.fault("/api/v3/account", "http_503", apiKey=key["apiKey"])
    assert user.call("POST", KEYS, new_key(key), headers=header).status == 433
    assert user.call("POST", KEYS, new_key(key), headers=header).status == 200


def test_a_key_that_the_exchange_refuses_is_deactivated_and_leaves_the_active_index(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDT": "1000"}, futures={"USDT": "500"})
    key_id = user.add(key).body["id"]
    assert any("activeShard" in item for item in items_of(user))
    paper.change_key(key["apiKey"], revoked=True)
    dead = user.call("GET", f"{KEYS}/{key_id}/balance")
    assert refusal(dead) == (433, {"error": "exchange API authorization failed (1103)"})
    (listed,) = user.call("GET", f"{KEYS}/list").body["items"]
    assert (listed["active"], listed["apiKeyStatus"]) == (False, "UNAUTHORIZED")
    assert not any("activeShard" in item for item in items_of(user))
    paper.change_key(key["apiKey"], revoked=False)
    healed = user.call("PUT", f"{KEYS}/{key_id}", {"active": True})
    assert (healed.body["active"], healed.body["apiKeyStatus"]) == (True, "AUTHORIZED")


def test_an_outage_sets_the_key_status_to_failed_and_keeps_the_key_active(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDT": "1000"}, futures={"USDT": "500"})
    key_id = user.add(key).body["id"]
    paper.fault("/api/v3/account", "http_503", apiKey=key["apiKey"])
    assert user.call("GET", f"{KEYS}/{key_id}/balance").body == {"error": "exchange is unavailable (1503)"}
    (listed,) = user.call("GET", f"{KEYS}/list").body["items"]
    assert (listed["active"], listed["apiKeyStatus"]) == (True, "FAILED")


def test_the_history_is_paged_newest_first_and_a_page_token_belongs_to_its_list(
    someone: Callable[[], User], user: User, paper: Paper, aws: Aws
) -> None:
    key_id = user.add(paper.key(spot={"USDC": "1"})).body["id"]
    other_id = user.add(paper.key(spot={"USDC": "1"})).body["id"]
    for day in range(1, 6):
        boto3.client("dynamodb").put_item(
            TableName=aws.tables["SNAPSHOTS_TABLE"],
            Item={
                "PK": {"S": f"KEY#{key_id}"},
                "SK": {"S": f"2026-01-0{day}"},
                "totalUSD": {"N": f"1234{day}.00000001"},
                "source": {"S": "LIVE"},
                "takenAt": {"N": "1"},
            },
        )
    history = f"{KEYS}/{key_id}/balance/history"
    page = user.call("GET", history, query={"limit": "2"})
    assert [row["date"] for row in page.body["items"]] == ["2026-01-05", "2026-01-04"]
    assert '"totalUSD":12345.00000001' in page.text
    token = page.body["nextToken"]
    rest = user.call("GET", history, query={"limit": "3", "nextToken": token})
    assert [row["date"] for row in rest.body["items"]] == ["2026-01-03", "2026-01-02", "2026-01-01"]
    assert rest.body["nextToken"] is None
    since = user.call("GET", history, query={"start": "2026-01-04"})
    assert [row["date"] for row in since.body["items"]] == ["2026-01-05", "2026-01-04"]
    for path, given in (
        (f"{KEYS}/{other_id}/balance/history", token),
        (history, "forged"),
        (history, token[:-2]),
        (history, "é"),
        (history, page_token(f"balance-history:{key_id}:None", "0001-01-01")),
    ):
        refused = user.call("GET", path, query={"nextToken": given})
        assert refused.status == 422
        assert [(e["param"], e["location"]) for e in refused.body["errors"]] == [("nextToken", "query")]
    for query in ({"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"start": "2026-02-30"}, {"start": "yesterday"}):
        assert user.call("GET", history, query=query).status == 422
    assert user.call("DELETE", f"{KEYS}/{key_id}").status == 204
    assert user.call("GET", history, query={"limit": "2"}).body == page.body, "the history stays readable"
    assert someone().call("GET", history).status == 404


def test_disconnecting_cancels_the_open_orders(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDC": "1000"})
    key_id = user.add(key).body["id"]
    place_resting_order(paper, key)
    assert len(paper.open_orders(key["apiKey"])) == 1
    assert user.call("DELETE", f"{KEYS}/{key_id}").status == 204
    assert paper.open_orders(key["apiKey"]) == []


def test_disconnecting_during_an_outage_removes_the_credential_and_cancels_the_orders_later(
    user: User, paper: Paper
) -> None:
    from purser.bootstrap.trading_accounts import cancellations

    key = paper.key(spot={"USDC": "1000"})
    key_id = user.add(key).body["id"]
    place_resting_order(paper, key)
    paper.fault("/api/v3/openOrders", "http_503", apiKey=key["apiKey"])
    assert user.call("DELETE", f"{KEYS}/{key_id}").status == 204
    assert not any("ciphertext" in item for item in items_of(user))
    assert len(paper.open_orders(key["apiKey"])) == 1
    cancellations().resume(key_id)
    assert paper.open_orders(key["apiKey"]) == []
    assert "Item" not in boto3.client("dynamodb").get_item(
        TableName="KeysTable", Key={"PK": {"S": "CANCELLATIONS"}, "SK": {"S": key_id}}
    )


def place_resting_order(paper: Paper, key: dict[str, str]) -> None:
    """Place a limit order far from the market, directly at the exchange as the owner of the key would."""
    order = {"symbol": "BTCUSDC", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    paper.signed(key, "POST", "/api/v3/order", **order, price="15000")


def test_connecting_a_key_again_finishes_its_cancellation_first_and_keeps_new_orders(
    someone: Callable[[], User], user: User, paper: Paper
) -> None:
    from purser.bootstrap.trading_accounts import cancellations

    key = paper.key(spot={"USDC": "1000"})
    key_id = user.add(key).body["id"]
    place_resting_order(paper, key)
    paper.fault("/api/v3/openOrders", "http_503", apiKey=key["apiKey"])
    assert user.call("DELETE", f"{KEYS}/{key_id}").status == 204
    other = someone().grant(BASIC.id)
    assert other.add(key).status == 200
    assert paper.open_orders(key["apiKey"]) == [], "connecting again cancels the waiting orders first"
    [disconnected] = [item for item in items_of(user) if item["SK"]["S"] == f"ENDED#{key_id}"]
    assert disconnected["cancellation"] == {"S": "SUCCESS"}
    place_resting_order(paper, key)
    cancellations().resume(key_id)
    assert len(paper.open_orders(key["apiKey"])) == 1
    assert key_id not in [item["endedId"]["S"] for item in everything_in("KeysTable") if "endedId" in item]


def test_a_key_cannot_be_connected_again_while_its_orders_may_still_be_cancelled(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDC": "1000"})
    key_id = user.add(key).body["id"]
    place_resting_order(paper, key)
    paper.fault("/api/v3/openOrders", "timeout_before", apiKey=key["apiKey"], method="DELETE")
    assert user.call("DELETE", f"{KEYS}/{key_id}").status == 204
    busy = user.add(key)
    assert (busy.status, user.call("GET", f"{KEYS}/list").body) == (503, {"items": []})


@pytest.fixture
def table(aws: Aws) -> Table:
    return Table(aws.tables["KEYS_TABLE"])


def new_account(user_id: str, account_id: str) -> tuple[TradingAccount, SealedCredential]:
    account = trading_account(account_id, user_id, api_key=uuid4().hex)
    return account, sealed_credential(account)


def test_a_connection_between_two_pages_of_a_read_makes_the_read_version_stale(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The version must be read before the accounts. Accounts older than their version would pass every check.
    store, user_id = DynamoTradingAccountStore(table), str(uuid4())
    # In ascending order the first page would have 2…, and the second would miss 1…, but have the new version.
    known, late, third = (new_account(user_id, f"{n}0000000-0000-4000-8000-000000000000") for n in (2, 1, 3))
    store.connect(*known, 0)
    dynamodb = client("dynamodb")
    query, pages = dynamodb.query, []

    def one_item_a_page(**request: Any) -> Any:
        pages.append(query(**request, Limit=1))
        if len(pages) == 1:
            DynamoTradingAccountStore(table).connect(*late, 1)
        return pages[-1]

    monkeypatch.setattr(dynamodb, "query", one_item_a_page)
    seen = store.connected(user_id)
    assert len(pages) > 1
    assert seen.version == 1
    with pytest.raises(StaleAccounts):
        store.connect(*third, seen.version)
    assert store.connected(user_id).version == 2


def test_disconnecting_keeps_concurrent_changes_of_account_and_credential(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, user_id = DynamoTradingAccountStore(table), str(uuid4())
    account, sealed = new_account(user_id, str(uuid4()))
    store.connect(account, sealed, 0)
    store.rename(user_id, account.id, "Renamed", 2)
    table.update(f"USER#{user_id}", f"KEY#{account.id}", "SET another = :kept", {":kept": "kept"})
    write, changes = Transaction._commit, iter(["rotated", "rotated as it ends", "renamed"])

    def change_first(transaction: Transaction) -> None:
        match next(changes, None):
            case None:
                pass
            case "renamed":
                store.rename(user_id, account.id, "Renamed as it ends", 2)
            case rotated:
                rotate = "SET ciphertext = :c ADD version :one"
                values = {":c": rotated.encode(), ":one": 1}
                table.update(f"USER#{user_id}", f"CREDENTIAL#{account.id}", rotate, values)
        write(transaction)

    monkeypatch.setattr(Transaction, "_commit", change_first)
    assert store.disconnect(account, Cancellation(account.id, account.trade_type, sealed, 3, due_at=3), 3)
    disconnected = table.get(f"USER#{user_id}", f"ENDED#{account.id}")
    assert disconnected is not None
    shown = {name: disconnected[name] for name in ("name", "another", "active", "disconnectedAt")}
    assert shown == {"name": "Renamed as it ends", "another": "kept", "active": False, "disconnectedAt": 3}
    assert "activeShard" not in disconnected
    waiting = DynamoCancellationStore(table).get(account.id)
    assert waiting is not None
    assert waiting.credential.ciphertext == b"rotated as it ends"


def test_an_outage_does_not_change_the_status_of_an_unauthorized_key(table: Table) -> None:
    store, user_id = DynamoTradingAccountStore(table), str(uuid4())
    account, sealed = new_account(user_id, str(uuid4()))
    store.connect(account, sealed, 0)
    store.refuse(account, 2)
    store.mark(account, ApiKeyStatus.FAILED, 3)
    found = store.get(user_id, account.id)
    assert found is not None
    assert found.api_key_status is ApiKeyStatus.UNAUTHORIZED


def test_a_refusal_does_not_deactivate_an_account_that_was_enabled_since_it_was_read(table: Table) -> None:
    store, user_id = DynamoTradingAccountStore(table), str(uuid4())
    account, sealed = new_account(user_id, str(uuid4()))
    store.connect(account, sealed, 0)
    store.activate(account, AccountValuation(Decimal(1), 2), 2, 1)
    assert store.refuse(account, 3) is None
    renamed = store.rename(user_id, account.id, "Changed", 2)
    assert renamed is not None
    assert renamed.active
    store.rename(user_id, account.id, "Changed again in the same millisecond", 2)
    off = store.refuse(renamed, 3)
    assert off is not None
    assert (off.active, off.api_key_status) == (False, ApiKeyStatus.UNAUTHORIZED)
