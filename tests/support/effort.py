"""The number of cases that a test run tries: hypothesis profiles, samples of exhaustive cases, and their seed.

``make check`` uses the profile ``dev``, ``make test`` ``ci`` and ``make test-long`` ``long``. The seed comes from the
commit, so that all workers choose the same cases and another run of the commit repeats them; ``SEED=`` overrides it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings

T = TypeVar("T")
SEED = "SEED"
"""The environment variable with the seed, in every process of a run."""


@dataclass(frozen=True)
class Effort:
    """A profile.

    It has the percent of the examples that a test asks for, the share of exhaustive cases, and the steps of random
    sequences.
    """

    percent: int
    share: float
    steps: int


PROFILES = {"dev": Effort(25, 0.1, 500), "ci": Effort(30, 0.1, 2_000), "long": Effort(300, 1, 50_000)}


def register_profiles() -> None:
    """Register the profiles with hypothesis. None of them fails a test for being slow."""
    for name, effort in PROFILES.items():
        # hypothesis tries 100 examples by default, so percent is also the number for a test without settings.
        checks = [HealthCheck.too_slow]
        settings.register_profile(
            name, max_examples=effort.percent, deadline=None, suppress_health_check=checks, print_blob=True
        )


def examples(count: int, *, long: int = 0, **given: Any) -> settings:
    """Return settings with the profile's share of ``count`` examples; in the profile ``long``, ``long`` if given."""
    return settings(max_examples=scaled(count, long=long), **given)


def scaled(count: int, *, long: int = 0) -> int:
    """Return the profile's share of ``count`` repetitions, at least one; in the profile ``long``, ``long`` if given."""
    return long if long and is_long() else max(1, count * _effort().percent // 100)


def sampled(cases: Iterable[T], name: str) -> list[T]:
    """Return the share of the cases that this run tries, in their order; at least one, and all of them in ``long``."""
    every = list(cases)
    size = ceil(len(every) * _effort().share)
    chosen = Random(f"{seed()} {name}").sample(range(len(every)), size)
    return [every[index] for index in sorted(chosen)]


def steps() -> int:
    """Return how many steps the random sequences of one test take in all."""
    return _effort().steps


def is_long() -> bool:
    """Return whether this run tries everything, however long it takes."""
    return _effort().share == 1


def _effort() -> Effort:
    return PROFILES[settings.get_current_profile_name()]


def seed() -> int:
    """Return the run's seed."""
    return int(os.environ[SEED])


def settle_seed() -> None:
    """Put the seed into the environment, where workers find it. Unless it is set, take that of the commit.

    Raises:
        ValueError: the seed in the environment is not a whole number.
    """
    os.environ[SEED] = str(int(os.environ.get(SEED) or _seed_of_commit()))


def _seed_of_commit() -> int:
    """Return a seed that is the same for every run of one commit; outside of a repository it is always the same."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    return int(found[:8], 16)
