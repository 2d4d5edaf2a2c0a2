"""Test that no order of calls exceeds the limit of the address, and that reads leave room for orders and closings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from purser.errors import ExchangeRateLimited
from purser.exchanges.budget import CEILINGS, LARGEST_BLOCK, SMALLEST_BLOCK, USER_PERCENT, Purpose, WeightBudget
from tests.support.budget import FakeBudgetStore
from tests.support.effort import examples
from tests.support.fakes import FakeClock

LIMIT = 600
MARKET = "FUTURES"
PROCESSES = 4
READS = (Purpose.READING, Purpose.WATCHING, Purpose.BACKGROUND)


@dataclass(frozen=True)
class Call:
    """A call of a process for a user, after a pause. The process may be a new one."""

    process: int
    purpose: Purpose
    user: str
    weight: int
    pause_ms: int
    is_new: bool


CALLS = st.builds(
    Call,
    process=st.integers(0, PROCESSES - 1),
    purpose=st.sampled_from(Purpose),
    user=st.sampled_from(["one", "two", "three", "four", "five"]),
    weight=st.sampled_from([0, 1, 5, 20, 40, 80]),
    pause_ms=st.sampled_from([0, 0, 0, 5, 300, 2_000, 30_000]),
    is_new=st.sampled_from([False] * 9 + [True]),
)


@dataclass
class Address:
    """Processes that share an address, and the venue's count of what they send."""

    clock: FakeClock = field(default_factory=lambda: FakeClock(1_800_000_000_000))
    store: FakeBudgetStore = field(default_factory=FakeBudgetStore)
    budgets: dict[int, tuple[int, WeightBudget]] = field(default_factory=dict)
    sent: Counter[tuple[int, Purpose]] = field(default_factory=Counter)
    sent_by_process: Counter[tuple[int, int, Purpose]] = field(default_factory=Counter)
    sent_by_user: Counter[tuple[int, Purpose, str]] = field(default_factory=Counter)
    started: int = 0
    slept: int = 0

    def make(self, call: Call) -> bool:
        """Make a call, and return whether it was sent."""
        self.clock.advance(call.pause_ms)
        if call.is_new or call.process not in self.budgets:
            self.started += 1
            budget = WeightBudget(self.store, {MARKET: LIMIT}, self.clock, lambda *_: None, self._sleep)
            self.budgets[call.process] = self.started, budget
        number, budget = self.budgets[call.process]
        try:
            end = budget.spend(MARKET, call.weight, call.purpose, call.user)
        except ExchangeRateLimited:
            return False
        self.sent[end, call.purpose] += call.weight
        self.sent_by_process[end, number, call.purpose] += call.weight
        self.sent_by_user[end, call.purpose, call.user] += call.weight
        budget.observe(MARKET, end, self.total(end))
        return True

    def _sleep(self, seconds: float) -> None:
        self.slept += 1
        self.clock.advance(int(seconds * 1000))

    def total(self, end: int, *purposes: Purpose) -> int:
        """Return what was sent in a minute."""
        return sum(self.sent[end, purpose] for purpose in purposes or Purpose)

    @property
    def end(self) -> int:
        return (self.clock() // 60_000 + 1) * 60_000

    def check(self) -> None:
        for end in {end for end, _ in self.sent}:
            taken = self.store.counters.get((MARKET, end), 0)
            assert self.total(end, Purpose.ORDERING, *READS) <= LIMIT
            for purpose in READS:
                assert self.total(end, purpose) <= LIMIT * CEILINGS[purpose] // 100
            assert self.total(end, *READS) <= LIMIT * CEILINGS[Purpose.READING] // 100
            blocks = {key: sent for key, sent in self.sent_by_process.items() if key[0] == end}
            assert taken >= self.total(end)
            assert taken - self.total(end) <= sum(
                min(max(SMALLEST_BLOCK, sent), LARGEST_BLOCK) for sent in blocks.values()
            )
        for (_, purpose, _), sent in self.sent_by_user.items():
            assert sent <= LIMIT * USER_PERCENT // 100 or purpose not in (Purpose.READING, Purpose.ORDERING)


@given(st.lists(CALLS, max_size=150))
@examples(200, long=2_000)
def test_the_limit_of_the_address_and_the_shares_of_purposes_and_users_hold(calls: list[Call]) -> None:
    address = Address()
    for call in calls:
        slept = address.slept
        is_sent = address.make(call)
        if call.purpose is Purpose.CLOSING:
            assert is_sent
        if call.purpose is not Purpose.BACKGROUND:
            assert address.slept == slept
        address.check()


@given(st.lists(CALLS, max_size=150), st.integers(1, 40))
@examples(100, long=1_000)
def test_an_order_is_never_refused_because_of_reads(calls: list[Call], weight: int) -> None:
    address = Address()
    for call in calls:
        if call.purpose in READS:
            address.make(call)
    assert address.make(Call(0, Purpose.ORDERING, "trader", weight, 0, is_new=True))
    assert address.make(Call(0, Purpose.CLOSING, "trader", 200, 0, is_new=True))


def test_a_full_minute_of_reads_leaves_a_tenth() -> None:
    address = Address()
    for number in range(1_000):
        address.make(Call(number % PROCESSES, Purpose.READING, f"user {number}", 5, 0, is_new=False))
    assert LIMIT * 9 // 10 - PROCESSES * SMALLEST_BLOCK <= address.total(address.end) <= LIMIT * 9 // 10
    assert address.make(Call(0, Purpose.ORDERING, "trader", LIMIT // 10, 0, is_new=False))
    assert not address.make(Call(0, Purpose.ORDERING, "other", 1, 0, is_new=False))
    assert address.make(Call(0, Purpose.CLOSING, "other", 1, 0, is_new=False))
