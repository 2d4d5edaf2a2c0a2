"""The envelope and the errors of the desk API (``/api/v3``): contract.md, "Errors of the desk API"."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from purser import errors as e
from purser.http.app import Answer, App, retry_after
from purser.http.paging import page_token

T = TypeVar("T")

INTERNAL = -190500

REFUSALS: dict[type[e.PurserError], tuple[int, int]] = {
    e.MalformedRequest: (400, -190001),
    e.Unauthorized: (401, -190401),
    e.Forbidden: (403, -190403),
    e.RouteNotFound: (404, -190404),
    e.IdempotencyKeyReused: (400, -190409),
    e.RequestInFlight: (409, -190409),
    e.PayloadTooLarge: (413, -190413),
    e.TooManyRequests: (429, -190429),
    e.TradingAccountNotFound: (404, -120002),
    e.TradingAccountForbidden: (403, -120003),
    e.AlreadyDisconnected: (409, -120004),
    e.ExchangeAuthorizationFailed: (502, -120005),
    e.ExchangeBadRequest: (502, -120005),
    e.WithdrawalsAllowed: (502, -120005),
    e.ExchangeUnavailable: (503, -120005),
    e.ExchangeRateLimited: (429, -190429),
    e.AlreadyConnected: (409, -120006),
    e.KeyLimitExceeded: (403, -120007),
    e.BalanceLimitExceeded: (403, -120007),
    e.CredentialRevoked: (400, -130001),
    e.CredentialNotFound: (404, -130002),
    e.TooManyCredentials: (403, -130003),
    e.WalletRequestRefused: (400, -140001),
    e.WalletNotFound: (404, -140002),
    e.WalletForbidden: (403, -140003),
    e.InsufficientBalance: (400, -140004),
    e.WalletAlreadyFrozen: (400, -140005),
    e.WalletNotFrozen: (400, -140006),
    e.WalletNotEmpty: (400, -140007),
    e.WalletClosed: (400, -140008),
    e.WalletFrozen: (400, -140009),
    e.BalanceOutOfRange: (400, -140010),
    e.TooManyWallets: (403, -140011),
    e.StoredDataRefused: (500, INTERNAL),
    e.Unavailable: (503, INTERNAL),
    e.Contended: (503, INTERNAL),
}


class Envelope(BaseModel, Generic[T]):
    """The wrapping of every successful answer of the desk API."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    data: T
    success: Literal[True] = True
    errno: Literal[0] = 0
    error: None = None


class Pagination(BaseModel):
    """The place of a page in its list. ``total`` is null where counting would mean reading the whole list.

    ``offset`` and ``limit`` add up to the offset of the next page. So ``limit`` is less than was asked for where a page
    ended early, because its rows are large.
    """

    offset: int
    limit: int
    total: int | None
    cursor: str | None
    hasNext: bool


class Trouble(BaseModel):
    """The reason why one item of a list could not be read completely."""

    errno: int
    error: str


class ListEnvelope(Envelope[list[T]], Generic[T]):
    """The wrapping of a page of a list."""

    pagination: Pagination


def answer(error: e.PurserError, invalid: int = -190001) -> Answer:
    """Return the answer to an error. ``invalid`` is the errno for invalid fields."""
    if isinstance(error, e.InvalidInput):
        return refusal(400, invalid, _invalid(error))
    status, errno = REFUSALS.get(type(error), (500, INTERNAL))
    text = str(error) if type(error) in REFUSALS else "Internal Server Error"
    return Answer(status, refusal(status, errno, text).body, retry_after(error))


def refusal(status: int, errno: int, text: str) -> Answer:
    """Return an error in the envelope."""
    return Answer(status, {"data": None, "success": False, "errno": errno, "error": text})


def trouble(error: e.PurserError) -> Trouble:
    """Return an error as the trouble with one item of a list."""
    body = answer(error).body
    return Trouble(errno=body["errno"], error=body["error"])


def _invalid(error: e.InvalidInput) -> str:
    return "; ".join(
        f"{'.'.join(map(str, field_error.path)) or field_error.location} {field_error.message}"
        for field_error in error.field_errors
    )


def desk_app(invalid: int = -190001) -> App:
    """Return the resolver for a function of the desk API. ``invalid`` is its errno for invalid fields."""
    return App(partial(answer, invalid=invalid))


def page(
    rows: Sequence[T], listed: str, limit: int, position: str | None, *, offset: int = 0, total: int | None = None
) -> ListEnvelope[T]:
    """Return a page of the list ``listed`` (``purser.http.paging``), which continues after ``position``."""
    cursor = page_token(listed, position) if position else None
    limit = len(rows) if rows and cursor else limit
    pagination = Pagination(offset=offset, limit=limit, total=total, cursor=cursor, hasNext=cursor is not None)
    return ListEnvelope(data=list(rows), pagination=pagination)


def sliced(rows: Sequence[T], limit: int, offset: int) -> ListEnvelope[T]:
    """Return a page of a list that is in memory."""
    has_next = offset + limit < len(rows)
    pagination = Pagination(offset=offset, limit=limit, total=len(rows), cursor=None, hasNext=has_next)
    return ListEnvelope(data=list(rows[offset : offset + limit]), pagination=pagination)
