"""Find a Python of a given version on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VERSION_OF = "import sys, compileall; print('%d.%d' % sys.version_info[:2])"


def find(version: str) -> str | None:
    """Return a Python of this version ("3.13") that really runs, or None. A version manager's shim may not run."""
    return next((path for path in _candidates(version) if _runs(path, version)), None)


def _candidates(version: str) -> Iterator[str]:
    name = f"python{version}"
    yield sys.executable
    yield from filter(None, (shutil.which(name, path=folder) for folder in os.get_exec_path()))
    yield from map(str, sorted((Path.home() / ".pyenv/versions").glob(f"{version}*/bin/{name}")))
    yield from map(str, sorted((Path.home() / ".local/share/uv/python").glob(f"cpython-{version}.*/bin/{name}")))


def _runs(path: str, version: str) -> bool:
    try:
        answer = subprocess.run([path, "-c", VERSION_OF], capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return False
    return answer.returncode == 0 and answer.stdout.strip() == version
