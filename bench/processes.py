"""Fresh processes, as bare as Lambda's own, and their measurements of themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.artefacts import Artefact

INTERPRETER = Path(sys.base_prefix) / "bin" / "python{}.{}".format(*sys.version_info)
PROBES = Path(__file__).resolve().parent / "probes"
LONGEST_S = 120


@dataclass(frozen=True)
class Reading:
    """The resources that a process has used so far: CPU seconds, seconds since it began, peak memory in bytes.

    ``answer`` is the last answer of its handler.
    """

    cpu: float
    wall: float
    rss: int
    answer: Any = None


def run(artefact: Artefact, environment: Mapping[str, str], events: Sequence[Any] = ()) -> list[Reading]:
    """Import an artefact's handler in a fresh process and pass it events. Return readings after init and after each.

    Raises:
        RuntimeError: the process failed. The text has its output.
    """
    measurements = probe("function.py", artefact, environment, {"events": list(events), "seconds": artefact.seconds})
    return [Reading(**reading) for reading in measurements]


def probe(name: str, artefact: Artefact, environment: Mapping[str, str], given: Any) -> Any:
    """Run one of ``bench/probes`` in the environment of an artefact.

    ``given`` goes to standard input, because a process list shows arguments.

    Returns:
        The JSON value of its last line.

    Raises:
        RuntimeError: the process failed. The text has its output.
    """
    variables = {
        **artefact.environment,
        **environment,
        "LANG": "C.UTF-8",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "PYTHONPATH": ":".join(map(str, artefact.path)),
        # The code of a deployed function is read-only, so no process leaves bytecode for the next.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    # Without site, the environment around it is invisible. Without its own folder, the probe shadows nothing.
    done = subprocess.run(
        [INTERPRETER, "-S", "-P", str(PROBES / name)],
        input=json.dumps(given),
        env=variables,
        cwd=artefact.path[0],
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name} in {artefact.path[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])
