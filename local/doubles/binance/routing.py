"""The table of the exchange's endpoints: who may call them, their weight, and their handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from local.doubles.binance.model import Account
from local.doubles.binance.wire import Params
from local.doubles.binance.world import World

NOBODY = Account(api_key="", created=0)
Endpoint = TypeVar("Endpoint", bound="Callable[[Call], Any]")
Weight = int | Callable[[Params], int]


@dataclass
class Call:
    """A request that passed every check. Without a signature, it has no account."""

    exchange: World
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
    orders: Weight

    def weigh(self, params: Params) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(params)

    def count(self, params: Params) -> int:
        """Return how many orders the request places."""
        return self.orders if isinstance(self.orders, int) else self.orders(params)


class Router:
    """The endpoints of one file. ``table`` joins those of several."""

    def __init__(self) -> None:
        self.routes: dict[tuple[str, str], Route] = {}

    def endpoint(
        self,
        method: str,
        *paths: str,
        weight: Weight = 1,
        signed: bool = False,
        budget: str = "",
        orders: Weight = 0,
    ) -> Callable[[Endpoint], Endpoint]:
        """Register a function as the handler of one or more endpoints, with their API's budget or the named one.

        `orders` is the number of orders that the endpoint places.
        """

        def register(answer: Endpoint) -> Endpoint:
            for path in paths:
                spends = budget or ("futures" if is_futures(path) else "spot")
                self.routes[method, path] = Route(answer, weight, signed, spends, orders)
            return answer

        return register


def table(routers: Iterable[Router]) -> dict[tuple[str, str], Route]:
    """Return the endpoints of all routers by method and path."""
    return {key: route for router in routers for key, route in router.routes.items()}


def one_or_all(one: int, every: int) -> Weight:
    """Return the weight of an endpoint that costs more without a symbol."""
    return lambda params: one if "symbol" in params else every


def by_length(params: Params) -> int:
    """Return the weight of a list of futures candles, which grows with its length."""
    limit = params.integer("limit", 500)
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10


def is_futures(path: str) -> bool:
    return path.startswith("/fapi/")
