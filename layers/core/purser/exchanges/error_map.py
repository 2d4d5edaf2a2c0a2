"""Translation of ccxt's exceptions into Purser's errors.

ccxt's classes are matched by name, so that this module need not import ccxt. The nearest listed ancestor decides.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
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
    # One request is refused (a symbol, a region, a cooling-off period), but the key is valid.
    "PermissionDenied": ExchangeBadRequest,
    "BadSymbol": ExchangeSymbolInvalid,
    "ExchangeError": ExchangeBadRequest,
    "RateLimitExceeded": ExchangeRateLimited,
    "DDoSProtection": ExchangeRateLimited,
    # Network, time-outs, maintenance, an unreadable answer, and InvalidNonce (a wrong clock, ours or theirs).
    "OperationFailed": ExchangeUnavailable,
}

DEAD_KEY_CODES = frozenset({"-1005", "-1022", "-2008", "-2014", "-2015", "-2017", "-4056", "-4057"})
"""Binance: IP not allowed, wrong signature, unknown, malformed, refused, locked, and two of a wrong type.

They precede ccxt's class, which is PermissionDenied for some, and DDoSProtection for -2015 after an earlier success.
"""

AMBIGUOUS_KEY_CODES = frozenset({"-1005", "-2015"})
"""Codes that may mean our IP address: -2015 is also sent while an address is banned for a few minutes or hours.

Source: https://github.com/ccxt/ccxt/issues/11045, https://github.com/JKorf/Binance.Net/issues/85.
"""

OUTAGE_CODES = frozenset({"-1004", "-1016", "-5028"})
"""Binance: busy, shutting down, and an order that reached the matching engine after its ``recvWindow``.

ccxt takes them for refusals of the request. Made again, it would be accepted.
Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code.
"""

BACK_OFF_STATUSES = frozenset({HTTPStatus.IM_A_TEAPOT, HTTPStatus.TOO_MANY_REQUESTS})
ADDRESS_LIMIT_CODES = frozenset({"-1003", None})
"""Codes of a 429 that limits the IP address. Others, such as -1015 (too many orders), limit one account."""

DEFAULT_RETRY_AFTER = 60.0
"""Seconds to wait after a 429 or 418 without ``Retry-After``: Binance counts per minute."""

_LONGEST_TEXT = 200
_MARKUP = re.compile(r"<[^>]*>?|>")
_SECRET = re.compile(r"[A-Za-z0-9+/_=-]{32,}")


def domain_error(failure: Exception) -> ExchangeError:
    """Return the error for an exception of ccxt. It has the venue's code and message.

    Raise it outside of the ``except`` block. Otherwise ccxt's exception becomes its context, with a signed URL.
    """
    transport = failure.__context__  # the exception of requests, for an error status or no answer
    answer = _answer(failure)
    code, text = _code_and_text(answer)
    status = getattr(answer, "status_code", None)
    if code in DEAD_KEY_CODES:
        return ExchangeAuthorizationFailed(venue_code=code, is_ambiguous=code in AMBIGUOUS_KEY_CODES)
    if status in BACK_OFF_STATUSES:
        return ExchangeRateLimited(retry_after=_retry_after(answer), venue_code=code)
    if code in OUTAGE_CODES or (status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR):
        return ExchangeUnavailable(venue_code=code)
    if transport is not None and code is None:
        return ExchangeUnavailable()  # no answer, or an answer of something in between
    return _by_class(failure, code, text)


@dataclass(frozen=True, slots=True)
class AddressRefusal:
    """The venue refuses our address for so many seconds: a warning (429), or a ban (418) that a request prolongs."""

    seconds: float
    is_ban: bool


def address_refusal(failure: Exception) -> AddressRefusal | None:
    """Return how an exception of ccxt refuses our IP address, or None.

    Request weight counts per address, orders count per account, and 418 bans the address.
    Source: https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits.
    """
    answer = _answer(failure)
    status = getattr(answer, "status_code", None)
    is_ban = status == HTTPStatus.IM_A_TEAPOT
    limited = status == HTTPStatus.TOO_MANY_REQUESTS and _code_and_text(answer)[0] in ADDRESS_LIMIT_CODES
    return AddressRefusal(_retry_after(answer), is_ban) if limited or is_ban else None


def _answer(failure: Exception) -> Any:
    return getattr(failure.__context__, "response", None)


def _by_class(failure: Exception, code: str | None, text: str) -> ExchangeError:
    kinds = (BY_CCXT_CLASS.get(cls.__name__) for cls in type(failure).__mro__)
    kind = next(filter(None, kinds), None)
    if kind is None:
        return ExchangeUnavailable(f"{ExchangeUnavailable.default}: unreadable answer ({type(failure).__name__})")
    if kind is ExchangeBadRequest and text:
        return ExchangeBadRequest(venue_code=code, detail=text)
    return kind(venue_code=code)


def _code_and_text(answer: Any) -> tuple[str | None, str]:
    """Return code and text of ``{"code": -1121, "msg": "Invalid symbol."}``, or ``(None, "")`` for another answer."""
    try:
        body = json.loads(answer.text)
        code, message = body["code"], body.get("msg", "")
    except (AttributeError, LookupError, TypeError, ValueError):
        return None, ""
    return str(code), _cleaned(str(message))


def _cleaned(message: str) -> str:
    """Return the venue's text without control characters, markup and anything as long as a key or signature."""
    text = "".join(character for character in _MARKUP.sub("", message) if character.isprintable())
    return _SECRET.sub("...", text)[:_LONGEST_TEXT].strip()


def _retry_after(answer: Any) -> float:
    header = str(answer.headers.get("Retry-After", ""))
    return float(header) if header.isdecimal() else DEFAULT_RETRY_AFTER
