"""All errors that Purser raises on purpose, in one tree.

A service raises these and nothing else. Each HTTP surface (``purser.http``) has one table that maps them to answers.

    PurserError
    ├── RequestError          the request itself is wrong
    ├── TradingAccountError   a rule of trading accounts or credentials is broken
    ├── PlanError             the user's plan does not allow it
    ├── FollowError           a rule of following strategies is broken
    ├── AccountError          a rule of customer accounts is broken
    ├── ExchangeError         the exchange refuses the request or fails
    ├── WalletError           a rule of wallets or the ledger is broken
    ├── StoredDataRefused     stored data contradicts itself
    └── Unavailable           a part of Purser is down or busy; retry later

Each family is a section of this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


class PurserError(Exception):
    """Base of all errors. ``str(error)`` is safe to show to the caller."""

    default = "the request could not be carried out"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One broken rule of one field of a request.

    ``path`` leads to the field (``("profile", "individual", "email")``). ``location`` is ``body``, ``query``,
    ``params`` (the path) or ``headers``. ``value`` is what was sent, None for a secret.
    """

    path: tuple[str | int, ...]
    message: str
    location: str = "body"
    value: Any = None


class RequestError(PurserError):
    """The request itself is wrong."""


class MalformedRequest(RequestError):
    """The body is not JSON, not an object, or of another content type."""

    default = "the request body must be a JSON object"


class PayloadTooLarge(RequestError):
    """The body is larger than any that Purser needs."""

    default = "Payload Too Large"


class InvalidInput(RequestError):
    """Fields of the request break rules. ``field_errors`` has one entry for each broken rule."""

    default = "the request is invalid"

    def __init__(self, field_errors: Sequence[FieldError], message: str | None = None) -> None:
        super().__init__(message)
        self.field_errors = tuple(field_errors)


class RouteNotFound(RequestError):
    """There is no such route."""

    default = "route not found"


class Unauthorized(RequestError):
    """The caller is not authenticated."""

    default = "Unauthorized"


class Forbidden(RequestError):
    """The caller is not allowed to do this."""

    default = "Forbidden"


class NotFound(RequestError):
    """There is no such resource, or it is not the caller's."""

    default = "not found"


def found(resource: T | None) -> T:
    """Return a resource. Raises ``NotFound`` if there is none."""
    if resource is None:
        raise NotFound
    return resource


class TooManyRequests(RequestError):
    """The caller, or all callers together, send too many requests.

    ``retry_after`` is when it may be tried again, in seconds, if that is known.
    """

    default = "Too Many Requests"

    def __init__(self, message: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class IdempotencyKeyReused(RequestError):
    """The Idempotency-Key was used for another request."""

    default = "was used with another request"


class RequestInFlight(RequestError):
    """The first request with this Idempotency-Key is still being processed."""

    default = "a request with the same Idempotency-Key is still in flight"


class TradingAccountError(PurserError):
    """A rule of trading accounts is broken."""


class TradingAccountNotFound(TradingAccountError):
    """There is no such trading account. Used where another user's account is answered differently."""

    default = "Trading account not found"


class TradingAccountForbidden(TradingAccountError):
    """The trading account belongs to another user."""

    default = "Forbidden"


class AlreadyConnected(TradingAccountError):
    """The API key is already connected, by this user for the same trade type or by another user."""

    default = "exchange API key already exist"


class AlreadyDisconnected(TradingAccountError):
    """The trading account is disconnected for good. Its API key can be connected again, under another id."""

    default = "Trading account is already disconnected"


class CredentialNotFound(TradingAccountError):
    """There is no such credential. Used where another user's credential is answered differently."""

    default = "Credential not found"


class TooManyCredentials(TradingAccountError):
    """The user has as many credentials as a user may have. Admins can create more."""

    default = "Too many credentials"


class CredentialRevoked(TradingAccountError):
    """The credential is revoked for good."""

    default = "Credential is already revoked"


class TradingAccountInactive(TradingAccountError):
    """The trading account is disabled, or the exchange has refused its credential."""

    default = "exchange API key is inactive"


class StrategyTypeMismatch(TradingAccountError):
    """The call needs a trading account of another strategy type."""

    default = "exchange API key type is invalid"


class TradeTypeUnsupported(TradingAccountError):
    """The call needs a trading account of another trade type."""

    default = "exchange API key type is unsupported"


class WithdrawalsAllowed(TradingAccountError):
    """The API key allows withdrawals. Purser does not store such keys."""

    default = "exchange API key must not allow withdrawals"


class PlanError(PurserError):
    """The user's plan does not allow it."""


class KeyLimitExceeded(PlanError):
    """The plan, or the quota of a user, allows no further trading account."""

    default = "exceed subscription max API key limit"


class BalanceLimitExceeded(PlanError):
    """The user's trading accounts together are worth more than the plan allows."""

    default = "exceed subscription max API balance limit"


class FeatureNotInPlan(PlanError):
    """The plan lacks the feature."""

    default = "unauthorized subscription features"


class PlanNotPublic(PlanError):
    """The plan exists, but is not for sale."""

    default = "invalid subscription type"


class NoStripeSubscription(PlanError):
    """The user has no running subscription at Stripe."""

    default = "active stripe subscription does not exist"


class StripeSubscriptionExists(PlanError):
    """The user already has a running subscription at Stripe."""

    default = "active stripe subscription already exist"


class PaymentDeclined(PlanError):
    """The bank declines the payment for another plan. The subscription is unchanged."""

    default = "payment is declined"


class PaymentRefused(PlanError):
    """Stripe refuses the change, and would refuse it again. Nothing was changed."""

    default = "the payment provider refuses"


class FollowError(PurserError):
    """A rule of following strategies is broken."""


class ExchangeMismatch(FollowError):
    """The strategy is for another exchange than the trading account."""

    default = "exchange id does not match"


class SymbolMismatch(FollowError):
    """The new strategy is for another symbol than the follow."""

    default = "exchange symbol does not match"


class SymbolFollowed(FollowError):
    """The trading account already follows a strategy for this symbol."""

    default = "exchange symbol already exist"


class AccountError(PurserError):
    """A rule of customer accounts is broken."""


class AccountDisconnected(AccountError):
    """The account is disconnected and can only be read."""

    default = "account is disconnected"


class AccountInUse(AccountError):
    """A wallet of the account has a balance, or a trading account of it is connected."""

    default = "account has a wallet with a balance or a connected trading account"


class TooManyAccounts(AccountError):
    """The owner has as many active accounts as a user may have. Admins can create more."""

    default = "too many accounts"


class ForeignIdTaken(AccountError):
    """The owner has another account with this foreign id."""

    default = "an account with this foreignID already exists"


class ExchangeError(PurserError):
    """The exchange refuses the request or fails.

    ``venue_code`` is its own error code, if it gave one. ``detail`` is a short text for the caller, without markup and
    secrets.
    """

    default = "exchange error"

    def __init__(self, message: str | None = None, *, venue_code: str | None = None, detail: str | None = None) -> None:
        super().__init__(message or (f"{self.default}: {detail}" if detail else None))
        self.venue_code = venue_code
        self.detail = detail


class ExchangeAuthorizationFailed(ExchangeError):
    """The exchange refuses the credential. It stays unusable until its owner changes it.

    With ``is_ambiguous``, the exchange may mean our IP address instead.
    """

    default = "exchange API authorization failed"

    def __init__(
        self, message: str | None = None, *, venue_code: str | None = None, is_ambiguous: bool = False
    ) -> None:
        super().__init__(message, venue_code=venue_code)
        self.is_ambiguous = is_ambiguous


class ExchangeRateLimited(ExchangeError):
    """The exchange must not be asked for ``retry_after`` seconds.

    ``by_venue`` is False if it did not refuse: the part of our own budget that the request may use is spent.
    """

    default = "exchange rate limit, try again later"

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after: float = 60.0,
        venue_code: str | None = None,
        by_venue: bool = True,
    ) -> None:
        super().__init__(message, venue_code=venue_code)
        self.retry_after = retry_after
        self.by_venue = by_venue


class ExchangeUnavailable(ExchangeError):
    """The exchange is down, too slow or unreachable. It may or may not have acted."""

    default = "exchange is unavailable"


class ExchangeBadRequest(ExchangeError):
    """The exchange understood the request and refused it."""

    default = "exchange bad request"


class ExchangeSymbolInvalid(ExchangeError):
    """The venue lists no such symbol."""

    default = "invalid exchange symbol"


class WalletError(PurserError):
    """A rule of wallets or the ledger is broken."""


class WalletRequestRefused(WalletError):
    """The request contradicts the books, such as a second reversal of a transaction."""

    default = "Invalid request"


class TooManyWallets(WalletError):
    """The user has as many open wallets as a user may have. Admins can create more."""

    default = "Too many wallets"


class WalletNotFound(WalletError):
    """There is no such wallet or transaction."""

    default = "Wallet not found"


class WalletForbidden(WalletError):
    """The wallet belongs to another user."""

    default = "Forbidden"


class InsufficientBalance(WalletError):
    """The balance is too low, and the wallet may not go below zero."""

    default = "Insufficient available balance"


class BalanceOutOfRange(WalletError):
    """The amount, or the balance after it, is larger than a balance may be."""

    default = "Amount is beyond what a balance can hold"


class WalletAlreadyFrozen(WalletError):
    """The wallet is already frozen."""

    default = "Wallet is already frozen"


class WalletNotFrozen(WalletError):
    """The wallet is not frozen."""

    default = "Wallet is not frozen"


class WalletNotEmpty(WalletError):
    """The wallet still has a balance and cannot be closed."""

    default = "Cannot close wallet with non-zero balance"


class WalletClosed(WalletError):
    """The wallet is closed for good."""

    default = "Wallet is closed"


class WalletFrozen(WalletError):
    """The wallet is frozen and takes no postings."""

    default = "Wallet is frozen"


class StoredDataRefused(PurserError):
    """Stored data contradicts itself, or a stored secret does not decrypt. A retry does not help. An alarm rings."""

    default = "stored data was refused, and the operator is alerted"


class Unavailable(PurserError):
    """A part of Purser is down or busy. The same request may succeed later."""

    default = "temporarily unavailable, try again later"


class PaymentUnavailable(Unavailable):
    """Stripe is down, too slow, or refuses our key. It may or may not have acted on the request."""

    default = "payment is unavailable, try again later"


class StripeCustomerUnknown(PaymentUnavailable):
    """Stripe does not know a customer of ours. Our key is probably of another Stripe account, or of its test mode."""


class Contended(Unavailable):
    """Too many concurrent changes to the same data. Nothing was changed."""


class Unfinished(Unavailable):
    """Queued work must continue after ``retry_after`` seconds. Its progress so far is kept."""

    default = "the work is not finished"

    def __init__(self, message: str | None = None, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


# Groups of errors for the ``refuses=`` of routes.

EXCHANGE_CALL = (ExchangeAuthorizationFailed, ExchangeRateLimited, ExchangeBadRequest, ExchangeUnavailable)
PLAN_LIMITS = (KeyLimitExceeded, BalanceLimitExceeded)
KEY_CHECK = (*EXCHANGE_CALL, WithdrawalsAllowed, *PLAN_LIMITS)
TRADING_ACCOUNT = (TradingAccountNotFound, TradingAccountForbidden)
