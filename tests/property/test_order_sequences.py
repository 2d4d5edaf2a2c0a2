"""Test that random events in the life of manual orders break no promise about positions and orders.

Random sequences run in process on a virtual clock, at the paper exchange and with the order desk that production uses.
``OrderLife`` and ``Rules`` say what happens and what must hold. A failure tells the shortest sequence that was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from purser.orders.intents import Intent, OrderLock
from tests.support.crashes import Scissors
from tests.support.order_life import OrderLife, Step
from tests.support.order_rules import Change, Operation
from tests.support.order_sequences import MAKERS, Between, ByHand, Crash, Fail, Move, Place, Stick, Thin, Wait
from tests.support.paper_in_process import DeskInProcess
from tests.support.sequences import BATCHES, IN_MEMORY, BrokenRule, run
from tests.support.stored_intents import TableIntents


@pytest.fixture(scope="module")
def desk_in_process() -> Iterator[DeskInProcess]:
    desk = DeskInProcess()
    yield desk
    desk.close()


@pytest.mark.parametrize("batch", BATCHES)
def test_the_rules_of_orders_hold(desk_in_process: DeskInProcess, batch: int) -> None:
    for number in range(IN_MEMORY):
        run(f"{batch}.{number}", MAKERS, lambda steps: OrderLife(desk_in_process).live(steps))


FOUND: dict[str, Sequence[Step]] = {
    "an order that is given up leaves none of its exits": [
        Place("LIMIT", "BUY", "0.011", away=30),
        Fail("reject", skip=2, times=2, path="/fapi/v1/algoOrder", code=-1117),
        Place("LIMIT", "BUY", "0.2", away=30, stop="MARKET", take_profits=(40, 60)),
    ],
    "undoing leaves a position that the user opened meanwhile": [
        Place("MARKET", "SELL", "0.2", away=5, stop="LIMIT"),
        Wait(60),
        Place("LIMIT", "BUY", "0.011", away=10, stop="LIMIT"),
        Between(8, ByHand("buy")),
        Crash(1, after=True),
        Move(-80),
        ByHand("close"),
        Move(-55),
        Wait(120),
    ],
    "take-profits that are stuck do not keep a position from its stop": [
        Place("TRAILING_STOP", "SELL", "0.011", away=10, stop="LIMIT", take_profits=(20,)),
        Stick(times=2, listed=True),
        Move("take profit", by=-1),
        Move("stop"),
        Thin("0.004"),
        Move(-55),
    ],
    "an entry that is stuck is given up in the end": [
        Stick(times=1, listed=True),
        Fail("reject", skip=1, times=50, path="/fapi/v1/algoOrder", code=-2007),
        Place("TRAILING_STOP", "BUY", "0.05", away=10, stop="LIMIT"),
        Move("stop", by=-1),
        Place("MARKET", "SELL", "0.011", away=30, stop="MARKET", take_profits=(20,)),
        Move("stop", by=1),
        Move(-55),
    ],
}
"""Sequences that once broke a rule."""


@pytest.mark.parametrize("name", FOUND)
def test_a_rule_that_was_broken_holds(desk_in_process: DeskInProcess, name: str) -> None:
    OrderLife(desk_in_process).live(FOUND[name])


def test_a_rule_that_a_call_of_purser_breaks_is_told(
    desk_in_process: DeskInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = OrderLife(desk_in_process)

    def broken(change: Change, operation: Operation) -> None:
        raise BrokenRule(change, operation)

    monkeypatch.setattr(life.rules, "check_change", broken)
    with pytest.raises(BrokenRule):
        life.live([Place("MARKET", "BUY", "0.05")])


class CutTable(TableIntents):
    """An intent store on DynamoDB Local whose process can crash before or after each write."""

    scissors = Scissors()

    def begin(self, intent: Intent, lock: OrderLock, replaced: Intent | None = None) -> None:
        self.scissors.cut(lambda: super(CutTable, self).begin(intent, lock, replaced))

    def keep(self, intent: Intent, lock: OrderLock, failed: Intent | None = None) -> None:
        self.scissors.cut(lambda: super(CutTable, self).keep(intent, lock, failed))

    def finish(self, intent: Intent, lock: OrderLock) -> None:
        self.scissors.cut(lambda: super(CutTable, self).finish(intent, lock))


@pytest.mark.parametrize("batch", BATCHES)
def test_the_rules_of_orders_hold_over_a_table(desk_in_process: DeskInProcess, dynamodb: str, batch: int) -> None:
    def live(steps: Sequence[Step]) -> None:
        store = CutTable()
        try:
            life = OrderLife(desk_in_process, store)
            store.scissors = life.world.scissors
            life.live(steps)
        finally:
            store.drop()

    run(f"{batch}.stored", MAKERS, live)
