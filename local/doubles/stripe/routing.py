"""The table of the endpoints, and the arguments of their handlers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.shapes import listed
from local.doubles.stripe.wire import Params, StripeError, accepted, bracketed, flat, missing

PAGING = "limit starting_after ending_before"
CREATED = "created created.gt created.gte created.lt created.lte"


@dataclass
class Call:
    """A request that passed every check."""

    account: Account
    params: Params
    path: str
    id: str

    def page(self, objects: Iterable[Object]) -> Object:
        """Return the requested page, newest first. ``objects`` come oldest first."""
        newest = list(objects)[::-1]
        size = self.params.integer("limit", 10, 1) or 10
        if size > 100:
            raise StripeError("This value must be less than or equal to 100.", param="limit")
        ids = [each["id"] for each in newest]
        after, before = self.params.text("starting_after"), self.params.text("ending_before")
        if after and before:
            raise StripeError("You can only provide one of starting_after and ending_before.", param="ending_before")
        if before:
            end = self._place(ids, before)
            return listed(newest[max(0, end - size) : end], self.path, end > size)
        start = self._place(ids, after) + 1 if after else 0
        return listed(newest[start : start + size], self.path, start + size < len(newest))

    def of_customer(self, objects: Iterable[Object]) -> list[Object]:
        """The objects of the customer that is asked for, if one is.

        An unknown customer is refused with ``resource_missing``. For a deleted one, the account's settings decide
        (``deletedCustomers``), because public reports have both an answer and a refusal.
        """
        id = self.params.text("customer")
        if id is not None:
            refused = self.account.settings["deletedCustomers"] == "refused"
            customer = self.account.find(id, "customer")
            if customer is None or (refused and customer.get("_deleted")):
                raise missing("customer", id, "customer")
        return self.matching(objects, "customer")

    def _place(self, ids: list[str], id: str) -> int:
        if id not in ids:
            raise missing("object", id, "starting_after")
        return ids.index(id)

    def created(self, objects: Iterable[Object]) -> list[Object]:
        """Return the objects whose creation time passes the filter."""
        asked, tests = self.params, []
        if asked.is_group("created"):
            group = asked.group("created")
            tests = [(TESTS[name], group.integer(name)) for name in TESTS if name in group]
        elif "created" in asked:
            tests = [(TESTS["eq"], asked.integer("created"))]
        return [each for each in objects if all(test(each["created"], bound) for test, bound in tests)]

    def matching(self, objects: Iterable[Object], *names: str) -> list[Object]:
        """Return the objects whose fields equal the filters of these names."""
        asked = {name: self.params.text(name) for name in names if name in self.params}
        return [each for each in objects if all(each[name] == value for name, value in asked.items())]


TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
    "eq": lambda value, bound: value == bound,
}
Answering = TypeVar("Answering", bound=Callable[[Call], Object])


@dataclass(frozen=True)
class Route:
    """One endpoint."""

    method: str
    pattern: re.Pattern[str]
    accepts: frozenset[str]
    answer: Callable[[Call], Object]

    def check(self, tree: Object) -> None:
        """Refuse a parameter that the endpoint does not have."""
        for path in flat(tree):
            if path[0] != "expand" and not accepted(path, self.accepts):
                name = bracketed(path)
                raise StripeError(f"Received unknown parameter: {name}", "parameter_unknown", name)


class Router:
    """The endpoints of one file."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def endpoint(self, method: str, path: str, accepts: str = "") -> Callable[[Answering], Answering]:
        """Register the handler of an endpoint. ``accepts`` names its parameters: ``items.*.price metadata``."""

        def register(answer: Answering) -> Answering:
            pattern = re.compile(path.replace("{id}", r"(?P<id>[^/]+)"))
            self.routes.append(Route(method, pattern, frozenset(accepts.split()), answer))
            return answer

        return register


def find(routes: Iterable[Route], method: str, path: str) -> tuple[Route, str]:
    """Return the endpoint of a request, and the id in its path.

    Raises:
        StripeError: there is none.
    """
    for route in routes:
        matched = route.pattern.fullmatch(path)
        if matched and route.method == method:
            return route, matched.groupdict().get("id", "")
    raise StripeError(f"Unrecognized request URL ({method}: {path}).", status=404)
