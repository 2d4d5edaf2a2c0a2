"""Sessions, users, profiles, notifications and customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.bootstrap.adapters import account_store, audit, recording, table, vault
from purser.bootstrap.billing import enforcement, subscriptions
from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.customers.service import Customers
    from purser.notifications.service import Notifications
    from purser.profiles.service import Profiles
    from purser.sessions.service import Sessions
    from purser.sessions.token_groups import TokenGroups
    from purser.users.service import Users


@kept
def sessions() -> Sessions:
    """The use cases of signing in and out."""
    from purser.sessions.cognito import CognitoIdentityProvider
    from purser.sessions.service import Sessions

    pool_id, client_id = settings().require("user_pool_id"), settings().require("user_pool_client_id")
    return Sessions(CognitoIdentityProvider(pool_id, client_id), now_ms)


@kept
def token_groups(pool_id: str) -> TokenGroups:
    """The groups in the tokens of a user pool."""
    from purser.sessions.cognito import CognitoSecondFactors
    from purser.sessions.token_groups import TokenGroups

    return TokenGroups(CognitoSecondFactors(pool_id), required=settings().admin_mfa == "required")


@kept
def users() -> Users:
    """The use cases of administrators."""
    from purser.users.cognito import CognitoDirectory
    from purser.users.service import Users

    directory = CognitoDirectory(settings().require("user_pool_id"))
    return Users(directory, subscriptions(), account_store(), enforcement(), audit())


@kept
def profiles() -> Profiles:
    """The use cases of profiles."""
    from purser.profiles.service import Profiles
    from purser.profiles.store import DynamoProfileStore

    return Profiles(DynamoProfileStore(table("accounts_table")), now_ms)


@kept
def notifications() -> Notifications:
    """The use cases of notifications."""
    from purser.notifications.service import Notifications
    from purser.notifications.store import DynamoNotificationStore

    return Notifications(DynamoNotificationStore(table("accounts_table")), now_ms)


@kept
def customers() -> Customers:
    """The use cases of customers. A package that links its data to customers adds its check here."""
    from functools import partial

    from purser.customers.model import StaleCustomer
    from purser.customers.service import Customers
    from purser.customers.store import DynamoCustomerStore
    from purser.errors import AccountInUse
    from purser.ledger.store.wallet_store import DynamoWalletStore
    from purser.trading_accounts.store.customer_links import while_unused

    # A posting that overtakes the check leaves a balance or not, so the balances are read again.
    checks = (
        (partial(while_unused, table("keys_table")), AccountInUse),
        (DynamoWalletStore(table("wallets_table"), recording).while_empty, StaleCustomer),
    )
    return Customers(DynamoCustomerStore(table("accounts_table"), checks), vault(), audit(), now_ms)
