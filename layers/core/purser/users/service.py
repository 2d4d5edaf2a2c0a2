"""What an administrator can do with users: find them, look at one, grant a plan."""

from __future__ import annotations

from typing import Protocol

from purser.billing.model import Subscription
from purser.errors import NotFound
from purser.trading_accounts.model import ConnectedAccounts
from purser.users.model import Overview, User, UserPage


class UserDirectory(Protocol):
    """Who the users are. Every method may raise ``TooManyRequests`` and ``Unavailable``."""

    def page(self, limit: int, position: str | None) -> UserPage:
        """At most ``limit`` users after a position.

        Raises:
            InvalidInput: the list can't go on from there.
        """

    def find(self, user_id: str) -> User | None:
        """The user of an id, or None."""


class Subscriptions(Protocol):
    """Who has which plan."""

    def of(self, user_id: str) -> Subscription | None:
        """The user's subscription, or None."""

    def grant(self, user_id: str, plan_id: str | None) -> Subscription | None:
        """Gives a plan without payment, or takes the grant back."""


class TradingAccounts(Protocol):
    """What users have connected."""

    def connected(self, user_id: str) -> ConnectedAccounts:
        """The user's connected trading accounts, oldest first."""


class Enforcement(Protocol):
    """Makes what users have what their plans allow."""

    def enforce(self, user_id: str) -> int:
        """How many trading accounts and follows of the user were changed."""


class Users:
    """The use cases."""

    def __init__(
        self,
        directory: UserDirectory,
        subscriptions: Subscriptions,
        accounts: TradingAccounts,
        enforcement: Enforcement,
    ) -> None:
        self._directory = directory
        self._subscriptions = subscriptions
        self._accounts = accounts
        self._enforcement = enforcement

    def page(self, limit: int, position: str | None) -> UserPage:
        """At most ``limit`` users after a position.

        Raises:
            InvalidInput: the list can't go on from there.
        """
        return self._directory.page(limit, position)

    def overview(self, user_id: str) -> Overview:
        """A user with what the user has.

        Raises:
            NotFound: no such user.
        """
        user = self._find(user_id)
        return Overview(user, self._subscriptions.of(user_id), self._accounts.connected(user_id).accounts)

    def grant(self, user_id: str, plan_id: str | None) -> Subscription | None:
        """Grant a user a plan, public or private, without payment, or revoke the grant with None.

        The new plan is enforced immediately. On ``Contended`` the caller may retry.

        Raises:
            NotFound: no such user.
            InvalidInput: no such plan.
        """
        self._find(user_id)
        subscription = self._subscriptions.grant(user_id, plan_id)
        self._enforcement.enforce(user_id)
        return subscription

    def _find(self, user_id: str) -> User:
        user = self._directory.find(user_id)
        if user is None:
            raise NotFound
        return user
