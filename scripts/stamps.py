"""Stamps: records of which inputs something was made of, so that nothing is made twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def digest(paths: Iterable[Path], *texts: str) -> str:
    """Return a digest of the content of files and folders of this clone, without bytecode, and of some texts."""
    total = hashlib.sha256("\0".join(texts).encode())
    for file in sorted(file for path in paths for file in _files(path)):
        total.update(f"\0{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return total.hexdigest()


def _files(path: Path) -> Iterable[Path]:
    if path.is_dir():
        return (file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return (path,)


def matches(stamp: Path, value: str) -> bool:
    """Tell whether the stamp says that this was made last."""
    return stamp.exists() and stamp.read_text() == value


def write(stamp: Path, value: str) -> None:
    """Record the inputs."""
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(value)
