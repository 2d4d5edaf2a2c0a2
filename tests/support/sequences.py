"""Random sequences of steps, which repeat by the seed, and the shortest sequence that still fails.

A step is a small value that can be printed, left out and taken again. The life that it happens in takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypeVar

from tests.support import effort

LENGTH = 25
IN_MEMORY = 19
"""A batch has so many sequences in memory, and one more on DynamoDB Local."""

BATCHES = range(effort.steps() // (LENGTH * (IN_MEMORY + 1)))

StepT = TypeVar("StepT")
Makers = Mapping[Callable[[Random], StepT], int]
"""The functions that make random steps, each with its weight in the choice."""


class BrokenRule(AssertionError):
    """A rule does not hold."""


def run(name: str, makers: Makers[StepT], live: Callable[[Sequence[StepT]], object]) -> None:
    """Run the sequence of this name. Shorten it if a rule is broken.

    Raises:
        AssertionError: says how, by which seed and by which steps.
    """
    random = Random(f"{effort.seed()} {name}")
    steps = [make(random) for make in random.choices(list(makers), list(makers.values()), k=LENGTH)]
    try:
        live(steps)
    except Exception:
        steps, error = _shortest(steps, live)
        listed = "\n".join(f"    {step}," for step in steps)
        raise AssertionError(f"sequence {name!r} of SEED={effort.seed()}: {error}\n[\n{listed}\n]") from error


def _shortest(steps: list[StepT], live: Callable[[Sequence[StepT]], object]) -> tuple[list[StepT], Exception]:
    """Remove steps one by one while the rest still fails. Return the rest and its failure.

    Raises:
        RuntimeError: the steps did not fail again.
    """
    failure = _failure(steps, live)
    if failure is None:
        raise RuntimeError("a sequence failed once, and then not again")
    index = len(steps)
    while index:
        index -= 1
        fewer = steps[:index] + steps[index + 1 :]
        again = _failure(fewer, live)
        if again is not None:
            steps, failure = fewer, again
            index = min(index, len(steps))
    return steps, failure


def _failure(steps: Sequence[StepT], live: Callable[[Sequence[StepT]], object]) -> Exception | None:
    try:
        live(steps)
    except Exception as failure:
        return failure
    return None
