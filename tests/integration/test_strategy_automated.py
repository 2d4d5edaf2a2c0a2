"""Test StrategyAutomated with its handler and DynamoDB Local."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from purser.actor import SYSTEM
from purser.aws.tables import Table
from purser.bootstrap.billing import subscriptions
from purser.bootstrap.strategies import follows, strategies
from purser.credentials.model import SealedCredential
from purser.disconnecting.model import Cancellation
from purser.errors import NotFound, PurserError, SymbolFollowed, TradingAccountInactive
from purser.follows.model import FollowChange
from purser.follows.service import NewFollow
from purser.plans.model import CATALOG
from purser.settings import settings
from purser.strategies.service import NewStrategy
from purser.trading_accounts.model import ApiKeyStatus, StrategyType, TradingAccount
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from tests.support.aws import Aws
from tests.support.catalog import connect
from tests.support.events import Answered, call, claims
from tests.support.functions import forget_process, load_function

FOLLOW = "/v1/priv/strategy/follow"
NOT_FOUND = (404, {"message": "route not found"})
DOCUMENTED = {"id", "active", "createdAt", "updatedAt", "StrategyAutomated", "StrategyRiskProfile"}


@pytest.fixture(scope="module")
def handler(aws: Aws) -> Iterator[Any]:
    forget_process()
    yield load_function("strategy_automated").handler
    forget_process()


class User:
    """A user who follows strategies."""

    def __init__(self, handler: Any, plan_id: str | None = CATALOG[0].id) -> None:
        self.handler = handler
        self.id = str(uuid4())
        if plan_id:
            subscriptions().grant(self.id, plan_id)

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Answered:
        return call(self.handler, method, f"{FOLLOW}/{path}", body, caller=claims(self.id), **more)

    def follow(self, key: TradingAccount, strategy_id: str, risk_profile_id: str, **given: Any) -> Answered:
        body = {"strategyAutomatedId": strategy_id, "strategyRiskProfileId": risk_profile_id}
        return self.ask("POST", f"exchange/key/{key.id}", body | given)

    def follows(self, key: TradingAccount) -> list[dict[str, Any]]:
        return list(self.ask("GET", f"exchange/key/{key.id}").body["items"])


@pytest.fixture
def someone(handler: Any) -> Callable[..., User]:
    return lambda *plan: User(handler, *plan)


@pytest.fixture
def user(someone: Callable[..., User]) -> User:
    return someone()


@pytest.fixture
def key(user: User) -> TradingAccount:
    return connect(user.id)


@pytest.fixture(scope="module")
def publish(handler: Any) -> Callable[..., str]:
    def make(symbol: str = "BTC/USDT", venue: str = "BINANCE", *, active: bool = True) -> str:
        new = NewStrategy(str(uuid4()), "STRATEGY", None, venue, symbol, active)
        return strategies().publish(SYSTEM, new).id

    return make


@pytest.fixture(scope="module")
def btc(publish: Callable[..., str]) -> str:
    return publish()


@pytest.fixture(scope="module")
def careful(handler: Any) -> str:
    return strategies().publish_risk_profile(SYSTEM, str(uuid4()), "CONSERVATIVE", Decimal("1.5")).id


@pytest.fixture(scope="module")
def bold(handler: Any) -> str:
    return strategies().publish_risk_profile(SYSTEM, str(uuid4()), "MODERATE", Decimal(2)).id


def refusal(answer: Answered) -> tuple[int, Any]:
    return answer.status, answer.body


def table() -> Table:
    return Table(settings().require("keys_table"))


def test_a_follow_is_created_listed_changed_and_deleted(
    user: User, key: TradingAccount, publish: Callable[..., str], btc: str, careful: str, bold: str
) -> None:
    follow_answer = user.follow(key, btc, careful)
    assert follow_answer.status == 200, follow_answer.text
    assert set(follow_answer.body) == DOCUMENTED
    assert follow_answer.body["active"] is True
    shown = {"id": btc, "active": True, "exchangeId": "BINANCE", "symbol": "BTC/USDT"}
    assert follow_answer.body["StrategyAutomated"] == shown
    assert follow_answer.body["StrategyRiskProfile"] == {"id": careful, "percentage": 1.5}
    assert user.follows(key) == [follow_answer.body]

    other = publish()
    body = {"active": True, "strategyAutomatedId": other, "strategyRiskProfileId": bold}
    changed = user.ask("PUT", follow_answer.body["id"], body)
    assert changed.body == follow_answer.body | {
        "updatedAt": changed.body["updatedAt"],
        "StrategyAutomated": shown | {"id": other},
        "StrategyRiskProfile": {"id": bold, "percentage": 2},
    }
    off = user.ask("PUT", follow_answer.body["id"], {"active": False})
    assert off.body == changed.body | {"active": False, "updatedAt": off.body["updatedAt"]}
    assert user.follows(key) == [off.body]

    deleted = user.ask("DELETE", follow_answer.body["id"])
    assert (deleted.status, deleted.text) == (204, "")
    assert refusal(user.ask("DELETE", follow_answer.body["id"])) == NOT_FOUND
    assert refusal(user.ask("PUT", follow_answer.body["id"], {})) == NOT_FOUND
    assert user.follows(key) == []


PROTECTIONS = {
    "maxSlippagePercent": 0.3,
    "maxLeverage": 5,
    "minEquityUSD": 100.5,
    "maxEquityUSD": 2000,
    "onStop": "CLOSE",
}


def test_protections_are_set_shown_changed_and_removed(user: User, key: TradingAccount, btc: str, careful: str) -> None:
    created = user.follow(key, btc, careful, **PROTECTIONS).body
    assert {name: created[name] for name in PROTECTIONS} == PROTECTIONS
    assert user.follows(key) == [created]
    changed = user.ask("PUT", created["id"], {"maxLeverage": 3, "minEquityUSD": None}).body
    wanted = created | {"maxLeverage": 3, "updatedAt": changed["updatedAt"]}
    del wanted["minEquityUSD"]
    assert changed == wanted
    bare = user.ask("PUT", created["id"], dict.fromkeys(PROTECTIONS)).body
    assert set(bare) == DOCUMENTED
    assert user.follows(key) == [bare]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("maxSlippagePercent", 0.09, "must be at least 0.1"),
        ("maxSlippagePercent", "3.01", "must be at most 3"),
        ("maxSlippagePercent", "much", "must be number"),
        ("maxLeverage", 0, "must be at least 1"),
        ("maxLeverage", 126, "must be at most 125"),
        ("maxLeverage", 2.5, "must be integer"),
        ("minEquityUSD", 0, "must be greater than 0"),
        ("maxEquityUSD", -1, "must be greater than 0"),
        ("onStop", "SELL", "must be one of KEEP, CLOSE"),
    ],
)
def test_a_wrong_protection_is_a_field_error(
    user: User, key: TradingAccount, btc: str, careful: str, field: str, value: Any, message: str
) -> None:
    refused = user.follow(key, btc, careful, **{field: value})
    wanted = {"errors": [{"value": value, "msg": message, "param": field, "location": "body"}]}
    assert refusal(refused) == (422, wanted)


def test_an_inactive_strategy_and_an_unknown_risk_profile_are_field_errors(
    user: User, key: TradingAccount, publish: Callable[..., str], btc: str
) -> None:
    inactive, no_profile = publish(active=False), str(uuid4())
    wanted = {
        "errors": [
            {
                "value": inactive,
                "msg": "must be active strategy automated id",
                "param": "strategyAutomatedId",
                "location": "body",
            },
            {
                "value": no_profile,
                "msg": "must be valid strategy risk profile id",
                "param": "strategyRiskProfileId",
                "location": "body",
            },
        ]
    }
    assert refusal(user.follow(key, inactive, no_profile)) == (422, wanted)
    profile = strategies().publish_risk_profile(SYSTEM, str(uuid4()), "x", Decimal(1)).id
    follow = user.follow(key, btc, profile).body["id"]
    body = {"strategyAutomatedId": inactive, "strategyRiskProfileId": no_profile}
    assert refusal(user.ask("PUT", follow, body)) == (422, wanted)
    body["strategyAutomatedId"] = str(uuid4())
    assert user.ask("PUT", follow, body).body["errors"][0]["msg"] == "must be active strategy automated id"


@pytest.mark.parametrize(
    "body", [{"strategyAutomatedId": "x", "active": 1}, {"strategyRiskProfileId": 5}, {"active": "y"}]
)
def test_invalid_input_is_refused(user: User, body: dict[str, Any]) -> None:
    for method, path in (("POST", "exchange/key/invalid"), ("PUT", "invalid")):
        answer = user.ask(method, path, body)
        assert answer.status == 422
        first, *rest = answer.body["errors"]
        assert first == {"value": "invalid", "msg": "must be UUID", "param": "id", "location": "params"}
        assert {error["param"] for error in rest} >= set(body)
    for method, path in (("GET", "exchange/key/invalid"), ("DELETE", "invalid")):
        assert user.ask(method, path).status == 422


def test_an_inactive_key_is_refused_with_1110(user: User, btc: str, careful: str) -> None:
    inactive = (433, {"error": "exchange API key is inactive (1110)"})
    assert refusal(user.follow(connect(user.id, active=False), btc, careful)) == inactive
    key = connect(user.id)
    follow = user.follow(key, btc, careful, active=False).body["id"]
    accounts = DynamoTradingAccountStore(table())
    accounts.mark(key, ApiKeyStatus.FAILED, 5)
    assert refusal(user.ask("PUT", follow, {"active": True})) == inactive
    accounts.refuse(key, 5)
    assert refusal(user.ask("PUT", follow, {"active": True})) == inactive
    assert user.ask("PUT", follow, {"active": False}).status == 200
    assert user.ask("PUT", follow, {"strategyRiskProfileId": careful}).status == 200


def test_a_key_for_manual_trading_is_refused_with_1106(user: User, btc: str, careful: str) -> None:
    manual = connect(user.id, strategy_type=StrategyType.MANUAL)
    assert refusal(user.follow(manual, btc, careful)) == (433, {"error": "exchange API key type is invalid (1106)"})
    assert user.follows(manual) == []


def test_a_strategy_of_another_exchange_is_refused_with_1206(
    user: User, key: TradingAccount, publish: Callable[..., str], btc: str, careful: str
) -> None:
    elsewhere = publish(venue="KRAKEN")
    mismatch = (433, {"error": "exchange id does not match (1206)"})
    assert refusal(user.follow(key, elsewhere, careful)) == mismatch
    follow = user.follow(key, btc, careful).body["id"]
    assert refusal(user.ask("PUT", follow, {"strategyAutomatedId": elsewhere})) == mismatch


def test_a_change_to_another_symbol_is_refused_with_1306(
    user: User, key: TradingAccount, publish: Callable[..., str], btc: str, careful: str
) -> None:
    follow = user.follow(key, btc, careful).body
    answer = user.ask("PUT", follow["id"], {"strategyAutomatedId": publish("ETH/USDT")})
    assert refusal(answer) == (433, {"error": "exchange symbol does not match (1306)"})
    assert user.follows(key) == [follow]


def test_a_second_follow_of_a_symbol_is_refused_with_1309(
    user: User, key: TradingAccount, publish: Callable[..., str], btc: str, careful: str
) -> None:
    taken = (433, {"error": "exchange symbol already exist (1309)"})
    first = user.follow(key, btc, careful, active=False)
    assert refusal(user.follow(key, publish(), careful)) == taken
    assert refusal(user.follow(key, btc, careful)) == taken
    assert user.follow(key, publish("ETH/USDT"), careful).status == 200
    assert user.follow(connect(user.id), btc, careful).status == 200
    user.ask("DELETE", first.body["id"])
    assert user.follow(key, btc, careful).status == 200
    assert [follow["StrategyAutomated"]["symbol"] for follow in user.follows(key)] == ["ETH/USDT", "BTC/USDT"]


def test_a_plan_without_automated_strategies_is_refused_with_2103(
    someone: Callable[..., User], user: User, key: TradingAccount, btc: str, careful: str
) -> None:
    not_in_plan = (433, {"error": "unauthorized subscription features (2103)"})
    without_plan = someone(None)
    assert refusal(without_plan.follow(connect(without_plan.id), btc, careful)) == not_in_plan
    follow = user.follow(key, btc, careful).body["id"]
    subscriptions().grant(user.id, None)
    assert refusal(user.ask("PUT", follow, {"active": True})) == not_in_plan
    assert user.ask("PUT", follow, {"active": False}).status == 200


def test_a_deactivated_strategy_is_still_followed(
    user: User, key: TradingAccount, publish: Callable[..., str], careful: str, bold: str
) -> None:
    strategy = publish("XRP/USDT")
    follow = user.follow(key, strategy, careful).body["id"]
    strategies().change(SYSTEM, strategy, {"active": False})
    changed = user.ask("PUT", follow, {"strategyRiskProfileId": bold})
    assert changed.body["StrategyAutomated"]["active"] is False
    assert user.follows(key) == [changed.body]
    assert user.ask("PUT", follow, {"strategyAutomatedId": strategy}).status == 422


@pytest.mark.parametrize(("method", "body"), [("PUT", {"active": False}), ("DELETE", None)])
def test_a_follow_of_another_user_answers_exactly_as_an_unknown_one(
    someone: Callable[..., User], user: User, key: TradingAccount, btc: str, careful: str, method: str, body: Any
) -> None:
    follow = user.follow(key, btc, careful).body
    stranger = someone()
    foreign = stranger.ask(method, follow["id"], body, request_id="same")
    assert foreign == stranger.ask(method, str(uuid4()), body, request_id="same")
    assert refusal(foreign) == NOT_FOUND
    assert user.follows(key) == [follow]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_key_of_another_user_answers_exactly_as_an_unknown_one(
    someone: Callable[..., User], key: TradingAccount, btc: str, careful: str, method: str
) -> None:
    stranger = someone()
    body = {"strategyAutomatedId": btc, "strategyRiskProfileId": careful} if method == "POST" else None
    foreign = stranger.ask(method, f"exchange/key/{key.id}", body, request_id="same")
    assert foreign == stranger.ask(method, f"exchange/key/{uuid4()}", body, request_id="same")
    assert refusal(foreign) == NOT_FOUND


def test_an_idempotency_key_creates_one_follow(user: User, key: TradingAccount, btc: str, careful: str) -> None:
    body = {"strategyAutomatedId": btc, "strategyRiskProfileId": careful}
    path, header = f"exchange/key/{key.id}", {"Idempotency-Key": str(uuid4())}
    first = user.ask("POST", path, body, headers=header)
    assert user.ask("POST", path, body, headers=header).body == first.body
    other = user.ask("POST", path, body | {"active": False}, headers=header)
    assert (other.status, other.body["errors"][0]["location"]) == (422, "headers")


def test_a_repeated_follow_with_the_same_id_returns_the_first_one(
    user: User, key: TradingAccount, btc: str, careful: str
) -> None:
    new = NewFollow(str(uuid4()), user.id, key.id, btc, careful)
    assert follows().begin(new) == follows().begin(new)


def test_of_concurrent_follows_of_a_symbol_one_is_created(
    user: User, key: TradingAccount, btc: str, careful: str
) -> None:
    def begin(_: int) -> type[PurserError] | None:
        try:
            follows().begin(NewFollow(str(uuid4()), user.id, key.id, btc, careful))
        except PurserError as error:
            return type(error)
        return None

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(begin, range(8)))
    assert outcomes.count(None) == 1
    assert set(outcomes) == {None, SymbolFollowed}
    assert len(user.follows(key)) == 1


def test_concurrent_changes_lose_no_field(
    user: User, key: TradingAccount, publish: Callable[..., str], btc: str, careful: str, bold: str
) -> None:
    follow, other = user.follow(key, btc, careful).body["id"], publish()
    changes = [FollowChange(active=False), FollowChange(strategy_id=other), FollowChange(risk_profile_id=bold)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda change: follows().change(user.id, follow, change), changes))
    [kept_as] = user.follows(key)
    shown = kept_as["active"], kept_as["StrategyAutomated"]["id"], kept_as["StrategyRiskProfile"]["id"]
    assert shown == (False, other, bold)


def disconnect(key: TradingAccount) -> bool:
    sealed = SealedCredential(key.credential_id, key.user_id, key.venue, key.api_key, b"sealed", 1)
    cancellation = Cancellation(key.id, key.trade_type, sealed, 1, due_at=1)
    return DynamoTradingAccountStore(table()).disconnect(key, cancellation, 1)


def left(key: TradingAccount) -> list[str]:
    items = table().query("PK = :pk AND begins_with(SK, :sk)", {":pk": f"USER#{key.user_id}", ":sk": "FOLLOW#"})
    return [item["SK"] for item in items]


def test_disconnecting_a_key_ends_its_follows(
    user: User, key: TradingAccount, publish: Callable[..., str], btc: str, careful: str
) -> None:
    follow = user.follow(key, btc, careful).body["id"]
    user.follow(key, publish("ETH/USDT"), careful)
    other = connect(user.id)
    stays = user.follow(other, btc, careful).body
    assert disconnect(key)
    assert not disconnect(key)
    assert left(key) == [f"FOLLOW#{other.id}#BTC/USDT"]
    assert user.follows(other) == [stays]
    assert refusal(user.ask("GET", f"exchange/key/{key.id}")) == NOT_FOUND
    assert refusal(user.ask("PUT", follow, {"active": True})) == NOT_FOUND


def test_disconnecting_ends_more_follows_than_fit_into_one_transaction(key: TradingAccount) -> None:
    for i in range(120):
        table().put({"PK": f"USER#{key.user_id}", "SK": f"FOLLOW#{key.id}#X{i}/USDT"})
    assert disconnect(key)
    assert left(key) == []


def test_a_follow_that_begins_while_its_key_is_disconnected_is_not_left_over(
    user: User, publish: Callable[..., str], btc: str, careful: str
) -> None:
    symbols = [publish(f"{base}/USDT") for base in ("AAA", "BBB", "CCC")]

    def begin(key: TradingAccount, strategy_id: str) -> None:
        try:
            follows().begin(NewFollow(str(uuid4()), user.id, key.id, strategy_id, careful))
        except (NotFound, TradingAccountInactive):
            return

    for _ in range(6):
        key = connect(user.id)
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(begin, key, symbol) for symbol in symbols]
            assert pool.submit(disconnect, key).result()
            for job in jobs:
                job.result()
        assert left(key) == []
