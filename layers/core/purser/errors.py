"""Every error Purser raises on purpose, readable at a glance.

A service raises these and nothing else; each surface (``purser.http``) has one table that says how
they look on its wire.

    PurserError
    ├── RequestError              the request itself is at fault
    │   ├── MalformedRequest          not JSON, not an object, a wrong content type
    │   ├── InvalidInput              well-formed, but fields break rules: carries all faults at once
    │   ├── RouteNotFound             no such route
    │   ├── Unauthorized              who is asking is unknown
    │   ├── Forbidden                 who is asking may not
    │   ├── NotFound                  no such thing, or not the caller's
    │   ├── TooManyRequests           the caller (or everybody) asks too often
    │   ├── IdempotencyKeyReused      the same Idempotency-Key with another request
    │   └── RequestInFlight           the same Idempotency-Key is still being worked on
    ├── TradingAccountError       a rule of trading accounts refuses
    │   ├── TradingAccountNotFound    no such trading account
    │   ├── TradingAccountForbidden   another user's trading account
    │   ├── AlreadyConnected          this API key is connected already
    │   ├── AlreadyDisconnected       the trading account has ended, for good
    │   ├── CredentialNotFound        no such credential
    │   ├── CredentialRevoked         the credential is revoked, for good
    │   ├── TradingAccountInactive    it has been disabled, or its credential died
    │   ├── StrategyTypeMismatch      the account's strategy type does not fit the call
    │   ├── TradeTypeUnsupported      the account's trade type does not fit the call
    │   └── WithdrawalsAllowed        the exchange would let this key withdraw
    ├── PlanError                 the subscription's plan refuses
    │   ├── KeyLimitExceeded          no further trading account in this plan
    │   ├── BalanceLimitExceeded      the accounts together are worth more than the plan allows
    │   ├── FeatureNotInPlan          the plan lacks the feature
    │   ├── PlanNotPublic             the plan exists, but is not for sale
    │   ├── NoStripeSubscription      there is no running subscription at Stripe to change
    │   ├── StripeSubscriptionExists  one is running at Stripe: it is changed, not bought again
    │   └── PaymentDeclined           the bank refuses to pay for another plan
    ├── FollowError               a rule of following strategies refuses
    │   ├── ExchangeMismatch          the strategy is for another exchange
    │   ├── SymbolMismatch            the strategy is for another symbol
    │   └── SymbolFollowed            the account follows a strategy of that symbol already
    ├── AccountError              a rule of customer accounts refuses
    │   ├── AccountDisconnected       it is read-only for good
    │   ├── AccountInUse              something of it is still held or connected
    │   └── ForeignIdTaken            its owner has another account of that foreign id
    ├── ExchangeError             the exchange refuses or fails
    │   ├── ExchangeAuthorizationFailed   the credential is dead
    │   ├── ExchangeRateLimited           too many requests; says when to come back
    │   ├── ExchangeUnavailable           an outage; retry later
    │   ├── ExchangeBadRequest            the exchange refuses the request
    │   └── ExchangeSymbolInvalid         the venue lists no such symbol
    ├── WalletError               a rule of wallets and the ledger refuses
    │   ├── WalletRequestRefused      an external reference used twice, a transaction reversed twice
    │   ├── WalletNotFound            no such wallet or transaction
    │   ├── WalletForbidden           another user's wallet
    │   ├── InsufficientBalance       the wallet does not hold so much
    │   ├── BalanceOutOfRange         beyond what a balance can hold
    │   ├── WalletAlreadyFrozen       it is frozen already
    │   ├── WalletNotFrozen           it is not frozen
    │   ├── WalletNotEmpty            a wallet that holds something can't be closed
    │   ├── WalletClosed              it is closed for good
    │   └── WalletFrozen              it neither sends nor receives
    └── Unavailable               something of our own is down or busy; retry later
        ├── PaymentUnavailable        Stripe is down, or refuses our own key
        ├── Contended                 too many changes of the same thing at once
        └── Unfinished                queued work that must go on later; says when
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class PurserError(Exception):
    """Anything Purser refuses or fails at. ``str(error)`` is safe to show to the caller."""

    default = "the request could not be carried out"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One broken rule of one field of a request.

    ``location`` is ``body``, ``query``, ``params`` (the path) or ``headers``; ``path`` leads to the
    field (``("profile", "individual", "email")``); ``value`` is what was sent, None for a secret.
    """

    path: tuple[str | int, ...]
    message: str
    location: str = "body"
    value: Any = None


class RequestError(PurserError):
    """The request itself is at fault."""


class MalformedRequest(RequestError):
    """The body is not JSON, not an object, or of another content type."""

    default = "the request body must be a JSON object"


class InvalidInput(RequestError):
    """Well-formed, but fields break rules. ``field_errors`` holds every one of them."""

    default = "the request is invalid"

    def __init__(self, field_errors: Sequence[FieldError], message: str | None = None) -> None:
        super().__init__(message)
        self.field_errors = tuple(field_errors)


class RouteNotFound(RequestError):
    """No such route."""

    default = "route not found"


class Unauthorized(RequestError):
    """Who is asking is unknown."""

    default = "Unauthorized"


class Forbidden(RequestError):
    """Who is asking may not."""

    default = "Forbidden"


class NotFound(RequestError):
    """No such thing, or not one of the caller's."""

    default = "not found"


class TooManyRequests(RequestError):
    """Asked too often."""

    default = "Too Many Requests"


class IdempotencyKeyReused(RequestError):
    """The Idempotency-Key came before, with another request."""

    default = "was used with another request"


class RequestInFlight(RequestError):
    """The first request with this Idempotency-Key has not been answered yet."""

    default = "a request with the same Idempotency-Key is still in flight"


class TradingAccountError(PurserError):
    """A rule of trading accounts refuses."""


class TradingAccountNotFound(TradingAccountError):
    """No such trading account: where another user's is told apart from an unknown one."""

    default = "Trading account not found"


class TradingAccountForbidden(TradingAccountError):
    """The trading account is another user's."""

    default = "Forbidden"


class AlreadyConnected(TradingAccountError):
    """The API key is connected already, by this user for the same trade type or by another user."""

    default = "exchange API key already exist"


class AlreadyDisconnected(TradingAccountError):
    """The trading account has ended: it can be read, and connected anew under another id."""

    default = "Trading account is already disconnected"


class CredentialNotFound(TradingAccountError):
    """No such credential: where another user's is told apart from an unknown one."""

    default = "Credential not found"


class CredentialRevoked(TradingAccountError):
    """The credential is revoked for good."""

    default = "Credential is already revoked"


class TradingAccountInactive(TradingAccountError):
    """The trading account is disabled, or its credential was refused by the exchange."""

    default = "exchange API key is inactive"


class StrategyTypeMismatch(TradingAccountError):
    """The trading account's strategy type does not fit the call."""

    default = "exchange API key type is invalid"


class TradeTypeUnsupported(TradingAccountError):
    """The trading account's trade type does not fit the call."""

    default = "exchange API key type is unsupported"


class WithdrawalsAllowed(TradingAccountError):
    """The exchange would let this API key withdraw: Purser does not hold such keys."""

    default = "exchange API key must not allow withdrawals"


class PlanError(PurserError):
    """The subscription's plan refuses."""


class KeyLimitExceeded(PlanError):
    """The plan allows no further trading account."""

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
    """The user has a running subscription at Stripe already."""

    default = "active stripe subscription already exist"


class PaymentDeclined(PlanError):
    """The bank refuses to pay for another plan; the subscription stays as it is."""

    default = "payment is declined"


class FollowError(PurserError):
    """A rule of following strategies refuses."""


class ExchangeMismatch(FollowError):
    """The strategy is for another exchange than the trading account."""

    default = "exchange id does not match"


class SymbolMismatch(FollowError):
    """The strategy is for another symbol than the one that is followed."""

    default = "exchange symbol does not match"


class SymbolFollowed(FollowError):
    """The trading account follows a strategy of that symbol already."""

    default = "exchange symbol already exist"


class AccountError(PurserError):
    """A rule of customer accounts refuses."""


class AccountDisconnected(AccountError):
    """The account is disconnected: it can be read, and nothing else."""

    default = "account is disconnected"


class AccountInUse(AccountError):
    """A wallet of the account has a balance, or a trading account of it is connected."""

    default = "account has a wallet with a balance or a connected trading account"


class ForeignIdTaken(AccountError):
    """The owner has another account of that foreign id."""

    default = "an account with this foreignID already exists"


class ExchangeError(PurserError):
    """The exchange refuses or fails. ``venue_code`` is its own error code where it gave one."""

    default = "exchange error"

    def __init__(self, message: str | None = None, *, venue_code: str | None = None) -> None:
        super().__init__(message)
        self.venue_code = venue_code


class ExchangeAuthorizationFailed(ExchangeError):
    """The exchange does not accept the credential: it is dead until its owner changes it."""

    default = "exchange API authorization failed"


class ExchangeRateLimited(ExchangeError):
    """The exchange asks to wait ``retry_after`` seconds."""

    default = "exchange rate limit, try again later"

    def __init__(self, message: str | None = None, *, retry_after: float = 60.0, venue_code: str | None = None) -> None:
        super().__init__(message, venue_code=venue_code)
        self.retry_after = retry_after


class ExchangeUnavailable(ExchangeError):
    """The exchange is down, too slow, or out of reach. Whether it acted is unknown."""

    default = "exchange is unavailable"


class ExchangeBadRequest(ExchangeError):
    """The exchange understood and refuses."""

    default = "exchange bad request"


class ExchangeSymbolInvalid(ExchangeError):
    """The venue lists no such symbol."""

    default = "invalid exchange symbol"


class WalletError(PurserError):
    """A rule of wallets and the ledger refuses."""


class WalletRequestRefused(WalletError):
    """The request contradicts the books: an external reference used twice, a transaction reversed twice."""

    default = "Invalid request"


class WalletNotFound(WalletError):
    """No such wallet, or no such transaction."""

    default = "Wallet not found"


class WalletForbidden(WalletError):
    """The wallet is another user's."""

    default = "Forbidden"


class InsufficientBalance(WalletError):
    """The wallet does not hold so much, and may not go below zero."""

    default = "Insufficient available balance"


class BalanceOutOfRange(WalletError):
    """The amount, or the balance it would make, is beyond what a balance can hold."""

    default = "Amount is beyond what a balance can hold"


class WalletAlreadyFrozen(WalletError):
    """The wallet is frozen already."""

    default = "Wallet is already frozen"


class WalletNotFrozen(WalletError):
    """The wallet is not frozen."""

    default = "Wallet is not frozen"


class WalletNotEmpty(WalletError):
    """A wallet that holds something can't be closed."""

    default = "Cannot close wallet with non-zero balance"


class WalletClosed(WalletError):
    """The wallet is closed for good."""

    default = "Wallet is closed"


class WalletFrozen(WalletError):
    """The wallet is frozen: it neither sends nor receives."""

    default = "Wallet is frozen"


class Unavailable(PurserError):
    """Something of our own is down or busy; the same request may succeed later."""

    default = "temporarily unavailable, try again later"


class PaymentUnavailable(Unavailable):
    """Stripe is down, too slow, or does not take our requests. Whether it acted is unknown."""

    default = "payment is unavailable, try again later"


class Contended(Unavailable):
    """Too many changes of the same thing at once; nothing was changed."""


class Unfinished(Unavailable):
    """Queued work was begun and must go on after ``retry_after`` seconds; what was done is kept."""

    default = "the work is not finished"

    def __init__(self, message: str | None = None, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


# Errors that come together, for the routes that declare them (``refuses=``).

EXCHANGE_CALL = (ExchangeAuthorizationFailed, ExchangeRateLimited, ExchangeBadRequest, ExchangeUnavailable)
PLAN_LIMITS = (KeyLimitExceeded, BalanceLimitExceeded)
KEY_CHECK = (*EXCHANGE_CALL, WithdrawalsAllowed, *PLAN_LIMITS)
TRADING_ACCOUNT = (TradingAccountNotFound, TradingAccountForbidden)
