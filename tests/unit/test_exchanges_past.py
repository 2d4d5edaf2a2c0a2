"""Past balances and closing prices, in Binance's formats, from a scripted venue."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from purser.errors import (
    ExchangeAuthorizationFailed,
    ExchangeRateLimited,
    ExchangeSymbolInvalid,
    ExchangeUnavailable,
)
from purser.exchanges.ccxt_gateway import CcxtGateway
from purser.exchanges.model import ApiCredential, PastBalance, Prices, TradeType
from purser.exchanges.pacing import WeightPacer
from purser.exchanges.valuation import value_totals
from tests.support.budget import own_budget
from tests.support.venue import Reply, Venue, fault, serve

SPOT, FUTURES = TradeType.SPOT, TradeType.FUTURES
CREDENTIAL = ApiCredential("k" * 64, "s" * 64)
SNAPSHOT, CANDLES = "GET /sapi/v1/accountSnapshot", "GET /api/v3/klines"
DAY_MS = 86_400_000
END = 1576281599000
"""The last second of 2019-12-13, as in Binance's example."""

# https://developers.binance.com/docs/wallet/account/daily-account-snapshoot
SPOT_EXAMPLE = {
    "balances": [
        {"asset": "BTC", "free": "0.09905021", "locked": "0.00000000"},
        {"asset": "USDT", "free": "1.89109409", "locked": "0.5"},
    ],
    "totalAssetOfBtc": "0.09942700",
}
FUTURES_EXAMPLE = {
    "assets": [{"asset": "USDT", "marginBalance": "118.99782335", "walletBalance": "120.23811389"}],
    "position": [
        {
            "entryPrice": "7130.41000000",
            "markPrice": "7257.66239673",
            "positionAmt": "0.01000000",
            "symbol": "BTCUSDT",
            "unRealizedProfit": "1.24029054",
        }
    ],
}


def answer(*data: Any, kind: str = "spot", end: int = END) -> dict[str, Any]:
    rows = [{"data": each, "type": kind, "updateTime": end + number * DAY_MS} for number, each in enumerate(data)]
    return {"code": 200, "msg": "", "snapshotVos": rows}


@pytest.fixture
def venue() -> Iterator[Venue]:
    with serve() as venue:
        yield venue


@pytest.fixture
def gateway(venue: Venue) -> Iterator[CcxtGateway]:
    gateway = CcxtGateway(budget=own_budget(), endpoint=venue.url, timeout=60)
    yield gateway
    gateway.close()


def test_past_balances_of_a_spot_account_are_read_by_day(venue: Venue, gateway: CcxtGateway) -> None:
    venue[SNAPSHOT] = answer(SPOT_EXAMPLE, {"balances": [], "totalAssetOfBtc": "0"})
    day, nothing = gateway.past_balances(CREDENTIAL, SPOT)
    assert (day.date, nothing) == ("2019-12-13", PastBalance("2019-12-14", ()))
    valued = value_totals(day.totals, Prices({"USDCUSDT": Decimal(1), "BTCUSDT": Decimal(10000)}))
    assert valued.total_usd == Decimal("992.89319409")


def test_the_past_balance_of_a_futures_account_is_its_margin_balance(venue: Venue, gateway: CcxtGateway) -> None:
    venue[SNAPSHOT] = answer(FUTURES_EXAMPLE, kind="futures")
    expected = PastBalance("2019-12-13", (("USDT", Decimal("118.99782335")),))
    assert gateway.past_balances(CREDENTIAL, FUTURES) == [expected]


@pytest.mark.parametrize(
    ("end", "day"),
    [(END, "2019-12-13"), (END + 999, "2019-12-13"), (END + 1000, "2019-12-13"), (END + 1001, "2019-12-14")],
)
def test_a_snapshot_belongs_to_the_day_that_ends_with_it(
    venue: Venue, gateway: CcxtGateway, end: int, day: str
) -> None:
    venue[SNAPSHOT] = answer(SPOT_EXAMPLE, end=end)
    assert [past.date for past in gateway.past_balances(CREDENTIAL, SPOT)] == [day]


def test_days_without_a_snapshot_at_the_venue_are_absent(venue: Venue, gateway: CcxtGateway) -> None:
    venue[SNAPSHOT] = answer()
    assert gateway.past_balances(CREDENTIAL, SPOT) == []


@pytest.mark.parametrize("kind", TradeType)
def test_one_signed_request_reads_all_days_that_the_venue_remembers(
    venue: Venue, gateway: CcxtGateway, kind: TradeType
) -> None:
    venue[SNAPSHOT] = answer()
    before = time.time_ns() // 1_000_000
    gateway.past_balances(CREDENTIAL, kind)
    after = time.time_ns() // 1_000_000
    (query,) = venue.queries
    assert (query["type"], query["limit"]) == ([kind.value], ["30"])
    assert query["signature"]
    since, until = int(query["startTime"][0]), int(query["endTime"][0])
    assert before <= until <= after
    # The range is just below thirty days and includes the end of the thirtieth day.
    assert 0 < 30 * DAY_MS - (until - since) <= 60_000
    assert venue.asked == [SNAPSHOT]


@pytest.mark.parametrize(
    "body",
    [
        *("", "<html></html>", "[]", "{}", "null", '{"code": 200, "msg": ""}', '{"snapshotVos": {}}'),
        json.dumps(answer({})),
        json.dumps(answer({"balances": [{"asset": "BTC", "free": "1"}]})),
        json.dumps(answer({"balances": [{"asset": "BTC", "free": "NaN", "locked": "0"}]})),
        json.dumps(answer({"balances": [{"asset": "BTC", "free": 1.5, "locked": "0"}]})),
        json.dumps(answer(FUTURES_EXAMPLE)),
    ],
)
def test_unreadable_past_balances_are_an_outage_and_not_empty(venue: Venue, gateway: CcxtGateway, body: str) -> None:
    venue[SNAPSHOT] = Reply(body)
    with pytest.raises(ExchangeUnavailable):
        gateway.past_balances(CREDENTIAL, SPOT)


def test_a_rejected_key_and_a_rate_limit_raise_different_errors(venue: Venue, gateway: CcxtGateway) -> None:
    venue[SNAPSHOT] = fault(-2015, status=401)
    with pytest.raises(ExchangeAuthorizationFailed):
        gateway.past_balances(CREDENTIAL, SPOT)
    venue[SNAPSHOT] = fault(-1003, status=429, Retry_After="7")
    with pytest.raises(ExchangeRateLimited) as limited:
        gateway.past_balances(CREDENTIAL, SPOT)
    assert limited.value.retry_after == 7


def test_past_balances_have_a_weight_budget_of_their_own(venue: Venue) -> None:
    venue[SNAPSHOT], venue[CANDLES] = answer(), []
    spot, past = WeightPacer(100), WeightPacer(2400)
    gateway = CcxtGateway(budget=own_budget(), endpoint=venue.url, pacers=lambda _: {SPOT: spot, None: past})
    gateway.past_balances(CREDENTIAL, SPOT)
    gateway.daily_closes("BTC/USDT", 0, 1)
    assert (spot._spent, past._spent) == (2, 2400)
    gateway.close()


def test_closing_prices_are_read_by_day(venue: Venue, gateway: CcxtGateway) -> None:
    rest = [1576367999999, "1", 1, "1", "1", "0"]
    venue[CANDLES] = [
        [1576195200000, "7202.0", "7293.11", "7077.0", "7254.74", "33642.70", *rest],
        [1576281600000, "7254.77", "7271.77", "7022.0", "7041.310000000000000000000000001", "25256.8", *rest],
    ]
    assert gateway.daily_closes("BTC/USDT", 1576195200000, 1576367999999) == {
        "2019-12-13": Decimal("7254.74"),
        "2019-12-14": Decimal("7041.310000000000000000000000001"),
    }
    assert venue.queries == [
        {"symbol": ["BTCUSDT"], "interval": ["1d"], "startTime": ["1576195200000"], "endTime": ["1576367999999"]}
    ]


def test_an_unknown_market_is_an_invalid_symbol(venue: Venue, gateway: CcxtGateway) -> None:
    venue[CANDLES] = fault(-1121)
    with pytest.raises(ExchangeSymbolInvalid):
        gateway.daily_closes("NO/USDT", 0, 1)


@pytest.mark.parametrize("body", ["", "{}", "[1]", "[[]]", '[[1, "1", "1", "1", 1.5]]', '[[1, "1", "1", "1", "NaN"]]'])
def test_unreadable_prices_are_an_outage(venue: Venue, gateway: CcxtGateway, body: str) -> None:
    venue[CANDLES] = Reply(body)
    with pytest.raises(ExchangeUnavailable):
        gateway.daily_closes("BTC/USDT", 0, 1)
