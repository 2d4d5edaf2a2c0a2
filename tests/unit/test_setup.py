"""Set-up: what is installed, in which order, and how failures and interruptions end it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.places import ROOT
from scripts import check_ports, clean, commands, installer, locks, setup

PATIENCE_SECONDS = 60
FOREVER = ["sh", "-c", "sleep 600 & echo $! > {child}; wait"]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary state folder and logs."""
    monkeypatch.setattr(locks, "STATE", tmp_path)
    monkeypatch.setattr(locks, "SYSTEM", tmp_path / "lock")
    monkeypatch.setattr(setup, "LOGS", tmp_path / "logs")
    return tmp_path


def forever(child: Path) -> list[str]:
    """Return a command that runs until it is stopped, and writes the pid of its child into a file."""
    return [part.format(child=child) for part in FOREVER]


async def written(path: Path) -> int:
    """Wait for the pid that a command writes."""
    while not path.exists() or not path.read_text().strip():
        await asyncio.sleep(0.01)
    return int(path.read_text())


def ends(process: int) -> bool:
    """Wait for a process to end, and return whether it did."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (gone := is_gone(process)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return gone


def is_gone(process: int) -> bool:
    """Return whether a process has ended. A zombie has ended too."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Parts:
    """Parts that record when their installation begins and ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log: list[str] = []

    def part(self, name: str, *needs: str, after: Callable[[], object] = lambda: None, digest: str = "1") -> setup.Part:
        async def install(_: Path) -> None:
            self.log.append(f"{name} begun")
            await asyncio.sleep(0)
            after()
            self.log.append(f"{name} done")

        return setup.Part(name, self.folder / name, digest, install, needs)

    def install(self, *parts: setup.Part) -> None:
        commands.main(commands.Progress("setup"), setup.install(list(parts), commands.Progress("setup")))


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path / "installed")


def fail() -> None:
    raise commands.Failed("no such package")


def test_a_part_waits_for_what_it_needs_and_for_nothing_else(parts: Parts) -> None:
    parts.install(parts.part("app", "uv"), parts.part("chromium"), parts.part("uv"))
    assert parts.log == ["chromium begun", "uv begun", "chromium done", "uv done", "app begun", "app done"]


def test_an_installed_part_is_not_installed_again(parts: Parts) -> None:
    for _ in range(2):
        parts.install(parts.part("uv"), parts.part("app", "uv"))
    assert parts.log == ["uv begun", "uv done", "app begun", "app done"]


def test_a_part_is_installed_again_when_its_sources_have_changed(parts: Parts) -> None:
    parts.install(parts.part("uv"), parts.part("app", "uv"))
    parts.log.clear()
    parts.install(parts.part("uv"), parts.part("app", "uv", digest="2"))
    assert parts.log == ["app begun", "app done"]


def test_after_a_failure_the_next_run_continues_with_the_failed_part(
    parts: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^setup: no such package$"):
        parts.install(parts.part("uv"), parts.part("app", "uv", after=fail))
    parts.log.clear()
    parts.install(parts.part("uv"), parts.part("app", "uv"))
    assert parts.log == ["app begun", "app done"]
    assert "app ready after" in capsys.readouterr().out


def test_a_failure_stops_the_other_parts(tmp_path: Path, parts: Parts) -> None:
    child = tmp_path / "child"

    async def endless(log: Path) -> None:
        await commands.run(forever(child), log)

    async def failing(log: Path) -> None:
        await written(child)
        await commands.run(["sh", "-c", "echo first; echo no such package; exit 1"], log)

    logs = tmp_path / "logs"
    with pytest.raises(SystemExit) as ended:
        parts.install(
            setup.Part("endless", tmp_path / "endless", "1", endless),
            setup.Part("failing", tmp_path / "failing", "1", failing),
        )
    lines = str(ended.value).splitlines()
    assert lines[0] == "setup: sh -c echo first; echo no such package; exit 1 failed."
    assert lines[1:3] == ["first", "no such package"]
    assert lines[3] == f"The whole log is {logs / 'setup-failing.log'}"
    assert ends(int(child.read_text()))
    assert not (tmp_path / "endless" / ".installed").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_stops_all_processes_and_is_reported(tmp_path: Path, number: signal.Signals) -> None:
    child = tmp_path / "child"
    script = f"""
        import pathlib, sys
        sys.path.insert(0, {str(ROOT)!r})
        from scripts import commands
        work = commands.run({forever(child)!r}, pathlib.Path({str(tmp_path / "log")!r}))
        commands.main(commands.Progress("setup"), work)
    """
    running = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    asyncio.run(asyncio.wait_for(written(child), PATIENCE_SECONDS))
    running.send_signal(number)
    out, err = running.communicate(timeout=PATIENCE_SECONDS)
    assert running.returncode == 130
    assert (out, err) == ("", "setup: stopped; the next run continues from here.\n")
    assert ends(int(child.read_text()))


def test_a_command_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "STOP_SECONDS", 0.1)
    child = tmp_path / "child"
    stubborn = ["sh", "-c", f"trap '' TERM; echo $$ > {child}; while :; do sleep 0.1; done"]

    async def begun_and_stopped() -> None:
        running = asyncio.create_task(commands.run(stubborn, tmp_path / "log"))
        await written(child)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(begun_and_stopped())
    assert ends(int(child.read_text()))


def test_a_long_step_is_reported_while_it_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "SILENCE_SECONDS", 0.1)
    progress = commands.Progress("setup")

    async def until_it_is_spoken_of() -> None:
        with progress.step("installing", "Chromium"):
            while "still installing Chromium after 0 s" not in capsys.readouterr().out:
                await asyncio.sleep(0.01)

    commands.main(progress, until_it_is_spoken_of())


def test_two_set_ups_in_one_clone_wait_for_each_other(parts: Parts) -> None:
    first, second = parts.part("app"), parts.part("app")

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            for part in (first, second):
                group.create_task(setup.install([part], commands.Progress("setup")))

    asyncio.run(both())
    assert parts.log == ["app begun", "app done"]


def test_no_installed_part_is_replaced_while_the_system_runs(parts: Parts, state: Path) -> None:
    parts.install(parts.part("app"))
    with locks.try_lock(state / "lock") or contextlib.nullcontext():
        parts.install(parts.part("app"), parts.part("chromium"))  # new parts may be added
        with pytest.raises(SystemExit, match="Stop it first: app must be installed anew"):
            parts.install(parts.part("app", digest="2"))
    parts.install(parts.part("app", digest="2"))


def test_a_moved_clone_or_another_python_needs_new_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    def digests() -> set[str]:
        return {setup.environment("app", Path(folder), "app").digest for folder in ("/a/.venv/app", "/b/.venv/app")}

    before = digests()
    monkeypatch.setattr(sys, "version", "3.14.0 (another one)")
    assert len(before | digests()) == 4


def test_a_lock_file_removed_by_another_command_no_longer_locks(state: Path) -> None:
    held = locks.try_lock(state / "setup.lock")
    assert held
    assert locks.try_lock(state / "setup.lock") is None
    (state / "setup.lock").unlink()
    fresh = locks.try_lock(state / "setup.lock")
    assert fresh
    assert locks.is_held(state / "setup.lock")
    for each in (held, fresh):
        each.close()
    assert not locks.is_held(state / "setup.lock")


@pytest.fixture
def machine_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path | None]]:
    """Return a function that puts a uv with this answer into the path, and returns the uv found usable."""

    def found(answer: str) -> Path | None:
        program = tmp_path / "bin/uv"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{answer}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
        installer.of_the_machine.cache_clear()
        return installer.of_the_machine()

    monkeypatch.setattr(installer, "PINNED", "0.13.8")
    yield found
    installer.of_the_machine.cache_clear()


@pytest.mark.parametrize("version", ["0.13.8", "0.13.10", "1.0.0"])
def test_the_uv_of_the_machine_is_used_when_it_is_new_enough(
    machine_uv: Callable[[str], Path | None], version: str
) -> None:
    assert machine_uv(f"echo 'uv {version} (x86_64-unknown-linux-gnu)'") == installer.program()


@pytest.mark.parametrize("answer", ["echo uv 0.13.7", "echo uv 0.9.30", "echo", "exit 127", "echo uv 0.13.8; exit 1"])
def test_uv_is_installed_when_that_of_the_machine_is_unusable(
    machine_uv: Callable[[str], Path | None], answer: str
) -> None:
    assert machine_uv(answer) is None
    assert installer.program() == installer.OWN / "bin/uv"


def test_the_cache_is_in_the_clone_when_the_home_is_not_writable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("UV_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/dev/null")
    assert installer.environment()["UV_CACHE_DIR"] == str(installer.OWN_CACHE)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "UV_CACHE_DIR" not in installer.environment()
    monkeypatch.setenv("UV_CACHE_DIR", "/elsewhere")
    assert installer.environment()["UV_CACHE_DIR"] == "/elsewhere"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with environments, build results and data."""
    root = tmp_path / "clone"
    for name in (".venv/app/bin/python", ".local/build/template.yaml", ".local/data/shared.db", ".local/events.jsonl"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "README.md").touch()
    monkeypatch.setattr(clean, "ROOT", root)
    monkeypatch.setattr(clean, "STATE", root / ".local")
    return root


def remove(what: str) -> None:
    commands.main(commands.Progress("clean"), clean.clean(what, commands.Progress("clean")))


def test_reset_removes_only_the_data(clone: Path) -> None:
    remove("data")
    left = {str(path.relative_to(clone)) for path in clone.rglob("*") if path.is_file()}
    assert left == {"README.md", ".venv/app/bin/python", ".local/build/template.yaml"}


def test_clean_removes_everything_that_was_installed_or_built(clone: Path) -> None:
    remove("all")
    assert list(clone.rglob("*")) == [clone / "README.md"]


@pytest.mark.parametrize("what", ["data", "all"])
@pytest.mark.parametrize(
    ("lock", "message"),
    [("lock", "Purser is running"), ("setup.lock", "being installed"), ("build.lock", "being built")],
)
def test_nothing_is_removed_while_another_command_uses_it(clone: Path, what: str, lock: str, message: str) -> None:
    with locks.try_lock(clone / ".local" / lock) or contextlib.nullcontext():
        before = set(clone.rglob("*"))
        with pytest.raises(SystemExit, match=message):
            remove(what)
        assert before <= set(clone.rglob("*"))


def test_a_second_start_is_refused_before_anything_is_installed(state: Path) -> None:
    with locks.try_lock(state / "lock") or contextlib.nullcontext(), pytest.raises(SystemExit, match="already running"):
        check_ports.main("0")
    check_ports.main("0")
