"""Which errors an operation may answer beside those that its signature shows. Only the API's description reads this.

A row is for a method and the paths that begin so (``*`` for every method). An answer that is not described is found by
the tests of the function and by the fuzzing of the whole: what is missing here is to be added here.
"""

from __future__ import annotations

from collections.abc import Iterator

from purser import errors as e

Errors = tuple[type[e.PurserError], ...]

AT_THE_EXCHANGE: Errors = (
    e.ExchangeAuthorizationFailed,
    e.ExchangeRateLimited,
    e.ExchangeBadRequest,
    e.ExchangeUnavailable,
)
OVER_THE_PLAN: Errors = (e.KeyLimitExceeded, e.BalanceLimitExceeded)
CHECKED_KEY: Errors = (*AT_THE_EXCHANGE, e.WithdrawalsAllowed, *OVER_THE_PLAN)
TRADING: Errors = (
    *AT_THE_EXCHANGE,
    e.TradingAccountInactive,
    e.StrategyTypeMismatch,
    e.ExchangeSymbolInvalid,
)
WALLET: Errors = (e.WalletNotFound, e.WalletForbidden)
STOPPED: Errors = (e.WalletClosed, e.WalletFrozen)
MOVING: Errors = (
    *WALLET,
    *STOPPED,
    e.WalletRequestRefused,
    e.InsufficientBalance,
    e.BalanceOutOfRange,
    e.IdempotencyKeyReused,
)

ACCOUNT: Errors = (e.TradingAccountNotFound, e.TradingAccountForbidden)
CREDENTIAL: Errors = (e.CredentialNotFound, e.Forbidden)

KEYS = "/v1/priv/account/exchange/key"
STRIPE = "/v1/priv/account/subscription/stripe"
FOLLOWS = "/v1/priv/strategy/follow/"
WALLETS = "/api/v3/fermata/wallet"
ACCOUNTS, CREDENTIALS = "/api/v3/tradingAccount", "/api/v3/credential"

REFUSALS: tuple[tuple[str, str, Errors], ...] = (
    ("POST", "/v1/pub/webhook/stripe", (e.MalformedRequest,)),
    ("GET", "/v1/pub/exchange/ticker", (*AT_THE_EXCHANGE[1:], e.ExchangeSymbolInvalid)),
    ("POST", KEYS, (*CHECKED_KEY, e.AlreadyConnected)),
    ("PUT", KEYS, CHECKED_KEY),
    ("GET", KEYS + "/{id}/balance", (*AT_THE_EXCHANGE, e.TradingAccountInactive)),
    ("POST", STRIPE, (e.PlanNotPublic, e.StripeSubscriptionExists)),
    ("PUT", STRIPE, (e.PlanNotPublic, e.NoStripeSubscription, e.PaymentDeclined, *OVER_THE_PLAN)),
    ("*", "/v1/priv/exchange/", TRADING),
    ("POST", "/v1/priv/exchange/order/", (e.TradeTypeUnsupported,)),
    (
        "POST",
        FOLLOWS,
        (
            e.TradingAccountInactive,
            e.StrategyTypeMismatch,
            e.ExchangeMismatch,
            e.SymbolFollowed,
            e.FeatureNotInPlan,
        ),
    ),
    (
        "PUT",
        FOLLOWS,
        (e.TradingAccountInactive, e.ExchangeMismatch, e.SymbolMismatch, e.SymbolFollowed, e.FeatureNotInPlan),
    ),
    ("POST", "/api/v3/auth/login", (e.Unauthorized, e.Forbidden)),
    ("POST", "/api/v3/auth/challenge", (e.Unauthorized, e.Forbidden)),
    ("POST", "/api/v3/auth/token/refresh", (e.Unauthorized,)),
    ("POST", ACCOUNTS + "/connect", (*CHECKED_KEY, *CREDENTIAL, e.AlreadyConnected, e.CredentialRevoked)),
    ("GET", ACCOUNTS + "/list", (*ACCOUNT, e.Forbidden)),
    ("GET", ACCOUNTS + "/operation/list", ACCOUNT),
    ("POST", ACCOUNTS + "/update", (*ACCOUNT, e.AlreadyDisconnected)),
    ("POST", ACCOUNTS + "/enable", (*ACCOUNT, e.AlreadyDisconnected, *CHECKED_KEY)),
    ("POST", ACCOUNTS + "/disable", (*ACCOUNT, e.AlreadyDisconnected)),
    ("POST", ACCOUNTS + "/disconnect", (*ACCOUNT, e.AlreadyDisconnected)),
    ("POST", CREDENTIALS + "/verify", CREDENTIAL),
    ("POST", CREDENTIALS + "/rotate", (*CREDENTIAL, e.CredentialRevoked, *CHECKED_KEY, e.AlreadyConnected)),
    ("POST", CREDENTIALS + "/revoke", (*CREDENTIAL, e.CredentialRevoked)),
    ("POST", WALLETS + "/create", (e.Forbidden,)),
    ("GET", "/api/v3/tradingAccount/portfolio/list", (e.TradingAccountNotFound, e.TradingAccountForbidden)),
    ("GET", WALLETS, WALLET),
    ("POST", WALLETS + "/freeze", (e.WalletNotFound, e.WalletClosed, e.WalletAlreadyFrozen)),
    ("POST", WALLETS + "/unfreeze", (e.WalletNotFound, e.WalletClosed, e.WalletNotFrozen)),
    ("POST", WALLETS + "/close", (e.WalletNotFound, e.WalletNotEmpty, *STOPPED)),
    ("POST", WALLETS + "/deposit", MOVING),
    ("POST", WALLETS + "/withdraw", MOVING),
    ("POST", WALLETS + "/transfer", MOVING),
    ("POST", WALLETS + "/transaction/reverse", MOVING),
    ("POST", "/accounts", (e.ForeignIdTaken,)),
    ("PATCH", "/accounts", (e.ForeignIdTaken, e.AccountDisconnected)),
    ("DELETE", "/accounts", (e.AccountDisconnected, e.AccountInUse)),
)


def refusals(method: str, path: str) -> Iterator[type[e.PurserError]]:
    """The errors of all rows that an operation is under."""
    for verb, beginning, errors in REFUSALS:
        if verb in (method, "*") and path.startswith(beginning):
            yield from errors
