"""Test StrategyAdmin and PublicStrategy with their handlers and DynamoDB Local."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from purser.actor import SYSTEM
from purser.bootstrap.strategies import strategies, strategy_results
from purser.clock import now_ms
from purser.http.wire import iso
from purser.strategies.model import Direction, Interval, Result
from purser.strategies.service import NewResult, NewStrategy
from tests.support.aws import Aws, put_items
from tests.support.aws_requests import aws_requests
from tests.support.events import Answered, call, claims
from tests.support.functions import forget_process, load_function

ADMIN = "/v1/admin/strategy"
PUBLIC = "/v1/pub/strategy"
NOT_FOUND = (404, {"message": "route not found"})
STRATEGY = {"id", "active", "name", "description", "exchangeId", "symbol", "createdAt", "updatedAt"}
RISK_PROFILE = {"id", "name", "percentage", "createdAt", "updatedAt"}
RESULT = {"id", "side", "entryPrice", "exitPrice", "openedAt", "closedAt", "createdAt"}
NEW = {"name": "STRATEGY #1", "exchangeId": "BINANCE", "symbol": "BTC/USDT"}
EMPTY = {"netProfitPercent": None, "winRate": None, "maxDrawDown": None, "trades": 0, "long": 0, "short": 0}
DAY = 24 * 3600 * 1000

Ask = Callable[..., Answered]


@pytest.fixture(scope="module")
def handlers(aws: Aws) -> Iterator[dict[str, Any]]:
    forget_process()
    names = ("strategy_admin", "public_strategy")
    yield {name: load_function(name).handler for name in names}
    forget_process()


@pytest.fixture
def admin(handlers: dict[str, Any]) -> Ask:
    """Return a function that sends a request, by default as an admin."""
    caller = claims(str(uuid4()), groups=["admin"])
    return lambda *request, caller=caller, **more: call(handlers["strategy_admin"], *request, caller=caller, **more)


@pytest.fixture
def public(handlers: dict[str, Any]) -> Ask:
    """Return a function that sends a request without a token."""
    return lambda path, **query: call(handlers["public_strategy"], "GET", f"{PUBLIC}/{path}", query=query or None)


@pytest.fixture
def strategy_id(admin: Ask) -> str:
    return str(admin("POST", ADMIN, NEW).body["id"])


def trade(closed_at: int | None = None, **given: Any) -> dict[str, Any]:
    closed_at = closed_at or now_ms() - 1000
    body = {"side": "LONG", "entryPrice": 100, "exitPrice": "110", "openedAt": iso(closed_at - 5000)}
    return body | {"closedAt": iso(closed_at)} | given


def today() -> date:
    return datetime.now(UTC).date()


def errors_in(answer: Answered) -> list[tuple[str, str, str]]:
    assert answer.status == 422, answer.text
    return [(e["param"], e["msg"], e["location"]) for e in answer.body["errors"]]


def test_a_published_strategy_is_listed_as_documented(admin: Ask, public: Ask) -> None:
    created = admin("POST", ADMIN, NEW)
    assert created.status == 200, created.text
    assert set(created.body) == STRATEGY | {"signalDefaults"}
    assert created.body | NEW | {"active": True, "description": None} == created.body
    listed = public("list").body["items"]
    assert {name: created.body[name] for name in STRATEGY} in listed
    assert all(set(item) == STRATEGY for item in listed)
    assert [item["createdAt"] for item in listed] == sorted(item["createdAt"] for item in listed)


def test_updating_a_strategy_changes_only_the_given_fields(admin: Ask, strategy_id: str) -> None:
    one = f"{ADMIN}/{strategy_id}"
    described = admin("PUT", one, {"description": "Follows the trend.", "active": False})
    assert (described.body["description"], described.body["active"]) == ("Follows the trend.", False)
    renamed = admin("PUT", one, {"name": "New name", "symbol": "ETH/USDT", "exchangeId": "KRAKEN"})
    assert renamed.body == described.body | {"name": "New name", "updatedAt": renamed.body["updatedAt"]}
    assert admin("PUT", one, {"description": None}).body["description"] is None
    assert admin("PUT", one, {}).status == 200
    unknown = admin("PUT", f"{ADMIN}/{uuid4()}", {"name": "x"})
    assert (unknown.status, unknown.body) == NOT_FOUND


def test_a_strategy_has_defaults_for_its_signals(admin: Ask, public: Ask) -> None:
    none: dict[str, Any] = {"stopPercent": None, "takeProfits": [], "expirySeconds": 60, "priceType": "CONTRACT_PRICE"}
    created = admin("POST", ADMIN, NEW)
    assert created.body["signalDefaults"] == none
    given = {"stopPercent": "0.8", "takeProfits": [{"percent": 1.5, "sharePercent": 50}], "expirySeconds": 300}
    changed = admin("PUT", f"{ADMIN}/{created.body['id']}", {"signalDefaults": given | {"priceType": "MARK_PRICE"}})
    assert changed.body["signalDefaults"] == given | {"stopPercent": 0.8, "priceType": "MARK_PRICE"}
    assert admin("PUT", f"{ADMIN}/{created.body['id']}", {"name": "x"}).body["signalDefaults"]["stopPercent"] == 0.8
    reset = admin("PUT", f"{ADMIN}/{created.body['id']}", {"signalDefaults": {}})
    assert reset.body["signalDefaults"] == none


def test_defaults_that_no_trade_can_have_are_refused(admin: Ask) -> None:
    shares = [{"percent": 1, "sharePercent": 60}, {"percent": 2, "sharePercent": 41}]
    given = {"stopPercent": 51, "takeProfits": shares, "expirySeconds": 3601, "priceType": "LAST"}
    assert errors_in(admin("POST", ADMIN, NEW | {"signalDefaults": given})) == [
        ("signalDefaults.stopPercent", "must be at most 50", "body"),
        ("signalDefaults.takeProfits", "must have shares of at most 100 percent together", "body"),
        ("signalDefaults.expirySeconds", "must be at most 3600", "body"),
        ("signalDefaults.priceType", "must be one of CONTRACT_PRICE, MARK_PRICE", "body"),
    ]


def test_risk_profiles_are_published_changed_and_listed(admin: Ask, public: Ask) -> None:
    created = admin("POST", f"{ADMIN}/profile", {"name": "CONSERVATIVE", "percentage": 1.5})
    assert set(created.body) == RISK_PROFILE
    assert (created.body["name"], created.body["percentage"]) == ("CONSERVATIVE", 1.5)
    changed = admin("PUT", f"{ADMIN}/profile/{created.body['id']}", {"percentage": "2"})
    assert changed.body == created.body | {"percentage": 2, "updatedAt": changed.body["updatedAt"]}
    assert changed.body in public("profile/list").body["items"]
    unknown = admin("PUT", f"{ADMIN}/profile/{uuid4()}", {"percentage": 2})
    assert (unknown.status, unknown.body) == NOT_FOUND


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ADMIN),
        ("PUT", f"{ADMIN}/nonsense"),
        ("POST", f"{ADMIN}/profile"),
        ("PUT", f"{ADMIN}/profile/nonsense"),
        ("POST", f"{ADMIN}/nonsense/result"),
    ],
)
def test_only_admins_may_publish(admin: Ask, method: str, path: str) -> None:
    bodies: tuple[Any, ...] = ({}, "{")
    for body in bodies:
        refused = admin(method, path, body, caller=claims(groups=["user"]))
        assert (refused.status, refused.body) == (403, {"message": "Forbidden"})
        assert admin(method, path, body, caller=None).status == 401
        assert admin(method, path, body).status in (400, 422)


def test_a_request_gets_all_its_field_errors_at_once(admin: Ask, strategy_id: str) -> None:
    body = {"name": "", "description": "", "exchangeId": "binance", "symbol": "BTCUSDT", "active": "yes"}
    assert errors_in(admin("POST", ADMIN, body)) == [
        ("name", "must not be empty", "body"),
        ("description", "must not be empty", "body"),
        ("exchangeId", "has invalid characters", "body"),
        ("symbol", "must be valid exchange symbol", "body"),
        ("active", "must be boolean", "body"),
    ]
    assert errors_in(admin("PUT", f"{ADMIN}/x", {"name": None, "active": None})) == [
        ("id", "must be UUID", "params"),
        ("name", "must be string", "body"),
        ("active", "must be boolean", "body"),
    ]
    assert errors_in(admin("POST", f"{ADMIN}/profile", {"percentage": 0})) == [
        ("name", "must be provided", "body"),
        ("percentage", "must be greater than 0", "body"),
    ]
    moment = "must be valid date and time, eg. 2022-10-14T14:03:45.064Z"
    result = {
        "id": "x",
        "side": "BUY",
        "entryPrice": -1,
        "exitPrice": "NaN",
        "openedAt": "2022-10-14",
        "closedAt": 5,
    }
    assert errors_in(admin("POST", f"{ADMIN}/{strategy_id}/result", result)) == [
        ("id", "must be UUID", "body"),
        ("side", "must be one of LONG, SHORT", "body"),
        ("entryPrice", "must be greater than 0", "body"),
        ("exitPrice", "must be number", "body"),
        ("openedAt", moment, "body"),
        ("closedAt", moment, "body"),
    ]


@pytest.mark.parametrize(
    "price", ["1e5", "1_000", " 1", "", "Infinity", "\u0661", "-1", True, None, [], 10**16, "0", 1e-19]
)
def test_invalid_prices_are_refused(admin: Ask, strategy_id: str, price: Any) -> None:
    answer = admin("POST", f"{ADMIN}/{strategy_id}/result", trade(exitPrice=price))
    assert [param for param, _, _ in errors_in(answer)] == ["exitPrice"]


@pytest.mark.parametrize(
    "moment", ["1969-12-31T23:59:59Z", "2022-10-14T14:03:45", "9999-99-99", "", "0001-01-01T00:00:00+14:00"]
)
def test_invalid_times_are_refused(admin: Ask, strategy_id: str, moment: str) -> None:
    answer = admin("POST", f"{ADMIN}/{strategy_id}/result", trade(openedAt=moment))
    assert [param for param, _, _ in errors_in(answer)] == ["openedAt"]


def test_a_result_shows_in_history_and_performance(admin: Ask, public: Ask, strategy_id: str) -> None:
    published = admin("POST", f"{ADMIN}/{strategy_id}/result", trade())
    assert published.status == 200, published.text
    assert set(published.body) == RESULT
    for exit_price in ("99.9", "105", "80"):
        admin("POST", f"{ADMIN}/{strategy_id}/result", trade(exitPrice=exit_price))
    admin("POST", f"{ADMIN}/{strategy_id}/result", trade(side="SHORT", exitPrice="50"))
    history = public(f"{strategy_id}/history", limit="3")
    assert history.status == 200
    row, *others = history.body["items"]
    start = today()
    assert others == [
        {"start": str(start - timedelta(days=n)), "endAt": str(start - timedelta(days=n - 1))} | EMPTY for n in (1, 2)
    ]
    assert set(row) == {"start", "endAt", *EMPTY}
    assert (row["start"], row["endAt"]) == (str(start), str(start + timedelta(days=1)))
    assert (row["trades"], row["long"], row["short"], row["winRate"]) == (5, 4, 1, 0.6)
    # 1.1 · 0.999 · 1.05 · 0.8 · 1.5. The largest draw down is the factor 0.8.
    assert json.loads(history.text, parse_float=Decimal)["items"][0]["netProfitPercent"] == Decimal("38.4614")
    assert row["maxDrawDown"] == 0.2
    performance = public(f"{strategy_id}/performance")
    assert performance.body == {name: row[name] for name in EMPTY}
    assert public(f"{strategy_id}/performance", interval="1M", limit="1").body == performance.body


def test_months_of_the_history_begin_on_the_first_day(admin: Ask, public: Ask, strategy_id: str) -> None:
    rows = public(f"{strategy_id}/history", interval="1M", limit="14").body["items"]
    first = today().replace(day=1)
    assert rows[0] == {"start": str(first), "endAt": str((first + timedelta(days=31)).replace(day=1))} | EMPTY
    assert all(later["start"] == earlier["endAt"] for later, earlier in pairwise(rows))
    assert len(rows) == 14


def test_a_strategy_without_results_has_an_empty_history_and_performance(public: Ask, strategy_id: str) -> None:
    assert len(public(f"{strategy_id}/history").body["items"]) == 30
    assert public(f"{strategy_id}/performance").body == EMPTY


@pytest.mark.parametrize("kind", ["history", "performance"])
def test_invalid_history_queries_are_refused(public: Ask, kind: str) -> None:
    unknown = public(f"{uuid4()}/{kind}")
    assert (unknown.status, unknown.body) == NOT_FOUND
    assert errors_in(public(f"invalid/{kind}", interval="1w", limit="1001")) == [
        ("id", "must be UUID", "params"),
        ("interval", "must be one of 1d, 1M", "query"),
        ("limit", "must be at most 1000", "query"),
    ]
    for limit in ("0", "-1", "x", ""):
        assert errors_in(public(f"{uuid4()}/{kind}", limit=limit))[0][0] == "limit"


def test_a_result_counts_once_by_its_id(admin: Ask, public: Ask, strategy_id: str) -> None:
    route, body = f"{ADMIN}/{strategy_id}/result", trade(id=str(uuid4()))
    first = admin("POST", route, body)
    assert first.body["id"] == body["id"]
    assert admin("POST", route, body | {"entryPrice": "100.0"}).body == first.body
    other = admin("POST", route, body | {"exitPrice": 111})
    assert errors_in(other) == [("id", "is another result's", "body")]
    assert public(f"{strategy_id}/performance").body["trades"] == 1
    backwards = trade(openedAt=iso(now_ms() + 5000), closedAt=iso(now_ms() + 4000))
    assert errors_in(admin("POST", route, backwards)) == [
        ("closedAt", "must not be before openedAt", "body"),
        ("closedAt", "must not be in the future", "body"),
    ]
    unknown = admin("POST", f"{ADMIN}/{uuid4()}/result", body)
    assert (unknown.status, unknown.body) == NOT_FOUND


@pytest.mark.parametrize("path", ["", "/profile", "/{}/result"])
def test_an_idempotency_key_publishes_once(admin: Ask, public: Ask, strategy_id: str, path: str) -> None:
    bodies: dict[str, dict[str, Any]] = {"": NEW, "/profile": {"name": "MODERATE", "percentage": 2}}
    body = bodies.get(path) or trade()
    route, header = ADMIN + path.format(strategy_id), {"Idempotency-Key": str(uuid4())}
    first = admin("POST", route, body, headers=header)
    assert first.status == 200, first.text
    assert admin("POST", route, body, headers=header).body == first.body
    other = admin("POST", route, body | {"name": "x", "side": "SHORT"}, headers=header)
    assert errors_in(other) == [("Idempotency-Key", "was used with another request", "headers")]


def new_result(closed_at: int, exit_price: str = "101") -> NewResult:
    return NewResult(str(uuid4()), Direction.LONG, Decimal(100), Decimal(exit_price), closed_at - 1, closed_at)


def test_concurrent_results_all_count_once(strategy_id: str) -> None:
    results = strategy_results()
    closed_at = now_ms() - 1
    published = [new_result(closed_at - 10 * i) for i in range(8)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda new: results.publish(SYSTEM, strategy_id, new), [*published, *published[:4]]))
    for interval in Interval:
        figures = results.performance(strategy_id, interval, 2)
        assert figures.trades == 8
        assert figures.net_profit_percent == ((Decimal("1.01") ** 8 - 1) * 100).quantize(Decimal("1e-8"))


@pytest.mark.usefixtures("handlers")
def test_the_order_of_publishing_does_not_change_the_figures() -> None:
    results, catalog = strategy_results(), strategies()
    now = now_ms()
    trades = [new_result(now - i * DAY // 3, str(70 + i * 13 % 60)) for i in range(24)]
    figures = []
    for order in (trades[::-1], trades, trades[::2] + trades[1::2]):
        new = NewStrategy(str(uuid4()), "x", None, "BINANCE", "BTC/USDT")
        strategy_id = catalog.publish(SYSTEM, new).id
        for trade in order:
            results.publish(SYSTEM, strategy_id, trade)
        rows = results.history(strategy_id, Interval.DAY, 10)
        whole = [
            results.performance(strategy_id, Interval.DAY, 10),
            results.performance(strategy_id, Interval.MONTH, 2),
        ]
        assert whole[0].max_draw_down == whole[1].max_draw_down
        figures.append(
            [(f.net_profit_percent, f.max_draw_down, f.wins, f.trades) for f in [r.figures for r in rows] + whole]
        )
    assert figures[0] == figures[1] == figures[2]


def test_a_thousand_days_are_read_with_two_requests(public: Ask, strategy_id: str) -> None:
    from purser.aws.tables import Table
    from purser.settings import settings

    table = Table(settings().require("strategies_table"))
    result = Result("x", Direction.LONG, Decimal(7), Decimal(10), 1, 1, 1)
    figures = asdict(result.figures)
    days = ((today() - timedelta(days=n)).isoformat() for n in range(1001))
    place = {"lastPlace": f"{0:013d}#{uuid4()}"}
    put_items(table.name, ({"PK": f"STRATEGY#{strategy_id}", "SK": f"DAY#{day}"} | place | figures for day in days))
    for kind in ("history", "performance"):
        with aws_requests("dynamodb") as sent:
            assert public(f"{strategy_id}/{kind}", limit="1000").status == 200
        assert sent == ["dynamodb.GetItem", "dynamodb.Query"]
    assert len(public(f"{strategy_id}/history", limit="1000").body["items"]) == 1000
    assert public(f"{strategy_id}/performance", limit="1000").body["trades"] == 1000
