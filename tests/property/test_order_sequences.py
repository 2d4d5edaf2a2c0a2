"""Test that random events in the life of manual orders break no promise about positions and orders.

Random sequences run in process on a virtual clock, at the paper exchange and with the order desk that production uses.
``OrderLife`` and ``Rules`` say what happens and what must hold. A failure tells the shortest sequence that was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TypeVar

import pytest

from purser.orders.intents import Intent, OrderLock
from tests.support.effort import scaled, seed
from tests.support.intents import Scissors
from tests.support.order_life import OrderLife, Step
from tests.support.order_sequences import Fail, Place, sequence, shortest
from tests.support.paper_in_process import DeskInProcess
from tests.support.stored_intents import TableIntents

LENGTH = 25
BATCHES = range(scaled(8, long=100))
"""A batch has 20 sequences, one of them on DynamoDB Local."""

T = TypeVar("T")


@pytest.fixture(scope="module")
def desk_in_process() -> Iterator[DeskInProcess]:
    desk = DeskInProcess()
    yield desk
    desk.close()


def run(name: str, live: Callable[[Sequence[Step]], object]) -> None:
    """Run the sequence of this name. Shorten it if a rule is broken."""
    steps = sequence(Random(f"{seed()} {name}"), LENGTH)
    try:
        live(steps)
    except Exception:
        steps, error = shortest(steps, live)
        listed = "\n".join(f"    {step}," for step in steps)
        raise AssertionError(f"sequence {name!r} of SEED={seed()}: {error}\n[\n{listed}\n]") from error


@pytest.mark.parametrize("batch", BATCHES)
def test_the_rules_of_orders_hold(desk_in_process: DeskInProcess, batch: int) -> None:
    for number in range(19):
        run(f"{batch}.{number}", lambda steps: OrderLife(desk_in_process).live(steps))


FOUND: dict[str, Sequence[Step]] = {
    "an order that is given up leaves none of its exits": [
        Place("LIMIT", "BUY", "0.011", away=30),
        Fail("reject", skip=2, times=2, path="/fapi/v1/algoOrder", code=-1117),
        Place("LIMIT", "BUY", "0.2", away=30, stop="MARKET", take_profits=(40, 60)),
    ],
}
"""Sequences that once broke a rule."""


@pytest.mark.parametrize("name", FOUND)
def test_a_rule_that_was_broken_holds(desk_in_process: DeskInProcess, name: str) -> None:
    OrderLife(desk_in_process).live(FOUND[name])


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

    run(f"{batch}.stored", live)
