"""Test what the paper exchange remembers, through ccxt: candles of prices, funding, and income."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests
from ccxt.base import errors
from requests.adapters import HTTPAdapter

from local.doubles.binance import ControlRefused, PaperExchange, Served
from local.doubles.binance.limits import Limits
from local.doubles.binance.testing import ccxt_client
from local.doubles.binance.wire import WireError
from tests.support.fakes import FakeClock

D = Decimal
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
MORNING = 1_800_000_000_000 // DAY * DAY + 7 * HOUR + 50 * MINUTE


@dataclass
class World:
    """A served exchange, and its clock."""

    served: Served
    clock: FakeClock

    def client(self, key: dict[str, str] | None = None, kind: str = "swap") -> Any:
        client = ccxt_client(self.served.url, key, kind)
        client.milliseconds = self.clock
        return client

    def price(self, *prices: int) -> None:
        for price in prices:
            self.served.control.prices(BTC_USDT=price)

    def trader(self, side: str, amount: str = "0.1") -> Any:
        """Return the client of a new account that has just opened a position in BTC."""
        client = self.client(self.served.control.key(futures={"USDT": "10000"}))
        client.create_order(SWAP, "market", side, amount)
        return client


@pytest.fixture
def world() -> Iterator[World]:
    clock = FakeClock(MORNING)
    with PaperExchange(clock=clock) as exchange, exchange.serve() as served:
        served.control.limits(spot=1_000_000, futures=1_000_000)
        served.control.prices(BTC_USDT=20000)
        yield World(served, clock)


def wallet(client: Any) -> Decimal:
    return Decimal(client.fapiPrivateV3GetAccount()["totalWalletBalance"])


# ---- candles


def test_a_candle_has_the_prices_that_really_were(world: World) -> None:
    world.clock.advance(MINUTE)
    world.price(21000, 19000, 20500)
    world.clock.advance(2 * MINUTE)
    world.price(20600)
    for kind, symbol, params in (("spot", SPOT, {}), ("swap", SWAP, {}), ("swap", SWAP, {"price": "mark"})):
        candles = world.client(kind=kind).fetch_ohlcv(symbol, "1m", limit=3, params=params)
        assert [candle[:5] for candle in candles] == [
            [MORNING + 1 * MINUTE, 20000, 21000, 19000, 20500],
            [MORNING + 2 * MINUTE, 20500, 20500, 20500, 20500],
            [MORNING + 3 * MINUTE, 20500, 20600, 20500, 20600],
        ]


def test_the_mark_price_is_not_rounded_to_the_grid_and_its_candles_have_no_volume(world: World) -> None:
    world.served.control.prices(BTC_USDT="20000.123")
    client = world.client()
    assert client.fetch_ohlcv(SWAP, "1m", limit=1)[0][4] == D("20000.1")
    [mark] = client.fapiPublicGetMarkPriceKlines({"symbol": "BTCUSDT", "interval": "1m", "limit": 1})
    assert (mark[4], mark[5], mark[7]) == ("20000.12300000", "0", "0")


def test_every_interval_of_ccxt_has_candles_that_follow_each_other(world: World) -> None:
    for kind, symbol in (("spot", SPOT), ("swap", SWAP)):
        client = world.client(kind=kind)
        for interval in client.timeframes.keys() - {"1s"}:
            candles = client.fetch_ohlcv(symbol, interval, limit=20)
            assert len(candles) == 20, interval
            assert candles[-1][4] == 20000
            assert candles[-1][0] <= world.clock() < candles[-1][0] + client.parse_timeframe(interval) * 1000
            for before, after in pairwise(candles):
                assert before[4] == after[1], interval
                assert before[2] >= max(before[1], before[4])
                assert before[3] <= min(before[1], before[4])
            since = client.fetch_ohlcv(symbol, interval, since=candles[-5][0] - 1, limit=2)
            assert [candle[0] for candle in since] == [candles[-5][0], candles[-4][0]]
    with pytest.raises(errors.BadRequest):
        world.client(kind="spot").fetch_ohlcv(SPOT, "7m")


def test_a_candle_covers_the_shorter_ones_in_it_even_after_minutes_are_forgotten(world: World) -> None:
    for day in range(12):
        world.price(20000 + 700 * (day % 5), 19000 + 300 * (day % 3))
        world.clock.advance(DAY + 37 * MINUTE)
    client, first = world.client(), MORNING // DAY * DAY
    days = client.fetch_ohlcv(SWAP, "1d", since=first, limit=12)
    assert [(day[2], day[3]) for day in days[1:4]] == [(20700, 19000), (21400, 19300), (22100, 19000)]
    for interval, parts in (("1m", "5m"), ("15m", "1h"), ("1h", "1d"), ("1d", "3d"), ("1d", "1w")):
        whole = client.fetch_ohlcv(SWAP, parts, limit=5)
        for candle, after in pairwise(whole):
            within = client.fetch_ohlcv(SWAP, interval, since=candle[0], limit=40)
            within = [each for each in within if each[0] < after[0]]
            assert candle[1:5] == [
                within[0][1],
                max(each[2] for each in within),
                min(each[3] for each in within),
                within[-1][4],
            ], (interval, parts)


def test_candles_survive_a_restart(tmp_path: Path) -> None:
    clock, asked = FakeClock(MORNING), {"symbol": "BTCUSDT", "interval": "1m", "limit": 3}
    with PaperExchange(tmp_path, clock) as exchange, exchange.serve() as served:
        served.control.prices(BTC_USDT=20000)
        served.control.prices(BTC_USDT=19000)
        clock.advance(2 * MINUTE)
        before = ccxt_client(served.url, kind="swap").fapiPublicGetKlines(asked)
    with PaperExchange(tmp_path, clock) as exchange, exchange.serve() as served:
        assert ccxt_client(served.url, kind="swap").fapiPublicGetKlines(asked) == before
        assert [D(candle[3]) for candle in before] == [19000, 19000, 19000]


# ---- funding


def test_at_funding_times_longs_pay_shorts_the_rate_at_the_mark_price(world: World) -> None:
    world.served.control.funding(BTC_USDT="0.001")
    long, short = world.trader("buy"), world.trader("sell")
    before = wallet(long), wallet(short)
    rate = long.fetch_funding_rate(SWAP)
    assert (rate["fundingRate"], rate["fundingTimestamp"]) == (D("0.001"), MORNING + 10 * MINUTE)
    world.price(21000)
    world.clock.advance(9 * MINUTE)
    assert (wallet(long), wallet(short)) == before, "not before its time"
    world.clock.advance(2 * MINUTE)
    world.price(22000)
    assert (wallet(long) - before[0], wallet(short) - before[1]) == (D("-2.1"), D("2.1"))
    [paid] = long.fetch_funding_history(SWAP)
    assert (paid["amount"], paid["code"], paid["timestamp"]) == (D("-2.1"), "USDT", MORNING + 10 * MINUTE)
    last = long.fetch_funding_rate_history(SWAP, limit=3)
    assert [(row["fundingRate"], row["timestamp"]) for row in last] == [
        (0, MORNING + 10 * MINUTE - 16 * HOUR),
        (0, MORNING + 10 * MINUTE - 8 * HOUR),
        (D("0.001"), MORNING + 10 * MINUTE),
    ]
    assert D(last[-1]["info"]["markPrice"]) == 21000


def test_fundings_that_were_missed_happen_when_the_exchange_is_next_asked(world: World) -> None:
    world.served.control.funding(BTC_USDT="-0.0005")
    short = world.trader("sell")
    before = wallet(short)
    world.clock.advance(DAY)
    assert wallet(short) - before == -3
    assert [row["amount"] for row in short.fetch_funding_history(SWAP)] == [-1, -1, -1]
    days = short.sapiGetAccountSnapshot({"type": "FUTURES"})["snapshotVos"]
    assert D(days[-1]["data"]["assets"][0]["walletBalance"]) == before - 2, "midnight's funding is the next day's"


def test_an_isolated_position_pays_from_its_own_margin(world: World) -> None:
    client = world.client(world.served.control.key(futures={"USDT": "10000"}))
    client.set_margin_mode("isolated", SWAP)
    client.create_order(SWAP, "market", "buy", "0.1")
    world.served.control.funding(BTC_USDT="0.01")
    [before] = client.fapiPrivateV3GetPositionRisk({"symbol": "BTCUSDT"})
    available = client.fapiPrivateV3GetAccount()["availableBalance"]
    world.served.control.settle_funding()
    [after] = client.fapiPrivateV3GetPositionRisk({"symbol": "BTCUSDT"})
    assert D(after["isolatedWallet"]) == D(before["isolatedWallet"]) - 20
    assert D(after["liquidationPrice"]) > D(before["liquidationPrice"])
    assert D(after["breakEvenPrice"]) == D(before["breakEvenPrice"]) + 200
    assert client.fapiPrivateV3GetAccount()["availableBalance"] == available


def test_a_funding_that_takes_the_margin_ends_the_position(world: World) -> None:
    client = world.client(world.served.control.key(futures={"USDT": "10000"}))
    client.set_margin_mode("isolated", SWAP)
    client.create_order(SWAP, "market", "buy", "0.1")
    world.served.control.funding(BTC_USDT="0.049")
    world.served.control.settle_funding()
    assert client.fetch_positions([SWAP]) == []
    assert wallet(client) == 10000 - 1 - 98, "the fee of the order, and the funding"


@pytest.mark.parametrize("rate", ["2", "0.000000001", "high", True])
def test_a_rate_that_cannot_be_is_refused(world: World, rate: Any) -> None:
    with pytest.raises(ControlRefused):
        world.served.control.call("PUT", "/paper/funding", {"BTC/USDT": rate})


# ---- income


def test_the_income_of_an_account_adds_up_to_the_change_of_its_wallet(world: World) -> None:
    world.served.control.funding(BTC_USDT="0.001")
    client = world.trader("buy")
    world.clock.advance(15 * MINUTE)
    world.price(21500)
    client.create_order(SWAP, "market", "sell", "0.04")
    rows = client.fapiPrivateGetIncome()
    assert [row["incomeType"] for row in rows] == ["COMMISSION", "FUNDING_FEE", "REALIZED_PNL", "COMMISSION"]
    assert [D(row["income"]) for row in rows] == [-1, -2, 60, D("-0.43")]
    assert sum(D(row["income"]) for row in rows) == wallet(client) - 10000
    trades = client.fetch_my_trades(SWAP)
    assert [row["tradeId"] for row in rows] == [trades[0]["id"], "", trades[1]["id"], trades[1]["id"]]
    client.number = str
    ledger = client.fetch_ledger("USDT", params={"type": "swap"})
    assert [D(entry["amount"]) for entry in ledger] == [1, 2, 60, D("0.43")]


def test_income_can_be_asked_by_type_symbol_time_and_page(world: World) -> None:
    client = world.trader("buy")
    world.clock.advance(8 * DAY)
    for _ in range(3):
        client.create_order(SWAP, "market", "buy", "0.01")
    asked = {"incomeType": "COMMISSION", "symbol": "BTCUSDT", "limit": 2}
    assert len(client.fapiPrivateGetIncome(asked)) == 2
    assert len(client.fapiPrivateGetIncome(asked | {"page": 2})) == 1, "a week, unless times are given"
    assert len(client.fapiPrivateGetIncome(asked | {"startTime": MORNING, "page": 2})) == 2
    assert client.fapiPrivateGetIncome(asked | {"symbol": "ETHUSDT"}) == []
    assert client.fapiPrivateGetIncome({"incomeType": "REALIZED_PNL"}) == []
    used = int(client.last_response_headers["X-MBX-USED-WEIGHT-1M"])
    client.fapiPrivateGetIncome()
    assert int(client.last_response_headers["X-MBX-USED-WEIGHT-1M"]) == used + 30


# ---- accounts and limits


def test_one_request_tells_the_modes_of_an_account(world: World) -> None:
    client = world.client(world.served.control.key(hedgeMode=True, multiAssets=True))
    config = client.fapiPrivateGetAccountConfig()
    assert (config["dualSidePosition"], config["multiAssetsMargin"], config["canTrade"]) == (True, True, True)
    assert client.fapiPrivateGetPositionSideDual()["dualSidePosition"]


def test_an_account_has_at_most_as_many_conditional_orders_of_a_symbol_as_the_filter_says(world: World) -> None:
    client = world.trader("buy")
    filters = {each["filterType"]: each for each in client.market(SWAP)["info"]["filters"]}
    most = int(filters["MAX_NUM_ALGO_ORDERS"]["limit"])
    assert most == 10
    for number in range(most):
        client.create_order(SWAP, "market", "sell", "0.01", None, {"takeProfitPrice": 21000 + number})
    with pytest.raises(errors.ExchangeError, match="-4045"):
        client.create_order(SWAP, "market", "sell", "0.01", None, {"takeProfitPrice": 25000})


def test_funding_rates_have_a_limit_of_their_own_for_five_minutes() -> None:
    limits, start = Limits(), MORNING
    assert all(limits.spend("127.0.0.1", "funding", 1, start)[1] is None for _ in range(500))
    used, refusal = limits.spend("127.0.0.1", "funding", 1, start + 4 * MINUTE)
    assert isinstance(refusal, WireError)
    assert (used, refusal.status, refusal.retry_after) == (501, 429, 60)
    assert limits.spend("127.0.0.1", "futures", 1, start) == (1, None)
    assert limits.spend("127.0.0.1", "funding", 1, start + 5 * MINUTE) == (1, None)


class From(HTTPAdapter):
    """Sends requests from one address of the loopback network."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *given: Any, **more: Any) -> None:
        super().init_poolmanager(*given, **more, source_address=(self._address, 0))


def test_weight_and_keys_are_bound_to_the_address_of_the_caller(world: World) -> None:
    served = world.served
    served.control.limits(futures=40)
    key = served.control.key(futures={"USDT": "1"}, ips=["127.0.0.3"])
    statuses = []
    for address in ("127.0.0.2", "127.0.0.3"):
        with requests.Session() as session:
            session.mount("http://", From(address))
            url = f"{served.url}/fapi/v1/ticker/24hr"
            statuses += [session.get(url, timeout=60).status_code for _ in range(2 if address == "127.0.0.2" else 1)]
    assert statuses == [200, 429, 200]
    assert served.control.usage() == {
        "127.0.0.2": {"futures": {"weight": 40, "most": 40, "refused": 1}},
        "127.0.0.3": {"futures": {"weight": 40, "most": 40, "refused": 0}},
    }
    assert [(each["ip"], each["weight"]) for each in served.control.requests()][-3:] == [
        ("127.0.0.2", 40),
        ("127.0.0.2", 0),
        ("127.0.0.3", 40),
    ]
    with pytest.raises(errors.AuthenticationError):
        world.client(key).fapiPrivateV3GetAccount()
