"""The contract of the gateway to an exchange, held against ccxt on the paper exchange and the fake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from local.doubles.binance import PaperExchange
from purser.errors import ExchangeAuthorizationFailed, ExchangeSymbolInvalid
from purser.exchanges.ccxt_gateway import CcxtGateway
from purser.exchanges.model import ApiCredential, AssetBalance, TradeType
from purser.exchanges.port import ExchangeGateway
from tests.support.budget import own_budget
from tests.support.fakes import FakeExchange
from tests.support.paper import Paper

SPOT = TradeType.SPOT
HELD = AssetBalance("USDT", Decimal(10000), Decimal(0), Decimal(10000))


@dataclass
class World:
    """The gateway, and the owners of keys, who hold 10000 USDT and place orders themselves."""

    gateway: ExchangeGateway
    add_key: Callable[[bool], ApiCredential]
    place_orders: Callable[[ApiCredential, int], object]
    count_open: Callable[[ApiCredential], int]

    def key(self, *, withdrawals: bool = False) -> ApiCredential:
        return self.add_key(withdrawals)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Paper, CcxtGateway]]:
    directory: Path = tmp_path_factory.mktemp("paper")
    with PaperExchange(directory) as exchange, exchange.serve() as served:
        paper = Paper(served.url)
        paper.prices(BTC_USDT="20000")
        gateway = CcxtGateway(budget=own_budget(), endpoint=served.url, timeout=60)
        yield paper, gateway
        gateway.close()


@pytest.fixture(params=["fake", "paper exchange"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "fake":
        return in_memory()
    paper, gateway = request.getfixturevalue("venue")
    secrets: dict[str, dict[str, str]] = {}

    def add_key(withdrawals: bool) -> ApiCredential:
        key = paper.key(spot={"USDT": "10000"}, withdrawals=withdrawals)
        secrets[key["apiKey"]] = key
        return ApiCredential(key["apiKey"], key["secret"])

    def place_orders(credential: ApiCredential, count: int) -> None:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
        for number in range(count):
            paper.signed(secrets[credential.api_key], "POST", "/api/v3/order", **order, price=18000 + number)

    return World(gateway, add_key, place_orders, lambda credential: len(paper.open_orders(credential.api_key)))


def in_memory() -> World:
    fake = FakeExchange()

    def add_key(withdrawals: bool) -> ApiCredential:
        return ApiCredential(fake.add(uuid4().hex, withdrawals=withdrawals, USDT="10000"), "secret")

    def place_orders(credential: ApiCredential, count: int) -> None:
        fake.keys[credential.api_key].open_orders += count

    return World(fake, add_key, place_orders, lambda credential: fake.keys[credential.api_key].open_orders)


def test_checking_a_key_returns_its_balance_and_whether_it_may_withdraw(world: World) -> None:
    for withdrawals in (False, True):
        credential = world.key(withdrawals=withdrawals)
        check = world.gateway.check_key(credential, SPOT)
        assert check.may_withdraw == withdrawals
        assert check.balance == world.gateway.account_balance(credential, SPOT)
        assert check.balance.trade_type is SPOT
        assert [asset for asset in check.balance.balances if asset.total] == [HELD]


def test_a_wrong_secret_and_an_unknown_key_are_refused(world: World) -> None:
    credential = world.key()
    world.place_orders(credential, 1)
    calls = (world.gateway.check_key, world.gateway.account_balance, world.gateway.cancel_all_orders)
    for wrong in (ApiCredential(credential.api_key, "wrong"), ApiCredential("unknown", credential.secret)):
        for call in calls:
            with pytest.raises(ExchangeAuthorizationFailed):
                call(wrong, SPOT)
    assert world.count_open(credential) == 1


def test_every_open_order_of_the_key_is_cancelled(world: World) -> None:
    credential, other = world.key(), world.key()
    world.place_orders(credential, 3)
    world.place_orders(other, 2)
    assert world.gateway.cancel_all_orders(credential, SPOT) == 3
    assert (world.count_open(credential), world.count_open(other)) == (0, 2)
    assert world.gateway.cancel_all_orders(credential, SPOT) == 0


@pytest.mark.parametrize("allowed", [0, 1])
def test_cancelling_stops_when_its_caller_says_so(world: World, allowed: int) -> None:
    credential = world.key()
    world.place_orders(credential, 2)
    requests = 0

    def go_on() -> None:
        nonlocal requests
        if requests == allowed:
            raise ZeroDivisionError
        requests += 1

    with pytest.raises(ZeroDivisionError):
        world.gateway.cancel_all_orders(credential, SPOT, go_on)
    assert world.count_open(credential) == 2, "the first request only reads"
    requests = -10
    assert world.gateway.cancel_all_orders(credential, SPOT, go_on) == 2


def test_without_open_orders_cancelling_only_reads(world: World) -> None:
    requests = []
    assert world.gateway.cancel_all_orders(world.key(), SPOT, lambda: requests.append(1)) == 0
    assert len(requests) == 1


def test_prices_and_closing_prices_are_those_of_existing_markets(world: World) -> None:
    assert world.gateway.prices().last("BTC", "USDT") == 20000
    assert world.gateway.prices().last("NOBODY", "USDT") is None
    with pytest.raises(ExchangeSymbolInvalid):
        world.gateway.daily_closes("NOBODY/USDT", 0, 1)
