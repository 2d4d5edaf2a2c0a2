"""The answer of each API to each error."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from purser import errors as e
from purser.http import accounts, customer, desk
from purser.http.app import Answer


def every(kind: type[e.PurserError] = e.PurserError) -> list[type[e.PurserError]]:
    """Return all error types below this one, with itself."""
    return [kind, *(below for child in kind.__subclasses__() for below in every(child))]


def one(kind: type[e.PurserError]) -> e.PurserError:
    if kind is e.InvalidInput:
        return e.InvalidInput([e.FieldError(("name",), "must be string", "body", 5)])
    return kind(retry_after=1) if kind is e.Unfinished else kind()


CODES = [
    (e.ExchangeAuthorizationFailed, "exchange API authorization failed (1103)"),
    (e.StrategyTypeMismatch, "exchange API key type is invalid (1106)"),
    (e.AlreadyConnected, "exchange API key already exist (1109)"),
    (e.TradingAccountInactive, "exchange API key is inactive (1110)"),
    (e.TradeTypeUnsupported, "exchange API key type is unsupported (1115)"),
    (e.ExchangeRateLimited, "exchange rate limit, try again later (1129)"),
    (e.WithdrawalsAllowed, "exchange API key must not allow withdrawals (1130)"),
    (e.ExchangeSymbolInvalid, "invalid exchange symbol (1300)"),
    (e.ExchangeBadRequest, "exchange bad request (1500)"),
    (e.ExchangeUnavailable, "exchange is unavailable (1503)"),
    (e.PlanNotPublic, "invalid subscription type (2100)"),
    (e.FeatureNotInPlan, "unauthorized subscription features (2103)"),
    (e.KeyLimitExceeded, "exceed subscription max API key limit (2129a)"),
    (e.BalanceLimitExceeded, "exceed subscription max API balance limit (2129b)"),
    (e.NoStripeSubscription, "active stripe subscription does not exist (3104)"),
    (e.StripeSubscriptionExists, "active stripe subscription already exist (3109)"),
    (e.PaymentDeclined, "payment is declined (3110)"),
]


@pytest.mark.parametrize(("kind", "text"), CODES)
def test_refusals_of_the_customer_api_have_their_code(kind: type[e.PurserError], text: str) -> None:
    answer = customer.answer(kind("something of our own"))
    assert (answer.status, answer.body) == (433, {"error": text})


def test_a_rate_limit_has_a_retry_after_header() -> None:
    for seconds, answer in ((12.4, "12"), (0.0, "1"), (60, "60")):
        assert customer.answer(e.ExchangeRateLimited(retry_after=seconds)).headers == {"Retry-After": answer}


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (e.MalformedRequest("malformed JSON"), 400, {"message": "malformed JSON"}),
        (e.PayloadTooLarge(), 413, {"message": "Payload Too Large"}),
        (e.Unauthorized(), 401, {"message": "Unauthorized"}),
        (e.Forbidden(), 403, {"message": "Forbidden"}),
        (e.RouteNotFound(), 404, {"message": "route not found"}),
        (e.NotFound("trading account not found"), 404, {"message": "route not found"}),
        (e.RequestInFlight(), 409, {"message": e.RequestInFlight.default}),
        (e.TooManyRequests(), 429, {"message": "Too Many Requests"}),
        (e.StoredDataRefused(), 500, {"message": e.StoredDataRefused.default}),
        (e.Unavailable(), 503, {"message": e.Unavailable.default}),
        (e.Contended(), 503, {"message": e.Unavailable.default}),
        (e.PurserError("of our own"), 500, {"message": "Internal Server Error"}),
        (
            e.IdempotencyKeyReused(),
            422,
            {
                "errors": [
                    {
                        "value": None,
                        "msg": "was used with another request",
                        "param": "Idempotency-Key",
                        "location": "headers",
                    }
                ]
            },
        ),
    ],
)
def test_other_errors_of_the_customer_api_have_their_status(error: e.PurserError, status: int, body: Any) -> None:
    assert customer.answer(error) == Answer(status, body)


def test_each_api_reports_all_field_errors_at_once() -> None:
    field_errors = [
        e.FieldError(("symbol",), "must be valid exchange symbol", "query", "BTCUSDT"),
        e.FieldError(("takeProfits", 1, "price"), "must be number", "body", Decimal("1.5")),
        e.FieldError(("id",), "must be UUID", "params", "x"),
    ]
    assert customer.answer(e.InvalidInput(field_errors)).body == {
        "errors": [
            {"value": "BTCUSDT", "msg": "must be valid exchange symbol", "param": "symbol", "location": "query"},
            {"value": Decimal("1.5"), "msg": "must be number", "param": "takeProfits.1.price", "location": "body"},
            {"value": "x", "msg": "must be UUID", "param": "id", "location": "params"},
        ]
    }
    assert desk.answer(e.InvalidInput(field_errors)).body == {
        "data": None,
        "success": False,
        "errno": -190001,
        "error": "symbol must be valid exchange symbol; takeProfits.1.price must be number; id must be UUID",
    }
    assert accounts.answer(e.InvalidInput(field_errors)).body == {
        "symbol": "must be valid exchange symbol",
        "takeProfits": {"1": {"price": "must be number"}},
        "id": "must be UUID",
    }


@pytest.mark.parametrize(
    ("error", "status", "errno"),
    [
        (e.MalformedRequest(), 400, -190001),
        (e.PayloadTooLarge(), 413, -190413),
        (e.Unauthorized(), 401, -190401),
        (e.Forbidden(), 403, -190403),
        (e.RouteNotFound(), 404, -190404),
        (e.IdempotencyKeyReused(), 400, -190409),
        (e.RequestInFlight(), 409, -190409),
        (e.TooManyRequests(), 429, -190429),
        (e.StoredDataRefused(), 500, -190500),
        (e.Unavailable(), 503, -190500),
        (e.Contended(), 503, -190500),
    ],
)
def test_errors_of_the_desk_api_have_their_errno(error: e.PurserError, status: int, errno: int) -> None:
    body = {"data": None, "success": False, "errno": errno, "error": str(error)}
    assert desk.answer(error) == Answer(status, body)


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (e.MalformedRequest("malformed JSON"), 400, {"error": "malformed JSON"}),
        (e.PayloadTooLarge(), 413, None),
        (e.IdempotencyKeyReused(), 409, {"error": "was used with another request"}),
        (e.RequestInFlight(), 409, {"error": e.RequestInFlight.default}),
        (e.Unauthorized(), 401, None),
        (e.Forbidden(), 403, None),
        (e.NotFound(), 404, None),
        (e.RouteNotFound(), 404, None),
        (e.TooManyRequests(), 429, None),
        (e.PurserError(), 500, None),
    ],
)
def test_errors_of_the_accounts_api_have_their_status(error: e.PurserError, status: int, body: Any) -> None:
    assert accounts.answer(error) == Answer(status, body)


@pytest.mark.parametrize("kind", every(), ids=lambda kind: kind.__name__)
def test_every_error_has_an_answer_on_every_api(kind: type[e.PurserError]) -> None:
    error = one(kind)
    for answer in (customer.answer(error), desk.answer(error), accounts.answer(error)):
        assert 400 <= answer.status < 600
    answered = customer.answer(error)
    assert set(answered.body) <= {"message"} or set(answered.body) <= {"error"} or set(answered.body) <= {"errors"}
    answered = desk.answer(error)
    assert (answered.body["data"], answered.body["success"]) == (None, False)
    assert answered.body["errno"] < 0
    assert answered.body["error"]


def test_internal_errors_reveal_nothing() -> None:
    inside = e.PurserError("table Keys is gone")
    assert "Keys" not in str(customer.answer(inside).body)
    assert "Keys" not in str(desk.answer(inside).body)
