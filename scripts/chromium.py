"""Installs headless Chromium from the npm package that packs it for Lambda: the program and the libraries it needs.

Nothing is installed by hand, nor as root. The package has programs for x86-64 alone.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from pathlib import Path

PACKED = "node_modules/@sparticuz/chromium/bin"
UNPACK = """
const [from, to] = process.argv.slice(1)
const unpacked = require("fs").createReadStream(from).pipe(require("zlib").createBrotliDecompress())
unpacked.pipe(require("fs").createWriteStream(to))
"""


def is_packaged() -> bool:
    """Whether the package has a Chromium for this processor."""
    return platform.machine() == "x86_64"


def install(package: tuple[Path, ...], folder: Path, run: Callable[[list[str]], None]) -> None:
    """Puts ``chromium`` and its ``lib`` into a folder, by the package and its lock."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in package:
        shutil.copy(file, folder)
    run(["npm", "ci", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund"])
    for packed, unpacked in (("chromium.br", "chromium"), ("al2023.tar.br", "lib.tar")):
        run(["node", "-e", UNPACK, str(folder / PACKED / packed), str(folder / unpacked)])
    run(["tar", "-xf", str(folder / "lib.tar"), "-C", str(folder)])
    (folder / "lib.tar").unlink()
    (folder / "chromium").chmod(0o755)
    shutil.rmtree(folder / "node_modules")
