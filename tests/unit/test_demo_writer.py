"""The process that writes the demo data: progress, retries and its end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.demo import writer as demo_writer
from local.demo.writer import COMPLETE, DemoWriter
from local.system.console import Console

Writing = Callable[[str], DemoWriter]


@pytest.fixture
def writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writing:
    """Return a function that makes a writer whose process runs a script, with the number of its run in ``RUN``."""

    def make(script: str) -> DemoWriter:
        runs: list[None] = []

        def spawn(command: Any, **options: Any) -> subprocess.Popen[str]:
            runs.append(None)
            options["env"] = {"RUN": str(len(runs))}
            return subprocess.Popen([sys.executable, "-uc", script], text=True, **options)

        monkeypatch.setattr(demo_writer, "spawn", spawn)
        monkeypatch.setattr(demo_writer, "PAUSE_SECONDS", 0)
        return DemoWriter(tmp_path, 1, tmp_path / "demo.log", Console().say)

    return make


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_progress_is_reported_and_failures_are_retried(
    writing: Writing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = writing("import os; print('half', os.environ['RUN']); assert os.environ['RUN'] == '3', 'an outage'")
    assert writer.progress == "being written"
    writer.start()
    until(lambda: writer.progress == COMPLETE)
    writer.stop()
    lines = [line.partition("s  ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["demo data: half 1", "demo data: half 2", "demo data: half 3", "demo data: complete"]
    assert (tmp_path / "demo.log").read_text().count("an outage") == 2


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("assert False, 'the exchange is down'", "AssertionError: the exchange is down"),
        ("raise SystemExit(1)", "the process ended with status 1"),
        ("import os; os.kill(os.getpid(), 9)", "the process ended with status -9"),
    ],
)
def test_after_the_last_failure_its_reason_and_the_log_are_named(
    writing: Writing, tmp_path: Path, script: str, reason: str
) -> None:
    writer = writing(script)
    writer.start()
    until(lambda: writer.progress.startswith("not complete"))
    assert f"because: {reason} (see {tmp_path / 'demo.log'})" in writer.progress
    assert (tmp_path / "demo.log").read_text().count(reason) == demo_writer.TRIES
    writer.stop()


def test_the_writer_ends_with_the_system_without_a_retry(writing: Writing, capsys: pytest.CaptureFixture[str]) -> None:
    writer = writing("import time; print('half'); time.sleep(600)")
    writer.start()
    until(lambda: writer.progress == "half")
    writer.stop()
    assert capsys.readouterr().out.count("demo data") == 1
    assert writer.progress == "half"
