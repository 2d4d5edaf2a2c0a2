"""Install headless Chromium from the npm package that packs it for Lambda: the program and the libraries it needs.

It needs no root and no system package. The npm package has programs for x86-64 alone.
"""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from scripts import commands, npm

PACKED = "node_modules/@sparticuz/chromium/bin"
UNPACK = """
const [from, to] = process.argv.slice(1)
const unpacked = require("fs").createReadStream(from).pipe(require("zlib").createBrotliDecompress())
unpacked.pipe(require("fs").createWriteStream(to))
"""


def is_packaged() -> bool:
    """Tell whether the package has a Chromium for this processor."""
    return platform.machine() == "x86_64"


async def install(package: Path, folder: Path, log: Path) -> None:
    """Put ``chromium`` and its ``lib`` into a folder, by the package and its lock.

    Raises:
        commands.Failed: something could not be installed.
    """
    await commands.run(["rm", "-rf", folder], log)
    folder.mkdir(parents=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(package / file, folder)
    await npm.ci(folder, log)
    for packed, unpacked in (("chromium.br", "chromium"), ("al2023.tar.br", "lib.tar")):
        await commands.run(["node", "-e", UNPACK, folder / PACKED / packed, folder / unpacked], log)
    await commands.run(["tar", "-xf", folder / "lib.tar", "-C", folder], log)
    (folder / "lib.tar").unlink()
    (folder / "chromium").chmod(0o755)
    await commands.run(["rm", "-rf", folder / "node_modules"], log)
