"""Test with two functions that an account's requests leave by its own lane, as the paper exchange counts them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from purser.clock import now_ms
from purser.exchanges.store import address_pk
from purser.lanes import lane_of, lanes_of
from purser.plans.model import CATALOG
from tests.support.aws import Aws
from tests.support.budget import end_cooldowns
from tests.support.events import Answered, LambdaContext, answered, claims, proxy_event
from tests.support.functions import forget_process, load_function
from tests.support.paper import Paper

LANES = "a=127.0.0.2 from 127.0.0.2, b=127.0.0.3 from 127.0.0.3, c=127.0.0.4 from 127.0.0.4 weight 1200"
ADDRESSES = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
KEYS = "/v1/priv/account/exchange/key"
MINUTE = 60_000


@pytest.fixture(scope="module")
def functions(aws: Aws, _paper_server: Paper) -> Iterator[dict[str, ModuleType]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EGRESS_LANES", LANES)
        forget_process()
        yield {name: load_function(name) for name in ("account_exchange", "exchange")}
    forget_process()


class Trader:
    """A user with a futures account, whose key may be used from the lanes' addresses only."""

    def __init__(self, functions: dict[str, ModuleType], paper: Paper) -> None:
        from purser.bootstrap.billing import subscriptions

        self._functions, self.id = functions, str(uuid4())
        subscriptions().grant(self.id, CATALOG[0].id)
        key = paper.key(futures={"USDT": "100"}, ips=ADDRESSES)
        self.api_key = key["apiKey"]
        body = {"exchangeId": "BINANCE", "tradeType": "FUTURES", "strategyType": "MANUAL", "name": "Default"}
        answer = self.call(
            "account_exchange", "POST", KEYS, body | {"apiKey": key["apiKey"], "apiSecretKey": key["secret"]}
        )
        assert answer.status == 200, answer.body
        self.account_id = str(answer.body["id"])
        self.lane = lane_of(lanes_of(LANES), self.account_id)

    def call(self, name: str, method: str, path: str, body: Any = None, **given: Any) -> Answered:
        event = proxy_event(method, path, body, caller=claims(self.id), **given)
        return answered(self._functions[name].handler(event, LambdaContext()))

    def balance(self) -> int:
        return self.call("account_exchange", "GET", f"{KEYS}/{self.account_id}/balance").status


@pytest.fixture
def traders(functions: dict[str, ModuleType], paper: Paper) -> Iterator[list[Trader]]:
    end_cooldowns()
    paper.clear_requests()
    yield [Trader(functions, paper) for _ in range(6)]
    end_cooldowns()


def test_every_request_of_an_account_leaves_by_its_lane(traders: list[Trader], paper: Paper) -> None:
    for trader in traders:
        assert trader.balance() == 200
        orders = f"/v1/priv/exchange/order/{trader.account_id}/list"
        assert trader.call("exchange", "GET", orders, query={"symbol": "BTC/USDT"}).status == 200
    seen, weights = defaultdict(set), defaultdict[str, int](int)
    for request in paper.requests():
        seen[request["apiKey"]].add(request["ip"])
        weights[request["ip"]] += request["weight"] if request["path"].startswith("/fapi/") else 0
    assert seen.pop(None) <= set(ADDRESSES), "requests without a key have a lane too"
    assert seen == {trader.api_key: {trader.lane.source} for trader in traders}
    for lane in {trader.lane for trader in traders}:
        assert _booked(lane.name) >= weights[lane.source] > 0


def _booked(lane: str) -> int:
    """Return the weight of futures that the budget of a lane has booked in this minute and the last one."""
    from purser.bootstrap.exchanges import budget_table

    ends = ((now_ms() // MINUTE + back) * MINUTE for back in (0, 1))
    items = (budget_table().get(address_pk(address=lane), f"FUTURES#{end}") or {} for end in ends)
    return sum(int(item.get("used", 0)) for item in items)


def test_a_429_on_one_lane_does_not_close_the_others(traders: list[Trader], paper: Paper) -> None:
    first = traders[0]
    paper.fault("/fapi/v3/account", "rate_limit", retryAfter=30)
    assert first.balance() == 433
    statuses = {trader.account_id: trader.balance() for trader in traders}
    assert statuses == {trader.account_id: 433 if trader.lane == first.lane else 200 for trader in traders}
