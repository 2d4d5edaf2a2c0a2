"""Test that every section of the bench still works, by measuring as little as possible."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.__main__ import SECTIONS
from local.places import ROOT
from tests.support import effort


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_of_the_bench_works(section: str) -> None:
    if not effort.is_long():
        pytest.skip("takes a minute of CPU: make test-long")
    command = [sys.executable, "-m", "bench", "--brief", section]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
