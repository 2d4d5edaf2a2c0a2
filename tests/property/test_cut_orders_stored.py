"""A manual order may be interrupted at each write of its store, over DynamoDB Local.

As in ``test_cut_orders``, each scenario runs once without interruption, then once for each write and each kind of
fault, of which ``make test`` tries a sample. Afterwards no order was placed twice, no position is without its stop, and
the state is known. The store agrees with the exchange, and the trading history has each order once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product

import pytest

from local.doubles.binance import PaperControl
from purser.orders.intents import State
from tests.support.crashes import Killed
from tests.support.cut_orders import SCENARIOS, Trial, check
from tests.support.effort import sampled
from tests.support.fakes import FakeClock
from tests.support.intents import RUN_LIMIT_MS, CutDesk
from tests.support.stored_intents import WAYS, Line, TableIntents, line

ORDERS = [name for name, scenario in SCENARIOS.items() if scenario.order]


class StoredTrial(Trial):
    """A trial over a table."""

    store: TableIntents
    line: Line

    def settle(self) -> None:
        self.line.mend()
        super().settle()

    def check(self, outcome: str) -> None:
        super().check(outcome)
        intents = {intent.id: intent for (_, _), intent in self.store.intents.items()}
        # Orders that were executed before they were undone are in the history too.
        expected = {
            id
            for id, intent in intents.items()
            if intent.order and (intent.state in (State.DONE, State.RESTING) or intent.placed)
        }
        assert self.store.history.keys() == expected
        for id, entry in self.store.history.items():
            placed = intents[id].placed_entry
            assert placed is not None
            assert (entry.order_id, entry.cost) == (placed.id, placed.cost)


NewTrial = Callable[[str], StoredTrial]


@pytest.fixture(scope="module")
def cuttable(dynamodb: str) -> Iterator[Line]:
    with line() as connection:
        yield connection


@pytest.fixture
def new_trial(cuttable: Line, control: PaperControl, desk: CutDesk, clock: FakeClock) -> Iterator[NewTrial]:
    stores = []

    def make(name: str) -> StoredTrial:
        cuttable.mend()
        store = TableIntents()
        stores.append(store)
        trial = StoredTrial(control, desk, clock, SCENARIOS[name], store)
        trial.store, trial.line = store, cuttable
        return trial

    yield make
    cuttable.mend()
    for store in stores:
        store.drop()


WRITES = 2
"""The number of writes of an order, which the next test holds."""


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_uninterrupted_order_takes_two_writes(new_trial: NewTrial, name: str) -> None:
    trial = new_trial(name)
    assert trial.run_cut() == "answered"
    assert trial.line.writes == WRITES
    trial.settle()
    trial.check("answered")


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_order_is_consistent_after_a_fault_at_any_write(new_trial: NewTrial, name: str) -> None:
    for way, write in sampled(product(WAYS, range(WRITES)), name):
        trial = new_trial(name)
        trial.line.cut(write, way)
        outcome = trial.run_cut()
        trial.settle()
        check(trial, outcome, f"{name}: {way} at write {write}")


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_reconciler_can_fail_at_any_write(new_trial: NewTrial, clock: FakeClock, name: str) -> None:
    """The order was killed before, while or after its requests were sent to the exchange."""

    def cut(killed_at: int, way: str, write: int) -> int:
        """Kill the process, fail the reconciler, check the outcome, and return how many writes it made."""
        trial = new_trial(name)
        trial.world.scissors.at, trial.world.scissors.after = killed_at, killed_at > 0
        outcome = trial.run_cut()
        assert outcome == "killed"
        clock.advance(70_000)
        trial.world.scissors.at = -1
        trial.line.cut(write, way)
        with suppress(Killed):
            trial.world.reconciler.run(RUN_LIMIT_MS)
        writes = trial.line.writes
        trial.settle()
        check(trial, outcome, f"{name}: killed at call {killed_at}, the reconciler {way} at write {write}")
        return writes

    whole = new_trial(name)
    whole.run()
    steps = whole.world.scissors.steps
    for killed_at in sampled((0, steps * 2 // 3, steps - 1), f"{name} again"):
        never = 1000
        writes = range(cut(killed_at, WAYS[0], never))
        for way, write in sampled(product(WAYS, writes), f"{name} {killed_at}"):
            cut(killed_at, way, write)


@pytest.mark.parametrize("name", ORDERS)
def test_a_retry_after_a_fault_at_any_write_places_one_order_set(
    new_trial: NewTrial, clock: FakeClock, name: str
) -> None:
    """A caller who retries with the same id before the reconciler gets one complete order set."""
    for way, write in sampled(product(WAYS, range(WRITES)), f"{name} once more"):
        trial = new_trial(name)
        trial.line.cut(write, way)
        trial.run_cut()
        trial.line.mend()
        clock.advance(70_000)
        outcome = trial.run_cut()
        assert outcome == "answered", f"{name}: {way} at write {write}"
        trial.settle()
        check(trial, outcome, f"{name}: {way} at write {write}, asked again")
