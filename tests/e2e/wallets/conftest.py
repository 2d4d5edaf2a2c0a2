"""Provide wallet clients: two new users without a plan, and an admin."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.support.wallet_client import WalletClient


@pytest.fixture
def user(base_url: str, new_user: Callable[[str], str]) -> WalletClient:
    """Return the client of a new user."""
    return WalletClient(base_url, new_user(""))


@pytest.fixture
def other(base_url: str, new_user: Callable[[str], str]) -> WalletClient:
    """Return the client of another new user."""
    return WalletClient(base_url, new_user(""))


@pytest.fixture
def admin(base_url: str, tokens: Mapping[str, str]) -> WalletClient:
    """Return the client of an admin."""
    return WalletClient(base_url, tokens["admin"])
