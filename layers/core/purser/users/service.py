"""The use cases of administrators: find users, look at one, grant a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from purser.actor import Actor
from purser.audit.model import Action
from purser.errors import found
from purser.ports import Audit
from purser.users.model import Overview, User, UserPage

if TYPE_CHECKING:
    from purser.billing.model import Subscription
    from purser.billing.service import Subscriptions
    from purser.enforcement.service import Enforcement
    from purser.trading_accounts.service import TradingAccountStore


class UserDirectory(Protocol):
    """The directory of users. Every method may raise ``TooManyRequests`` and ``Unavailable``."""

    def page(self, limit: int, position: str | None) -> UserPage:
        """Return at most ``limit`` users after a position.

        Raises:
            InvalidInput: the position is not, or no longer, one of this list.
        """

    def find(self, user_id: str) -> User | None:
        """Return the user with an id, or None."""


class Users:
    """The use cases."""

    def __init__(
        self,
        directory: UserDirectory,
        subscriptions: Subscriptions,
        accounts: TradingAccountStore,
        enforcement: Enforcement,
        audit: Audit,
    ) -> None:
        self._directory = directory
        self._subscriptions = subscriptions
        self._accounts = accounts
        self._enforcement = enforcement
        self._audit = audit

    def page(self, actor: Actor, limit: int, position: str | None) -> UserPage:
        """Return at most ``limit`` users after a position, with the errors of ``UserDirectory.page``."""
        page = self._directory.page(limit, position)
        self._audit.read(actor, Action.USER_LIST, "users")
        return page

    def overview(self, actor: Actor, user_id: str) -> Overview:
        """Return a user with subscription and trading accounts.

        Raises:
            NotFound: no such user.
        """
        user = found(self._directory.find(user_id))
        self._audit.read(actor, Action.USER_READ, f"user/{user_id}", user_id)
        return Overview(user, self._subscriptions.of(user_id), self._accounts.connected(user_id).accounts)

    def grant(self, actor: Actor, user_id: str, plan_id: str | None) -> Subscription | None:
        """Grant a user a plan, public or private, without payment, or revoke the grant with None.

        The new plan is enforced immediately. On ``Contended`` the caller may retry.

        Raises:
            NotFound: no such user.
            InvalidInput: no such plan.
        """
        found(self._directory.find(user_id))
        subscription = self._subscriptions.grant(user_id, plan_id, by=actor)
        self._enforcement.enforce(user_id)
        return subscription
