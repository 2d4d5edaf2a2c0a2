"""Backfills keep live snapshots and store only what the exchange reports, under any sequence of failures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from purser.errors import ExchangeRateLimited, ExchangeUnavailable, Unavailable
from purser.snapshots.model import Backfill, Snapshot, Source
from purser.trading_accounts.model import AccountRef
from tests.support.backfills import NOON, Past
from tests.support.crashes import Killed
from tests.support.effort import examples
from tests.support.snapshots import DAY, HOUR, MINUTE, MORNING

KEYS = 3
CLOSE = Decimal("0.5")
"""The price of a COIN on each day. Balances and live valuations have other amounts, to tell them apart."""

keys = st.integers(0, KEYS - 1)
moments = st.integers(1, 40)
days = st.integers(1, 30)
actions = st.one_of(
    st.tuples(st.just("deliver"), st.just(0)),
    st.tuples(st.just("kill"), moments),
    st.tuples(st.just("overtake"), moments),
    st.tuples(st.just("break"), moments),
    st.tuples(st.just("lose"), st.just(0)),
    st.tuples(st.just("duplicate"), keys),
    st.tuples(st.just("sweep"), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([1, 5, 45, 300])),
    st.tuples(st.just("down"), st.sampled_from(["past_balances", "daily_closes COIN/USDT", "daily_closes USDC/USDT"])),
    st.tuples(st.just("limit"), st.just(0)),
    st.tuples(st.just("up"), st.just(0)),
    st.tuples(st.just("live"), st.tuples(keys, days)),
    st.tuples(st.just("ask"), keys),
    st.tuples(st.just("restart"), st.just(0)),
)


@examples(200)
@given(
    remembered=st.lists(st.sets(days), min_size=KEYS, max_size=KEYS),
    steps=st.lists(actions, max_size=16),
    start=st.sampled_from([MORNING, NOON]),
)
def test_each_day_keeps_its_own_value_whatever_goes_wrong(
    remembered: list[set[int]], steps: list[tuple[str, object]], start: int
) -> None:
    past = Past(start)
    begun = past.days
    past.exchange.closes = {
        "COIN/USDT": dict.fromkeys(begun, CLOSE),
        "USDC/USDT": dict.fromkeys(begun, Decimal(1)),
    }
    known = [{past.ago(ago): {"COIN": str(ago)} for ago in sorted(past_days)} for past_days in remembered]
    for number, past_days in enumerate(known):
        past.add_key(f"key-{number}", past_days)
    play = Play(past)
    for action, what in steps:
        play.act(action, what)
        check(past, begun, known, play.live)
    play.act("up", 0)
    past.recover()
    check(past, begun, known, play.live)
    for number, past_days in enumerate(known):
        live = {day for key, day in play.live if key == f"key-{number}"}
        # A day may pass in the meantime; days that the exchange no longer remembers may be missing.
        lately = set(past.days) & set(begun)
        assert past.stored(f"key-{number}").keys() & lately == (past_days.keys() | live) & lately


def check(
    past: Past, begun: list[str], known: list[dict[str, dict[str, str]]], live: dict[tuple[str, str], Snapshot]
) -> None:
    """Assert that each day has its own value. Days after ``begun`` are read live."""
    for key, snapshot in past.world.snapshots.days.items():
        if key in live:
            assert snapshot == live[key]
        elif snapshot.date in begun:
            past_days = known[int(key[0][-1])]
            assert snapshot.source is Source.BACKFILLED
            assert snapshot.total_usd == Decimal(past_days[snapshot.date]["COIN"]) * CLOSE


class Play:
    """The actions of a scenario."""

    def __init__(self, past: Past) -> None:
        self.past = past
        self.live: dict[tuple[str, str], Snapshot] = {}

    def act(self, action: str, what: object) -> None:
        getattr(self, f"{action}_")(what)
        self.past.world.snapshots.interrupt = self.past.world.backfills.interrupt = lambda _: None

    def deliver_(self, _: object) -> None:
        self.past.deliver()

    def kill_(self, moment: int) -> None:
        self._interrupt(moment, _die)
        with suppress(Killed):
            self.past.deliver()
        self.past.restart()

    def overtake_(self, moment: int) -> None:
        """Deliver the same messages to another worker during the work of the first, with the next permit."""
        messages = self.past.queue.receive()

        def other() -> None:
            self.past.clock.advance(2 * MINUTE)
            self.past.deliver([m for m in messages if m in self.past.queue.messages])

        self._interrupt(moment, other)
        self.past.deliver(messages)

    def break_(self, moment: int) -> None:
        self._interrupt(moment, _fail)
        self.past.deliver()

    def lose_(self, _: object) -> None:
        self.past.queue.messages.clear()

    def duplicate_(self, number: int) -> None:
        self.past.queue.send([{"tradingAccountId": f"key-{number}"}])

    def sweep_(self, queue_is_empty: bool) -> None:
        self.past.sweep(queue_is_empty=queue_is_empty)

    def wait_(self, minutes: int) -> None:
        self.past.clock.advance(minutes * MINUTE)

    def down_(self, call: str) -> None:
        def refuse(entered: str) -> None:
            if entered == call:
                raise ExchangeUnavailable

        self.past.exchange.on_enter = refuse

    def limit_(self, _: object) -> None:
        def refuse(_: str) -> None:
            self.past.exchange.on_enter = lambda _: None
            raise ExchangeRateLimited(retry_after=90)

        self.past.exchange.on_enter = refuse

    def up_(self, _: object) -> None:
        self.past.exchange.on_enter = lambda _: None
        self.past.queue.redrive()

    def live_(self, what: tuple[int, int]) -> None:
        number, ago = what
        snapshot = Snapshot(
            f"key-{number}", self.past.ago(ago), Decimal(777), Source.LIVE, self.past.clock() - ago * DAY
        )
        self.live.setdefault((snapshot.trading_account_id, snapshot.date), snapshot)
        self.past.world.snapshots.keep(self.live[snapshot.trading_account_id, snapshot.date])

    def ask_(self, number: int) -> None:
        """Let a run find that the day before was missed."""
        records = self.past.world.backfills
        account = self.past.world.accounts.accounts[f"key-{number}"]
        now = self.past.clock()
        records.add(Backfill(AccountRef(account.user_id, account.id), now, due_at=now + HOUR))

    def restart_(self, _: object) -> None:
        self.past.restart()

    def _interrupt(self, moment: int, then: Callable[[], object]) -> None:
        left = moment

        def interrupt(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                then()

        self.past.world.snapshots.interrupt = self.past.world.backfills.interrupt = interrupt


def _die() -> None:
    raise Killed


def _fail() -> None:
    raise Unavailable
