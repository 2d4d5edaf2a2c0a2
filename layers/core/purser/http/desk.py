"""How answers and errors look on the desk API (``/api/v3``): contract.md, "Errors of the desk API"."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from pydantic import BaseModel

from purser import errors as e
from purser.http.app import Answer, App, create_app

T = TypeVar("T")

REFUSALS: dict[type[e.PurserError], tuple[int, int]] = {
    e.MalformedRequest: (400, -190001),
    e.Unauthorized: (401, -190401),
    e.Forbidden: (403, -190403),
    e.RouteNotFound: (404, -190404),
    e.IdempotencyKeyReused: (400, -190409),
    e.RequestInFlight: (409, -190409),
    e.TooManyRequests: (429, -190429),
    e.Unavailable: (503, -190500),
    e.Contended: (503, -190500),
}


class Envelope(BaseModel, Generic[T]):
    """What every successful answer of the desk API is wrapped in."""

    data: T
    success: Literal[True] = True
    errno: Literal[0] = 0
    error: None = None


def answer(error: e.PurserError) -> Answer:
    """The answer to an error."""
    if isinstance(error, e.InvalidInput):
        return refusal(400, -190001, _invalid(error))
    status, errno = REFUSALS.get(type(error), (500, -190500))
    return refusal(status, errno, str(error) if status < 500 or status == 503 else "Internal Server Error")


def refusal(status: int, errno: int, text: str) -> Answer:
    """An error in the envelope."""
    return Answer(status, {"data": None, "success": False, "errno": errno, "error": text})


def _invalid(error: e.InvalidInput) -> str:
    return "; ".join(f"{'.'.join(map(str, fault.path)) or fault.location} {fault.message}" for fault in error.faults)


def desk_app() -> App:
    """The resolver of a function of the desk API."""
    return create_app(answer)
