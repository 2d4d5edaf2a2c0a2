"""Test the level of the log: DEBUG holds for Purser's own loggers only."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator

import pytest

import purser

LIBRARIES = ("boto3", "botocore.endpoint", "urllib3.connectionpool", "ccxt.base.exchange", "requests", "a_new_library")


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The root logger, whose level and that of Purser's are restored."""
    root, own = logging.getLogger(), logging.getLogger("purser")
    levels = root.level, own.level
    yield root
    root.setLevel(levels[0])
    own.setLevel(levels[1])


@pytest.mark.parametrize("level", [logging.DEBUG, logging.NOTSET])
def test_libraries_log_at_info_when_the_level_is_lower(root: logging.Logger, level: int) -> None:
    root.setLevel(level)
    importlib.reload(purser)
    assert logging.getLogger("purser.work.worker").isEnabledFor(logging.DEBUG) is (level == logging.DEBUG)
    assert {logging.getLogger(name).getEffectiveLevel() for name in LIBRARIES} == {logging.INFO}


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING, logging.ERROR])
def test_a_higher_level_holds_for_all(root: logging.Logger, level: int) -> None:
    root.setLevel(level)
    importlib.reload(purser)
    assert {logging.getLogger(name).getEffectiveLevel() for name in (*LIBRARIES, "purser.work.worker")} == {level}
