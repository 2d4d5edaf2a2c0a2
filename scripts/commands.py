"""Run commands side by side. They can be stopped at any moment, and the terminal is never silent for long."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SILENCE_SECONDS = 4
STOP_SECONDS = 1
LAST_LINES = 15


class Failed(Exception):
    """A step failed. The text is one sentence, followed by the end of the log if there is one."""


class Progress:
    """Prints what is going on. While nothing else is printed, repeats it with the time taken."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._began = self._spoke = time.monotonic()
        self._running: list[tuple[str, str]] = []

    def say(self, text: str) -> None:
        """Print a line."""
        print(f"{self.prefix}: {text}", flush=True)
        self._spoke = time.monotonic()

    @property
    def seconds(self) -> float:
        """Return the time since the start."""
        return time.monotonic() - self._began

    @contextmanager
    def step(self, verb: str, what: str) -> Iterator[None]:
        """Name what is running, as in "installing" and "Chromium", for as long as the block runs."""
        self._running.append((verb, what))
        try:
            yield
        finally:
            self._running.remove((verb, what))

    async def keep_talking(self) -> None:
        """Print what is running whenever nothing was printed for some seconds."""
        while True:
            await asyncio.sleep(max(0.1, self._spoke + SILENCE_SECONDS - time.monotonic()))
            if self._running and time.monotonic() - self._spoke >= SILENCE_SECONDS:
                verb = self._running[0][0]
                what = ", ".join(each for other, each in self._running if other == verb)
                self.say(f"still {verb} {what} after {self.seconds:.0f} s …")


async def run(command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a command with its output in a log. When this is cancelled, the command and its children are stopped.

    Raises:
        Failed: the command failed.
    """
    with log.open("w") as output:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
            env=environment,
            start_new_session=True,  # so that the terminal's Ctrl-C reaches the command and its children only from us
        )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            await _stop(process)
            raise
    if code:
        raise Failed(f"{' '.join(map(str, command))} failed.\n{_end_of(log)}\nThe whole log is {log}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        pass
    except ProcessLookupError:
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)  # children may outlive their parent
    except ProcessLookupError:
        return
    await process.wait()


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])


def main(progress: Progress, work: Coroutine[None, None, None]) -> None:
    """Do some work. If it fails or is stopped, end the process with one sentence.

    Raises:
        SystemExit: the work failed (1) or was stopped by Ctrl-C or a signal (130).
    """
    try:
        asyncio.run(_interruptible(progress, work))
    except asyncio.CancelledError:
        print(f"{progress.prefix}: stopped; the next run continues from here.", file=sys.stderr)
        raise SystemExit(130) from None
    except Failed as failure:
        raise SystemExit(f"{progress.prefix}: {failure}") from None


async def _interruptible(progress: Progress, work: Coroutine[None, None, None]) -> None:
    """Do the work, with signs of life, until it ends or a signal asks to stop.

    Raises:
        Failed: the first failure of the work. Everything that ran beside it has been stopped.
    """
    me = asyncio.current_task()
    assert me  # noqa: S101
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, me.cancel)
    talking = asyncio.create_task(progress.keep_talking())
    try:
        await work
    except BaseExceptionGroup as failures:
        raise _first(failures) from None
    finally:
        talking.cancel()


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
