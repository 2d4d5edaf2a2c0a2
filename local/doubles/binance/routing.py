"""The table of the exchange's endpoints: who may call them, what they weigh, what answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from local.doubles.binance.model import Account
from local.doubles.binance.wire import Params

if TYPE_CHECKING:
    from local.doubles.binance.exchange import PaperExchange


@dataclass(frozen=True)
class Request:
    """One HTTP request, as it came."""

    method: str
    path: str
    query: str
    body: str
    api_key: str
    ip: str


@dataclass
class Answer:
    """What goes back: a JSON value or ready bytes; `drop` closes the connection instead."""

    status: int
    body: Any
    headers: dict[str, str]
    drop: bool = False


NOBODY = Account(api_key="", created=0)
Endpoint = TypeVar("Endpoint", bound="Callable[[Call], Any]")
Weight = int | Callable[[Params], int]


@dataclass
class Call:
    """One request that was let in; on an endpoint that is not signed the account is nobody's."""

    exchange: PaperExchange
    params: Params
    now: int
    account: Account


@dataclass(frozen=True)
class Route:
    """One endpoint."""

    answer: Callable[[Call], Any]
    weight: Weight
    signed: bool
    budget: str

    def weigh(self, params: Params) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(params)


ROUTES: dict[tuple[str, str], Route] = {}


def endpoint(
    method: str, *paths: str, weight: Weight = 1, signed: bool = False, budget: str = ""
) -> Callable[[Endpoint], Endpoint]:
    """Registers a function as the answer of one or more endpoints; they use their API's budget or the one named."""

    def register(answer: Endpoint) -> Endpoint:
        for path in paths:
            ROUTES[method, path] = Route(answer, weight, signed, budget or ("futures" if is_futures(path) else "spot"))
        return answer

    return register


def one_or_all(one: int, every: int) -> Weight:
    """Weight of an endpoint that costs more without a symbol."""
    return lambda params: one if "symbol" in params else every


def is_futures(path: str) -> bool:
    return path.startswith("/fapi/")
