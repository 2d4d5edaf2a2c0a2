"""``python -m bench [--write] [--brief] [section …]``: measure and print tables.

With ``--write``, put them into the docs. With ``--brief``, measure as little as possible, to see that it works.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from bench.artefacts import ROOT

# As in the tests, because the package is not installed.
sys.path.insert(0, str(ROOT / "layers/core"))

from bench import cold, foreign, ledger, planning, report, requests, routes, snapshots, warm
from bench.world import World, world
from scripts import build

Section = Callable[[World, Path], list[report.Table]]

SECTIONS: dict[str, Section] = {
    "planning": planning.measure,
    "snapshots": snapshots.measure,
    "ledger": ledger.measure,
    "requests": requests.measure,
    "routes": routes.measure,
    "foreign": foreign.measure,
    "warm": warm.measure,
    "cold": cold.measure,
}
BRIEF: dict[ModuleType, dict[str, Any]] = {
    planning: {"FEW": 1, "MANY": 2},
    snapshots: {"JOBS": 1, "LATENCIES_MS": (0,)},
    ledger: {"CLIENTS": (1,), "ROUNDS": 1, "SECONDS": 0.1, "ENTRIES": 2 * ledger.PAGE},
    routes: {"CLIENTS": (1,), "LEAST": 1, "MOST": 1},
    foreign: {"PAIRS": 1, "WARM_UP": 0},
    warm: {"PAIRS": 1, "REQUESTS": 1},
    # A naive build may run into a time-out of its function when the machine is busy.
    cold: {"ROUNDS": 1, "NAIVE_ROUNDS": 0},
}
"""The least that each section can measure."""

DOCUMENT = ROOT / "docs/performance.md"


def main() -> None:
    """Run the named sections, by default all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.relative_to(ROOT)}")
    parser.add_argument("--brief", action="store_true", help="measure as little as possible, to see that it works")
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(SECTIONS))
    options = parser.parse_args()
    if unknown := set(options.sections) - SECTIONS.keys():
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    if options.brief and options.write:
        parser.error("what --brief measures is not worth writing")
    build.ensure_fresh()
    with ExitStack() as changed:
        for section, least in BRIEF.items() if options.brief else ():
            changed.enter_context(patch.multiple(section, **least))
        tables = [table for name in options.sections or SECTIONS for table in _measured(name)]
    if options.write:
        report.write(DOCUMENT, f"Measured on {_machine()}.", tables)


def _measured(name: str) -> list[report.Table]:
    began = time.monotonic()
    with world() as services, tempfile.TemporaryDirectory(dir=ROOT / ".local") as scratch:
        tables = SECTIONS[name](services, Path(scratch))
    for table in tables:
        print(report.plain(table))
    print(f"({name}: {time.monotonic() - began:.0f} s)\n", flush=True)
    return tables


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
