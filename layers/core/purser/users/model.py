"""Users as administrators see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from purser.billing.model import Subscription
from purser.trading_accounts.model import TradingAccount


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in. ``id`` is the Cognito ``sub``, ``status`` Cognito's own; times are Unix milliseconds."""

    id: str
    email: str
    status: str
    enabled: bool
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class UserPage:
    """A page of users, and the position of the next page, or None at the end."""

    users: Sequence[User]
    position: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """A user with subscription and trading accounts."""

    user: User
    subscription: Subscription | None
    trading_accounts: Sequence[TradingAccount]
