"""The weight budget that all processes share."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from purser.errors import ExchangeRateLimited, Unavailable
from purser.exchanges.budget import (
    DROPPED_MS,
    FRESH_MS,
    LARGEST_BLOCK,
    SMALLEST_BLOCK,
    STORE_PAUSE_MS,
    Purpose,
    WeightBudget,
)
from tests.support.budget import FakeBudgetStore
from tests.support.fakes import FakeClock

LIMITS = {"SPOT": 6000, "FUTURES": 2400}
CLOSING, ORDERING, READING = Purpose.CLOSING, Purpose.ORDERING, Purpose.READING
WATCHING, BACKGROUND = Purpose.WATCHING, Purpose.BACKGROUND
MINUTE = 60_000


class Address:
    """An address with any number of processes."""

    def __init__(self) -> None:
        self.clock = FakeClock(1_800_000_000_000)
        self.store = FakeBudgetStore()
        self.reports: list[tuple[str, str]] = []
        self.waits: list[float] = []
        self.first = self.process()

    def process(self) -> WeightBudget:
        return WeightBudget(self.store, LIMITS, self.clock, lambda *report: self.reports.append(report), self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.advance(int(seconds * 1000))

    def used(self, counter: str = "FUTURES") -> int:
        end = (self.clock() // MINUTE + 1) * MINUTE
        return self.store.counters.get((counter, end), 0)


@pytest.fixture
def address() -> Address:
    return Address()


def refusal(budget: WeightBudget, weight: int, purpose: Purpose = READING, user: str = "") -> ExchangeRateLimited:
    with pytest.raises(ExchangeRateLimited) as refused:
        budget.spend("FUTURES", weight, purpose, user)
    return refused.value


# ---- blocks


def test_a_warm_process_makes_few_trips_for_many_calls(address: Address) -> None:
    for _ in range(200):
        address.first.spend("FUTURES", 5, READING)
    assert address.store.trips <= 1 + 2 + 1000 // LARGEST_BLOCK + 3


def test_a_process_leaves_unused_at_most_what_it_has_spent_or_the_smallest_block(address: Address) -> None:
    processes = [address.process() for _ in range(40)]
    for process in processes:
        process.spend("FUTURES", 5, READING)
    assert address.used() == 40 * SMALLEST_BLOCK
    spent = 40 * 5
    for _ in range(30):
        address.first.spend("FUTURES", 5, READING)
        assert address.used() - spent <= 39 * SMALLEST_BLOCK + LARGEST_BLOCK + 150
    assert address.used() <= 40 * SMALLEST_BLOCK + 150 + LARGEST_BLOCK


def test_the_rest_of_a_block_expires_with_its_minute(address: Address) -> None:
    address.first.spend("FUTURES", 1, READING)
    address.clock.advance(MINUTE)
    address.first.spend("FUTURES", 1, READING)
    assert address.used() == SMALLEST_BLOCK


def test_the_last_weight_is_taken_exactly(address: Address) -> None:
    address.store.raise_to("FUTURES", (address.clock() // MINUTE + 1) * MINUTE, 2155)
    address.first.spend("FUTURES", 5, READING)
    assert address.used() == 2160
    refusal(address.first, 1)


def test_placing_an_order_makes_no_trip_for_its_weight(address: Address) -> None:
    address.first.spend("FUTURES", 5, CLOSING)
    trips = address.store.trips
    for _ in range(10):
        address.first.spend("FUTURES", 0, CLOSING)
    assert address.store.trips == trips


# ---- ceilings


@pytest.mark.parametrize(
    ("purpose", "ceiling"),
    [
        (ORDERING, 2400),
        (READING, 2160),
        (Purpose.EXECUTING, 1920),
        (WATCHING, 1680),
        (Purpose.READINESS, 1440),
        (BACKGROUND, 1200),
    ],
)
def test_each_purpose_leaves_its_share_to_more_important_ones(address: Address, purpose: Purpose, ceiling: int) -> None:
    end = (address.clock() // MINUTE + 1) * MINUTE
    address.store.raise_to("FUTURES", end, ceiling)
    assert address.first.is_open("FUTURES", purpose)
    address.store.raise_to("FUTURES", end, ceiling + 1)
    assert not address.first.is_open("FUTURES", purpose)


def test_closing_is_never_refused_and_never_waits(address: Address) -> None:
    for _ in range(1000):
        address.first.spend("FUTURES", 5, CLOSING, "a user")
    assert address.waits == []
    assert address.used() >= 5000
    assert refusal(address.process(), 1, ORDERING).by_venue is False


def test_reads_are_refused_until_the_next_minute_and_orders_are_not(address: Address) -> None:
    address.clock.advance(10_000 - address.clock() % MINUTE)
    for number in range(432):
        address.first.spend("FUTURES", 5, READING, f"user {number}")
    error = refusal(address.first, 5)
    assert (error.by_venue, error.retry_after) == (False, 50)
    assert address.reports == [("ExchangeWeightRefused", "FUTURES")]
    trips = address.store.trips
    refusal(address.first, 5)
    assert address.store.trips == trips, "it is known for the rest of the minute"
    address.process().spend("FUTURES", 11, ORDERING, "user 1")
    address.clock.advance(50_000)
    address.first.spend("FUTURES", 5, READING, "another")


def test_background_work_waits_for_the_next_minute_once(address: Address) -> None:
    address.clock.advance(45_000 - address.clock() % MINUTE)
    end = address.clock() + 15_000
    address.store.raise_to("FUTURES", end, 1200)
    address.first.spend("FUTURES", 5, BACKGROUND)
    assert address.waits == [15]
    for each in (end + MINUTE, end + 2 * MINUTE):
        address.store.raise_to("FUTURES", each, 2160)
    assert refusal(address.process(), 5, BACKGROUND).by_venue is False
    assert address.waits == [15, 60]


def test_the_markets_have_limits_of_their_own_and_past_balances_none(address: Address) -> None:
    address.store.raise_to("FUTURES", (address.clock() // MINUTE + 1) * MINUTE, 2400)
    refusal(address.first, 5)
    address.first.spend("SPOT", 20, READING)
    for _ in range(100):
        address.first.spend("PAST_BALANCES", 2400, BACKGROUND)


# ---- users


def test_a_user_spends_at_most_a_quarter_in_all_processes_together(address: Address) -> None:
    for _ in range(60):
        address.process().spend("FUTURES", 10, READING, "one")
    error = refusal(address.process(), 5, user="one")
    assert error.by_venue is False
    assert address.reports == [("ExchangeUserWeightRefused", "FUTURES")]
    address.process().spend("FUTURES", 5, READING, "other")
    address.process().spend("SPOT", 20, READING, "one")
    address.process().spend("FUTURES", 5, ORDERING, "one")


def test_a_user_cannot_spend_on_orders_what_the_closings_of_others_need(address: Address) -> None:
    for _ in range(120):
        address.first.spend("FUTURES", 5, ORDERING, "one")
    refusal(address.process(), 5, ORDERING, user="one")
    address.process().spend("FUTURES", 5, ORDERING, "other")


# ---- the venue's own count


def test_the_venues_count_raises_ours(address: Address) -> None:
    end = address.first.spend("FUTURES", 5, READING)
    address.first.observe("FUTURES", end, 100)
    assert address.used() == SMALLEST_BLOCK, "within what other processes may have spent"
    address.first.observe("FUTURES", end, 2000)
    assert address.used() == 2000
    address.first.observe("FUTURES", end, 150)
    assert address.used() == 2000
    assert not address.process().is_open("FUTURES", WATCHING)


def test_a_count_of_the_minute_before_is_ignored(address: Address) -> None:
    end = address.first.spend("FUTURES", 5, READING)
    address.clock.advance(MINUTE)
    address.first.observe("FUTURES", end, 2400)
    address.first.observe("PAST_BALANCES", end + MINUTE, 2400)
    assert address.used() == 0


# ---- cooldowns


def test_a_warning_stops_all_processes_and_leaves_closings(address: Address) -> None:
    other = address.process()
    other.spend("FUTURES", 5, READING)
    address.first.start_cooldown("FUTURES", 30, READING, is_ban=False)
    assert refusal(address.first, 5).retry_after == 30
    address.clock.advance(FRESH_MS)
    error = refusal(other, 1)
    assert (error.by_venue, error.retry_after) == (True, 28)
    assert not other.is_open("FUTURES", WATCHING)
    other.spend("FUTURES", 5, CLOSING)
    other.spend("SPOT", 5, READING)
    assert address.reports == [("ExchangeCooldowns", "FUTURES")]
    address.clock.advance(28_000)
    other.spend("FUTURES", 5, READING)


def test_a_warning_to_a_closing_stops_closings_too(address: Address) -> None:
    address.first.start_cooldown("FUTURES", 30, READING, is_ban=False)
    address.first.start_cooldown("FUTURES", 20, CLOSING, is_ban=False)
    assert refusal(address.process(), 5, CLOSING).retry_after == 20
    assert refusal(address.process(), 5, READING).retry_after == 30


def test_during_a_ban_nothing_is_sent(address: Address) -> None:
    address.first.start_cooldown("FUTURES", 120, READING, is_ban=True)
    for purpose in Purpose:
        assert refusal(address.process(), 0, purpose).retry_after == 120
    assert address.waits == []


# ---- outages of the store


def test_during_an_outage_of_the_store_all_calls_are_granted_and_it_is_not_called(address: Address) -> None:
    address.store.is_down = True
    for purpose in Purpose:
        address.first.spend("FUTURES", 30, purpose, "a user")
    assert address.first.is_open("FUTURES", WATCHING)
    assert (address.store.trips, address.waits) == (2, [])
    address.clock.advance(STORE_PAUSE_MS)
    address.store.is_down = False
    address.first.spend("FUTURES", 5, CLOSING)
    assert address.used() == 35, "what could not be booked is booked"


@pytest.mark.parametrize(("took_ms", "is_outage"), [(DROPPED_MS, False), (DROPPED_MS + 1, True)])
def test_a_store_that_fails_at_once_is_asked_once_more(
    address: Address, monkeypatch: pytest.MonkeyPatch, took_ms: int, is_outage: bool
) -> None:
    add, drops = address.store.add, [Unavailable()]

    def drop_the_first(*arguments: Any) -> int | None:
        if drops:
            address.clock.advance(took_ms)
            raise drops.pop()
        return add(*arguments)

    monkeypatch.setattr(address.store, "add", drop_the_first)
    address.first.spend("FUTURES", 30, WATCHING)
    assert address.used() == (0 if is_outage else 30)
    assert address.reports == [("ExchangeBudgetFailures", "Unavailable")] * is_outage


@pytest.mark.parametrize("method", ["add", "raise_to", "cooldown", "start_cooldown"])
def test_a_store_that_fails_in_an_unexpected_way_fails_no_call(
    address: Address, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def deny(*_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "UpdateItem")

    monkeypatch.setattr(address.store, method, deny)
    for purpose in Purpose:
        end = address.first.spend("FUTURES", 5, purpose, "a user")
        address.first.observe("FUTURES", end, 1000)
    address.first.start_cooldown("FUTURES", 30, READING, is_ban=False)
    address.first.spend("FUTURES", 5, CLOSING)
    assert ("ExchangeBudgetFailures", "ClientError") in address.reports


def test_a_cooldown_that_cannot_be_stored_is_kept_by_its_process(address: Address) -> None:
    address.store.is_down = True
    address.first.start_cooldown("FUTURES", 30, READING, is_ban=True)
    assert refusal(address.first, 5, CLOSING).retry_after == 30


def test_a_process_without_a_store_keeps_its_cooldowns() -> None:
    clock = FakeClock(1_800_000_000_000)
    budget = WeightBudget(None, {}, clock, lambda _metric, _market: None)
    budget.start_cooldown("FUTURES", 30, READING, is_ban=False)
    clock.advance(2 * FRESH_MS)
    with pytest.raises(ExchangeRateLimited):
        budget.spend("FUTURES", 5, READING)
    budget.spend("SPOT", 5, READING)
    clock.advance(30_000 - 2 * FRESH_MS)
    budget.spend("FUTURES", 5, READING)
