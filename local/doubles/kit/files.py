"""Files that only their owner can read, written whole or not at all even if the process is killed; long logs."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

LOG_BYTES = 10_000_000


def write_private(path: Path, content: Any) -> None:
    """Replace a file with JSON that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # created with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(json.dumps(content))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def set_aside(log: Path) -> None:
    """Rename a log of more than ``LOG_BYTES`` to ``<name>.1``, in place of the one before."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.1"))


def read(path: Path) -> Any:
    """Return the JSON of a file, or None without a file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
