"""npm, which installs what PyPI does not have."""

from __future__ import annotations

import os
from pathlib import Path

from scripts import commands

CACHE = Path(__file__).resolve().parent.parent / ".local/cache/npm"


async def ci(folder: Path, log: Path) -> None:
    """Install exactly what a package's lock file lists into its folder.

    Raises:
        commands.Failed: something could not be installed.
    """
    options = ("--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--no-update-notifier")
    # The usual cache is in the home directory, which may not be writable.
    environment = {**os.environ, "npm_config_cache": str(CACHE)}
    await commands.run(["npm", "ci", "--prefix", folder, *options], log, environment)
