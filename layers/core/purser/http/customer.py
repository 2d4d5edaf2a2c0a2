"""The errors of the customer API (``/v1``): contract.md, "Errors of the customer API"."""

from __future__ import annotations

from purser import errors as e
from purser.http.app import Answer, App, retry_after
from purser.settings import settings

EXTERNAL_REFUSAL = 433

CODES: dict[type[e.PurserError], str] = {
    e.ExchangeAuthorizationFailed: "1103",
    e.StrategyTypeMismatch: "1106",
    e.AlreadyConnected: "1109",
    e.TradingAccountInactive: "1110",
    e.TradeTypeUnsupported: "1115",
    e.ExchangeRateLimited: "1129",
    e.WithdrawalsAllowed: "1130",
    e.ExchangeMismatch: "1206",
    e.ExchangeSymbolInvalid: "1300",
    e.SymbolMismatch: "1306",
    e.SymbolFollowed: "1309",
    e.ExchangeBadRequest: "1500",
    e.ExchangeUnavailable: "1503",
    e.PlanNotPublic: "2100",
    e.FeatureNotInPlan: "2103",
    e.KeyLimitExceeded: "2129a",
    e.BalanceLimitExceeded: "2129b",
    e.NoStripeSubscription: "3104",
    e.StripeSubscriptionExists: "3109",
    e.PaymentDeclined: "3110",
    e.PaymentRefused: "3110",
}

STATUSES: dict[type[e.PurserError], int] = {
    e.MalformedRequest: 400,
    e.Unauthorized: 401,
    e.Forbidden: 403,
    e.RouteNotFound: 404,
    e.NotFound: 404,
    e.RequestInFlight: 409,
    e.PayloadTooLarge: 413,
    e.TooManyRequests: 429,
    e.StoredDataRefused: 500,
    e.Unavailable: 503,
    e.PaymentUnavailable: 503,
    e.StripeCustomerUnknown: 503,
    e.Contended: 503,
}


def answer(error: e.PurserError) -> Answer:
    """Return the answer to an error."""
    kind = type(error)
    if isinstance(error, e.InvalidInput):
        return Answer(422, {"errors": [_field_error(field_error) for field_error in error.field_errors]})
    if kind is e.IdempotencyKeyReused:
        return Answer(422, {"errors": [_field_error(e.FieldError(("Idempotency-Key",), str(error), "headers"))]})
    if kind in CODES:
        return Answer(EXTERNAL_REFUSAL, _refusal(error, CODES[kind]), retry_after(error))
    if kind is e.NotFound:
        # An unknown or foreign id reads exactly as an unknown route (reference, "404").
        return Answer(404, {"message": e.RouteNotFound.default})
    if kind in STATUSES:
        return Answer(STATUSES[kind], {"message": str(error)})
    return Answer(500, {"message": "Internal Server Error"})


def _refusal(error: e.PurserError, code: str) -> dict[str, str]:
    detail = error.detail if isinstance(error, e.ExchangeError) else None
    return {"error": f"{error.default} ({code})"} | ({"detail": detail} if detail else {})


def _field_error(field_error: e.FieldError) -> dict[str, object]:
    param = ".".join(str(part) for part in field_error.path)
    return {"value": field_error.value, "msg": field_error.message, "param": param, "location": field_error.location}


def customer_app() -> App:
    """Return the resolver for a function of the customer API. With reCAPTCHA configured, it guards changes."""
    if not settings().recaptcha_secret_id:
        return App(answer)
    from purser.http.recaptcha import require_person

    return App(answer, guards=[require_person])
