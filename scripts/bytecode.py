"""List the modules of a folder without bytecode that Python loads without checking dates.

bytecode.py FOLDER      run by the Python that will load them; prints a line for each, and exits with 1 if any
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

UNCHECKED_HASH = (1).to_bytes(4, "little")


def flaws(folder: Path) -> Iterator[str]:
    """Return what is wrong with the bytecode of a folder, one line for each module. No modules at all is wrong too."""
    modules = list(folder.rglob("*.py"))
    if not modules:
        yield f"{folder.name} has no modules"
    for module in modules:
        flaw = _flaw(module)
        if flaw:
            yield f"{module.relative_to(folder)}: {flaw}"


def _flaw(module: Path) -> str | None:
    # Not where this process keeps its own bytecode (PYTHONPYCACHEPREFIX).
    compiled = module.parent / "__pycache__" / f"{module.stem}.{sys.implementation.cache_tag}.pyc"
    if not compiled.exists():
        return f"no {compiled.name}"
    header = compiled.read_bytes()[:16]
    if header[:4] != MAGIC_NUMBER:
        return "compiled by another Python"
    if header[4:8] != UNCHECKED_HASH:
        return "checked against the date of its source, which packaging changes"
    if header[8:] != source_hash(module.read_bytes()):
        return "compiled from another source"
    return None


if __name__ == "__main__":
    found = list(flaws(Path(sys.argv[1])))
    print("\n".join(found))
    sys.exit(bool(found))
