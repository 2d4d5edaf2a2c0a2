"""``python -m bench [--write] [section …]``: measure and print tables. With ``--write``, put them into the docs."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.artefacts import ROOT

# As in the tests, because the package is not installed.
sys.path.insert(0, str(ROOT / "layers/core"))

from bench import cold, foreign, ledger, planning, report, requests, routes, snapshots, warm
from bench.world import World, world

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
DOCUMENT = ROOT / "docs/performance.md"


def main() -> None:
    """Run the named sections, by default all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.relative_to(ROOT)}")
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(SECTIONS))
    options = parser.parse_args()
    if unknown := set(options.sections) - SECTIONS.keys():
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
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
