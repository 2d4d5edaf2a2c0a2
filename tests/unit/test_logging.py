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
    """The root logger, beside loggers without levels of their own. All levels are restored."""
    root, others = logging.getLogger(), list(map(logging.getLogger, ("purser", *LIBRARIES)))
    levels = {logger: logger.level for logger in (root, *others)}
    for logger in others:
        logger.setLevel(logging.NOTSET)
    yield root
    for logger, level in levels.items():
        logger.setLevel(level)


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
