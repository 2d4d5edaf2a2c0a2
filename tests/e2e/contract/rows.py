"""The table: what to ask for to be answered as the reference shows, one row for each of its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import requests

from tests.e2e.contract.stage import Stage

Ask = Callable[[Stage], requests.Response]


@dataclass(frozen=True)
class Row:
    """How an answer of an endpoint is provoked. ``exact``: a 200 has the printed values too, ids and times aside."""

    endpoint: str
    kind: str
    ask: Ask
    exact: bool

    @property
    def status(self) -> int:
        """The status to expect."""
        return int(self.kind.split()[0])


ROWS: list[Row] = []


def row(endpoint: str, kind: str, *, exact: bool = False) -> Callable[[Ask], Ask]:
    """Puts a function into the table: it asks for the answer of that kind (``examples.documented``)."""

    def put(ask: Ask) -> Ask:
        ROWS.append(Row(endpoint, kind, ask, exact))
        return ask

    return put
