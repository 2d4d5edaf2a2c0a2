"""The Stripe double in this process on a virtual clock, with the gateway that production uses.

Stripe's library sends and reads as ever. Only the transport is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import requests
from requests.structures import CaseInsensitiveDict
from stripe import _http_client

from local.doubles.kit.store import encode_json
from local.doubles.stripe import account
from local.doubles.stripe.messages import Answer, Request
from purser import retrying
from purser.billing import stripe_gateway
from purser.billing.model import Prices
from purser.billing.stripe_gateway import PATIENCE_S, StripeGateway
from tests.support.fakes import FakeClock

HOST = "http://stripe.double"


@dataclass(frozen=True)
class Response:
    """The part of a response that Stripe's library reads."""

    status_code: int
    content: bytes
    headers: Mapping[str, str]


class Session:
    """Takes the requests of Stripe's library to ``perform``, or loses their answers."""

    def __init__(self, clock: FakeClock, perform: Callable[[Request], Answer]) -> None:
        self._clock, self._perform = clock, perform

    def request(self, method: str, url: str, headers: Mapping[str, str], data: str | None, **_: Any) -> Response:
        path, _mark, query = url.removeprefix(HOST).partition("?")
        named = {name.lower(): str(value) for name, value in headers.items()}
        answer = self._perform(Request(method.upper(), path, query, data or "", named))
        if answer.drop:
            self._clock.advance(round(PATIENCE_S * 1000))
            raise requests.ReadTimeout
        return Response(answer.status, encode_json(answer.body).encode(), CaseInsensitiveDict(answer.headers))


def gateway_in_process(
    api_key: str, prices: Prices, clock: FakeClock, perform: Callable[[Request], Answer]
) -> StripeGateway:
    """Return a gateway whose requests are performed in this process."""
    secret = f'{{"apiKey": "{api_key}"}}'
    gateway = StripeGateway(lambda: secret, HOST, prices, "https://paid", "https://not-paid")
    session: Any = Session(clock, perform)
    gateway._session = session
    return gateway


@contextmanager
def virtual(clock: FakeClock) -> Iterator[None]:
    """Let retries and time limits be on a clock, and ids of Stripe be the same each time."""

    def seconds() -> float:
        return clock() / 1000

    def sleep(seconds: float) -> None:
        clock.advance(round(seconds * 1000))

    with (
        patch.object(_http_client, "time", SimpleNamespace(time=seconds, sleep=sleep)),
        patch.object(stripe_gateway, "time", SimpleNamespace(monotonic=seconds)),
        patch.object(retrying, "backoff", lambda attempt: clock.advance(20 << attempt)),
        patch.object(account, "secrets", Random(0)),
    ):
        yield
