"""How a venue's failures, as ccxt tells them, become Purser's errors.

ccxt's classes are known by name only, so that importing this costs nothing; the nearest ancestor listed decides.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from purser.errors import (
    ExchangeAuthorizationFailed,
    ExchangeBadRequest,
    ExchangeError,
    ExchangeRateLimited,
    ExchangeSymbolInvalid,
    ExchangeUnavailable,
)

BY_CCXT_CLASS: dict[str, type[ExchangeError]] = {
    "AuthenticationError": ExchangeAuthorizationFailed,
    # A single act is refused (a symbol, a region, a cooling-off period): the key itself is fine.
    "PermissionDenied": ExchangeBadRequest,
    "BadSymbol": ExchangeSymbolInvalid,
    "ExchangeError": ExchangeBadRequest,
    "RateLimitExceeded": ExchangeRateLimited,
    "DDoSProtection": ExchangeRateLimited,
    # Network, time-outs, maintenance, an unreadable answer, and InvalidNonce: a clock that is off, ours or theirs.
    "OperationFailed": ExchangeUnavailable,
}

DEAD_KEY_CODES = frozenset({"-1005", "-1022", "-2008", "-2014", "-2015", "-2017", "-4056", "-4057"})
"""Binance: IP not allowed, wrong signature, unknown, malformed, refused, locked, and two of a wrong type.

They decide before ccxt's class, which for -2015 is DDoSProtection once the same client has been accepted,
and for some is PermissionDenied.
"""

BACK_OFF_STATUSES = frozenset({HTTPStatus.IM_A_TEAPOT, HTTPStatus.TOO_MANY_REQUESTS})
ADDRESS_LIMIT_CODES = frozenset({"-1003", None})
"""Of a 429. Others, such as -1015 (too many orders), are limits of one account."""

DEFAULT_RETRY_AFTER = 60.0
"""Seconds to wait after 429 or 418 without a ``Retry-After``: Binance counts by the minute."""

_LONGEST_TEXT = 200


def domain_error(failure: Exception) -> ExchangeError:
    """The error to raise for an exception of ccxt.

    It carries the venue's code and message but nothing of the request, whose URL holds a signature: raise it
    outside of the ``except`` block, or the vendor's exception goes along as its context.
    """
    transport = failure.__context__  # requests' exception, when the venue answered with a status or not at all
    answer = _answer(failure)
    code, text = _code_and_text(answer)
    status = getattr(answer, "status_code", None)
    if code in DEAD_KEY_CODES:
        return ExchangeAuthorizationFailed(venue_code=code)
    if status in BACK_OFF_STATUSES:
        return ExchangeRateLimited(retry_after=_retry_after(answer), venue_code=code)
    if status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ExchangeUnavailable(venue_code=code)
    if transport is not None and code is None:
        return ExchangeUnavailable()  # something between us and the venue has answered, or nothing has
    return _by_class(failure, code, text)


def address_pause(failure: Exception) -> float:
    """For how many seconds nobody may ask from our address, after an exception of ccxt; mostly 0.

    Source: Binance's "Limits" (https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits): request
    weight counts by address, orders count by account, and 418 is a ban of the address.
    """
    answer = _answer(failure)
    status = getattr(answer, "status_code", None)
    limited = status == HTTPStatus.TOO_MANY_REQUESTS and _code_and_text(answer)[0] in ADDRESS_LIMIT_CODES
    return _retry_after(answer) if limited or status == HTTPStatus.IM_A_TEAPOT else 0.0


def _answer(failure: Exception) -> Any:
    return getattr(failure.__context__, "response", None)


def _by_class(failure: Exception, code: str | None, text: str) -> ExchangeError:
    kinds = (BY_CCXT_CLASS.get(cls.__name__) for cls in type(failure).__mro__)
    kind = next(filter(None, kinds), None)
    if kind is None:
        return ExchangeUnavailable(f"{ExchangeUnavailable.default}: unreadable answer ({type(failure).__name__})")
    if kind is ExchangeBadRequest and text:
        return ExchangeBadRequest(f"{ExchangeBadRequest.default}: {text}", venue_code=code)
    return kind(venue_code=code)


def _code_and_text(answer: Any) -> tuple[str | None, str]:
    """The code and the text of ``{"code": -1121, "msg": "Invalid symbol."}``; (None, "") for any other answer."""
    try:
        body = json.loads(answer.text)
        code, message = body["code"], body.get("msg", "")
    except (AttributeError, LookupError, TypeError, ValueError):
        return None, ""
    text = "".join(character for character in str(message) if character.isprintable())
    return str(code), text[:_LONGEST_TEXT]


def _retry_after(answer: Any) -> float:
    header = str(answer.headers.get("Retry-After", ""))
    return float(header) if header.isdecimal() else DEFAULT_RETRY_AFTER
