"""Bring changed source into the build, for the next invocation to use."""

from __future__ import annotations

import os
import py_compile
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.cloud.template import Function

CHECK_SECONDS = 0.3

Snapshot = dict[str, tuple[int, int]]


@dataclass
class _Watched:
    """A folder of source, its build (None if it runs in place), and the functions that use it."""

    source: Path
    built: Path | None
    users: list[str]
    seen: Snapshot


class Sources:
    """Watches source folders, a few times a second at most. Calls ``recycle`` for each function that must restart.

    ``layers`` has the source folders of the layers. Their packages are copied into the build. Their libraries are not
    watched.
    """

    def __init__(
        self, layers: Mapping[str, Path], functions: Mapping[str, Function], recycle: Callable[[str], None]
    ) -> None:
        self._recycle = recycle
        self._lock = threading.Lock()
        self._checked = 0.0
        self._watched = [_Watched(each.code, None, [each.name], _look(each.code)) for each in functions.values()]
        for name, source in layers.items():
            users = {each.name: built for each in functions.values() for built in each.layers if built.name == name}
            for built in set(users.values()):
                for package in source.glob("*/__init__.py"):
                    self._watched.append(_watch(package.parent, built / "python", list(users)))

    def refresh(self) -> None:
        """Bring in the changes since the last call."""
        with self._lock:
            if time.monotonic() - self._checked < CHECK_SECONDS:
                return
            for each in self._watched:
                now = _look(each.source)
                if now != each.seen:
                    self._bring_in(each, now)
            self._checked = time.monotonic()

    def _bring_in(self, watched: _Watched, now: Snapshot) -> None:
        if watched.built:
            _copy(watched.source, watched.built, {name for name in now if now[name] != watched.seen.get(name)})
            for gone in watched.seen.keys() - now.keys():
                _remove(watched.built / gone)
        watched.seen = now
        for name in watched.users:
            self._recycle(name)


def _watch(source: Path, libraries: Path, users: list[str]) -> _Watched:
    """Watch the sources, beginning with the files that already differ from the build."""
    built = libraries / source.name
    now = _look(source)
    same = {name: stat for name, stat in now.items() if _equal(source / name, built / name)}
    gone = {name: (0, 0) for name in _look(built) if name not in now}
    return _Watched(source, built, users, same | gone)


def _equal(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()


def _look(folder: Path) -> Snapshot:
    """Return time and size of each file, without bytecode. It is asked often, so it makes no paths."""
    found: Snapshot = {}
    _look_into(str(folder), "", found)
    return found


def _look_into(folder: str, prefix: str, found: Snapshot) -> None:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:  # A folder or file may be gone already.
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    _look_into(entry.path, f"{prefix}{entry.name}/", found)
                continue
            with suppress(FileNotFoundError):
                stat = entry.stat()
                found[prefix + entry.name] = (stat.st_mtime_ns, stat.st_size)


def _copy(source: Path, built: Path, names: set[str]) -> None:
    for name in names:
        target = built / name
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(source / name, fresh)
        fresh.replace(target)
        if target.suffix == ".py":
            # The layer's bytecode is never compared with its source, so an old one must not stay. Without a place,
            # it would go where this process keeps its own.
            bytecode = target.parent / "__pycache__" / f"{target.stem}.{sys.implementation.cache_tag}.pyc"
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            if not py_compile.compile(str(target), str(bytecode), invalidation_mode=mode, quiet=2):
                _remove_bytecode(target)  # The file does not compile. Its function will report that.


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _remove_bytecode(path)


def _remove_bytecode(path: Path) -> None:
    for bytecode in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        bytecode.unlink(missing_ok=True)
