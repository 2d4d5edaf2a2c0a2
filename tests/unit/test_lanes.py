"""Egress lanes: how they are configured, and that every request takes its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import UUID

import pytest

from purser.errors import ExchangeRateLimited, ExchangeUnavailable
from purser.exchanges.budget import Purpose, WeightBudget
from purser.exchanges.ccxt_gateway import CcxtGateway, weight_limits
from purser.exchanges.model import ApiCredential, TradeType
from purser.lanes import DIRECT, FORM, Lane, addresses_of, lane_of, lanes_from, lanes_in_use, lanes_of
from purser.settings import MissingSetting, read
from tests.support.budget import FakeBudgetStore
from tests.support.fakes import FakeClock
from tests.support.template import template
from tests.support.venue import Reply, Venue, fault, serve

SPOT, FUTURES = TradeType.SPOT, TradeType.FUTURES
ACCOUNTS = [str(UUID(int=number)) for number in range(100)]
FIVE = tuple(Lane(name, (f"127.0.0.{number}",), source=f"127.0.0.{number}") for number, name in enumerate("abcde", 2))


# ---- configuration


def test_lanes_are_read_with_addresses_proxy_source_and_weight() -> None:
    text = "a=203.0.113.7+203.0.113.8, b=203.0.113.9 via http://10.0.1.8:3128 weight 1200,c=127.0.0.2 from 127.0.0.2"
    assert lanes_of(text) == (
        Lane("a", ("203.0.113.7", "203.0.113.8")),
        Lane("b", ("203.0.113.9",), proxy="http://10.0.1.8:3128", weight=1200),
        Lane("c", ("127.0.0.2",), source="127.0.0.2"),
    )
    assert lanes_of(" ") == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("203.0.113.7", f"a lane is not {FORM}"),
        ("a=proxy.example", "lane a has an address that is none"),
        ("A=203.0.113.7", f"a lane is not {FORM}"),
        ("a=203.0.113.7 via http://10.0.0.1:1 from 127.0.0.2", f"a lane is not {FORM}"),
        ("a=203.0.113.256", "lane a has an address that is none"),
        ("a=203.0.113.7 from 127.0.0.256", "lane a has an address that is none"),
        (
            "a=203.0.113.7 via http://me:secret@10.0.0.1:1",
            "the proxy of lane a is not http://host:port without user and password",
        ),
        ("a=203.0.113.7, a=203.0.113.8", "the name a is given twice"),
        ("a=203.0.113.7, b=203.0.113.8+203.0.113.7", "the address 203.0.113.7 is given twice"),
        (
            "a=203.0.113.7, b=203.0.113.8",
            "lanes a and b have no proxy, so that they would leave from the same addresses",
        ),
        ("a=203.0.113.7 weight 99", "the weight of lane a is below 100; 0 only announces its addresses"),
        ("a=203.0.113.7 weight 0", "every lane has weight 0, so nothing could be sent"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused_and_named(text: str, reason: str) -> None:
    with pytest.raises(MissingSetting) as error:
        read({"EGRESS_LANES": text})
    assert str(error.value) == f"environment variable EGRESS_LANES is invalid: {reason}"
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "legal"),
    [
        ("", True),
        ("a=203.0.113.7", True),
        ("a=203.0.113.7+203.0.113.8, b=203.0.113.9 via http://10.0.1.8:3128 weight 1200", True),
        ("a=127.0.0.2 from 127.0.0.2 weight 0,b=127.0.0.3", True),
        ("203.0.113.7", False),
        ("a=203.0.113.7 via http://me:secret@10.0.0.1:1", False),
        ("a=203.0.113.7 b=203.0.113.8", False),
    ],
)
def test_the_template_takes_what_the_code_can_read(text: str, legal: bool) -> None:
    pattern = template()["Parameters"]["EgressLanes"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, text)) is legal
    if legal:
        lanes_of(text)


def test_a_lane_without_weight_is_shown_to_users_and_not_used() -> None:
    lanes = lanes_of("a=203.0.113.7, b=203.0.113.8 weight 0")
    assert addresses_of(lanes) == ["203.0.113.7", "203.0.113.8"]
    assert [lane.name for lane in lanes_in_use(lanes)] == ["a"]
    assert lanes_in_use(()) == (DIRECT,)
    assert weight_limits(Lane("half", weight=1200)) == {SPOT: 3000, FUTURES: 1200}


def test_an_account_always_has_the_same_lane_and_all_lanes_have_their_share() -> None:
    assert [lane_of(FIVE, account) for account in ACCOUNTS] == [lane_of(FIVE, account) for account in ACCOUNTS]
    assert lane_of(FIVE, "00000000-0000-0000-0000-000000000000").name == "a", "whatever the process"
    shares = Counter(lane_of(FIVE, account).name for account in ACCOUNTS)
    assert min(shares.values()) >= 10
    assert lanes_from(FIVE, ACCOUNTS[1])[0] == lane_of(FIVE, ACCOUNTS[1])
    assert set(lanes_from(FIVE, ACCOUNTS[1])) == set(FIVE)


# ---- requests


@pytest.fixture
def venue() -> Iterator[Venue]:
    with serve() as venue:
        venue["GET /fapi/v3/account"] = {"assets": []}
        venue["GET /api/v3/account"] = {"balances": []}
        venue["GET /api/v3/ticker/price"] = [{"symbol": "USDCUSDT", "price": "1"}]
        yield venue


class Lanes:
    """A gateway with several lanes, and their budgets."""

    def __init__(self, url: str, lanes: Sequence[Lane] = FIVE) -> None:
        self.clock = FakeClock(1_800_000_000_000)
        self.stores = {lane: FakeBudgetStore() for lane in lanes}
        self.gateway = CcxtGateway(budget={lane: self._budget(lane) for lane in lanes}, endpoint=url)

    def _budget(self, lane: Lane) -> WeightBudget:
        limits = {market.value: weight for market, weight in weight_limits(lane).items()}
        return WeightBudget(self.stores[lane], limits, self.clock, lambda *_: None, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.clock.advance(round(seconds * 1000))

    def read(self, account: str, kind: TradeType = FUTURES) -> None:
        self.gateway.account_balance(ApiCredential("k" * 64, "s" * 64, "user", account), kind)

    def exhaust(self, lane: Lane, market: str) -> None:
        """Leave no weight in this minute and the next one."""
        end = (self.clock() // 60_000 + 1) * 60_000
        for minute in range(2):
            self.stores[lane].raise_to(market, end + minute * 60_000, 10**6)


@pytest.fixture
def lanes(venue: Venue) -> Iterator[Lanes]:
    lanes = Lanes(venue.url)
    yield lanes
    lanes.gateway.close()


def test_each_account_calls_from_the_address_of_its_lane(venue: Venue, lanes: Lanes) -> None:
    for account in ACCOUNTS[:20]:
        venue.connections.clear()
        lanes.gateway.close()
        for kind in (FUTURES, SPOT):
            lanes.read(account, kind)
        assert {address for address, _ in venue.connections} == {lane_of(FIVE, account).source}


def test_a_429_closes_its_lane_and_no_other(venue: Venue, lanes: Lanes) -> None:
    hit = lane_of(FIVE, ACCOUNTS[0])
    venue["GET /fapi/v3/account"] = fault(-1003, "Too many requests.", 429)
    with pytest.raises(ExchangeRateLimited):
        lanes.read(ACCOUNTS[0])
    venue["GET /fapi/v3/account"] = {"assets": []}
    asked = len(venue.asked)
    for account in ACCOUNTS:
        if lane_of(FIVE, account) == hit:
            with pytest.raises(ExchangeRateLimited):
                lanes.read(account)
        else:
            lanes.read(account)
            asked += 1
    assert len(venue.asked) == asked
    assert [lane for lane, store in lanes.stores.items() if store.cooldowns] == [hit]


def test_the_venue_s_own_count_corrects_the_lane_that_it_is_of(venue: Venue, lanes: Lanes) -> None:
    venue["GET /fapi/v3/account"] = Reply({"assets": []}, headers={"X-MBX-USED-WEIGHT-1M": "2000"})
    lanes.read(ACCOUNTS[0])
    counts = {lane: max(store.counters.values(), default=0) for lane, store in lanes.stores.items()}
    assert [lane for lane, count in counts.items() if count == 2000] == [lane_of(FIVE, ACCOUNTS[0])]
    assert sum(count > 0 for count in counts.values()) == 1


def test_a_request_without_a_key_takes_a_lane_that_has_weight_left(venue: Venue, lanes: Lanes) -> None:
    first, second, *others = lanes_from(FIVE, "public_get_ticker_price")
    lanes.gateway.prices()
    assert {address for address, _ in venue.connections} == {first.source}
    lanes.exhaust(first, "SPOT")
    lanes.gateway.spending(Purpose.ORDERING).prices()
    assert {address for address, _ in venue.connections} == {first.source, second.source}
    for lane in (second, *others):
        lanes.exhaust(lane, "SPOT")
    lanes.clock.advance(60_000)  # The process may still spend what it has taken of this minute.
    with pytest.raises(ExchangeRateLimited) as refusal:
        lanes.gateway.spending(Purpose.ORDERING).prices()
    assert refusal.value.by_venue is False


def test_background_work_waits_once_whatever_the_number_of_lanes(lanes: Lanes) -> None:
    for lane in FIVE:
        lanes.exhaust(lane, "SPOT")
    before = lanes.clock()
    with pytest.raises(ExchangeRateLimited):
        lanes.gateway.spending(Purpose.BACKGROUND).prices()
    assert 0 < lanes.clock() - before <= 60_000


def test_a_lane_with_a_proxy_sends_everything_through_it(venue: Venue) -> None:
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            body = b'[{"symbol": "USDCUSDT", "price": "1"}]'
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        lane = Lane("a", ("203.0.113.7",), proxy=f"http://127.0.0.1:{proxy.server_address[1]}")
        lanes = Lanes(venue.url, [lane])
        lanes.gateway.prices()
        lanes.gateway.close()
        proxy.shutdown()
    assert asked == [f"{venue.url}/api/v3/ticker/price?symbolStatus=TRADING"]
    assert venue.asked == []


def test_tls_is_tunnelled_through_the_proxy_of_a_lane() -> None:
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.path)
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        lane = Lane("a", ("203.0.113.7",), proxy=f"http://127.0.0.1:{proxy.server_address[1]}")
        lanes = Lanes("", [lane])
        with pytest.raises(ExchangeUnavailable):
            lanes.gateway.prices()
        lanes.gateway.close()
        proxy.shutdown()
    assert set(asked) == {"api.binance.com:443"}
