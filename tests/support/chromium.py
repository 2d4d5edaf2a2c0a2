"""Headless Chromium for the end-to-end tests, as `make test` installs it."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from local.places import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = ROOT / ".local/browser/chromium"
OF_THE_MACHINE = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 120_000
# It runs as whoever runs the tests, root in many containers, and sees pages of this machine alone.
OPTIONS = ["--no-sandbox", "--disable-gpu"]


def program() -> str:
    """Return the program of the browser: the packaged one, or that of the machine if there is no package for it."""
    if (FOLDER / "chromium").exists():
        return str(FOLDER / "chromium")
    if platform.machine() == "x86_64":
        pytest.fail("Chromium is not installed; `make test` does it.")
    found = next(filter(None, map(shutil.which, OF_THE_MACHINE)), None)
    return found or pytest.skip(f"there is no packaged Chromium for {platform.machine()}, and none on this machine")


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser for the block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=program(), args=OPTIONS, env={"LD_LIBRARY_PATH": str(FOLDER / "lib")}
        )
        yield opened
        opened.close()
