"""The processes of the local system's functions, and their logs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local.doubles.kit import files
from local.functions import pool


class FakeWorker:
    """A process that was last used so many seconds ago."""

    def __init__(self, _: Any) -> None:
        self.idle_since = time.monotonic()
        self.is_alive = True

    def stop(self) -> None:
        self.is_alive = False


def idle_for(*seconds: float) -> tuple[pool._Pool, list[FakeWorker]]:
    """Return a pool with processes that have been idle for so long, longest first."""
    made: list[FakeWorker] = []

    def make(function: Any) -> Any:
        made.append(FakeWorker(function))
        return made[-1]

    processes = pool._Pool(SimpleNamespace(name="Wallet"), make)  # type: ignore[arg-type]
    with ExitStack() as busy:
        for _ in seconds:
            busy.enter_context(processes.worker())
    made.reverse()  # the last one was put back first
    for worker, each in zip(made, seconds, strict=True):
        worker.idle_since -= each
    return processes, made


@pytest.mark.parametrize(
    ("idle", "left"),
    [
        ((1,), 1),
        ((pool.IDLE_SECONDS + 1,), 1),
        ((pool.IDLE_SECONDS + 2, pool.IDLE_SECONDS + 1), 1),
        ((pool.IDLE_SECONDS + 1, 1), 1),
        ((2, 1), 2),
        ((pool.LAST_IDLE_SECONDS + 1,), 0),
        ((pool.LAST_IDLE_SECONDS + 2, pool.LAST_IDLE_SECONDS + 1), 0),
    ],
)
def test_idle_processes_end_the_last_one_later(idle: tuple[float, ...], left: int) -> None:
    processes, made = idle_for(*idle)
    processes.trim()
    assert [worker.is_alive for worker in made] == [False] * (len(idle) - left) + [True] * left
    with processes.worker() as worker:
        assert worker.is_alive


def test_a_long_idle_process_ends_while_another_is_busy() -> None:
    processes, made = idle_for(pool.IDLE_SECONDS + 1, 1)
    with processes.worker():
        processes.trim()
        assert [worker.is_alive for worker in made] == [False, True]


def test_a_call_waits_for_a_busy_process_before_it_starts_another(monkeypatch: pytest.MonkeyPatch) -> None:
    processes, made = idle_for(0)
    monkeypatch.setattr(pool, "START_SECONDS", 60)
    with ThreadPoolExecutor(1) as thread:
        with processes.worker() as busy:
            waiting = thread.submit(processes._take)
        assert waiting.result() is busy
    monkeypatch.setattr(pool, "START_SECONDS", 0)
    with processes.worker():
        assert len(made) == 2


def test_a_function_has_no_more_processes_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "START_SECONDS", 0)
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0)
    processes = pool._Pool(SimpleNamespace(name="Wallet"), FakeWorker, 2)  # type: ignore[arg-type]
    with processes.worker(), processes.worker(), pytest.raises(pool.Busy):
        processes._take()


def test_only_a_long_log_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOG_BYTES", 10)
    log, aside = tmp_path / "Wallet.log", tmp_path / "Wallet.log.1"
    files.set_aside(log)
    for number, text in enumerate(("short", "long enough", "longer than that")):
        log.write_text(text)
        files.set_aside(log)
        assert (log.exists(), aside.exists()) == (number == 0, number > 0)
    assert aside.read_text() == "longer than that"
