"""Fresh processes, as bare as Lambda's own, and what they say they have taken."""

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
    """What a process has taken until a moment: CPU seconds, seconds since it began, peak memory in bytes.

    ``answer`` is what its handler answered last.
    """

    cpu: float
    wall: float
    rss: int
    answer: Any = None


def run(artefact: Artefact, environment: Mapping[str, str], events: Sequence[Any] = ()) -> list[Reading]:
    """Imports an artefact's handler in a fresh process and gives it events: readings after init, and after each.

    Raises:
        RuntimeError: the process failed; the text has what it said.
    """
    measurements = probe("function.py", artefact, environment, {"events": list(events), "seconds": artefact.seconds})
    return [Reading(**reading) for reading in measurements]


def probe(name: str, artefact: Artefact, environment: Mapping[str, str], given: Any) -> Any:
    """Runs one of ``bench/probes`` in an artefact's place. ``given`` goes to its input, where nobody can list it.

    Returns:
        What its last line says.

    Raises:
        RuntimeError: the process failed; the text has what it said.
    """
    variables = {
        **artefact.environment,
        **environment,
        "LANG": "C.UTF-8",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "PYTHONPATH": ":".join(map(str, artefact.path)),
        # The code of a deployed function is read-only: no process leaves bytecode to the next.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    # Without site, nothing of the environment around is seen; without its own folder, the probe shadows nothing.
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
