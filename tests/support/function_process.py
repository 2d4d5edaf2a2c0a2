"""One function in an execution environment of the local system. The environment's Python has its libraries.

It reads lines of JSON: first what ``start`` passes, then events. It writes the output of each invocation as one line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.places import LOCAL_PYTHON, ROOT


class FunctionProcess:
    """A running function."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def send(self, message: Any) -> None:
        """Write one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Run the function once, and return its output."""
        self.send(event)
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def started(function: Mapping[str, Any], aws: Mapping[str, str], log: Path) -> Iterator[FunctionProcess]:
    """Start a function with the fields of ``local.cloud.template.Function``, for the block."""
    command = [str(LOCAL_PYTHON), "-m", "tests.support.function_process"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        running = FunctionProcess(process)
        running.send([function, aws, str(log)])
        yield running
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    """Run the function that the first line describes for each event, until there are no more."""
    from local.cloud.template import Function
    from local.functions.worker import Worker, emulator

    fields, aws, log = json.loads(sys.stdin.readline())
    paths = {"code": Path(fields["code"]), "layers": tuple(map(Path, fields["layers"]))}
    worker = Worker(Function(**fields | paths), emulator(Path(log).parent), aws, Path(log))
    try:
        for line in sys.stdin:
            sys.stdout.write(worker.invoke(line.encode()).output + "\n")
            sys.stdout.flush()
    finally:
        worker.stop()


if __name__ == "__main__":
    main()
