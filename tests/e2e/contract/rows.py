"""The table of documented answers: one row for each, with the request that provokes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import requests

from tests.e2e.contract.stage import Stage

Ask = Callable[[Stage], requests.Response]


@dataclass(frozen=True)
class Row:
    """A documented answer and its request. With ``exact``, a 200 has the printed values, except ids and times."""

    endpoint: str
    kind: str
    ask: Ask
    exact: bool

    @property
    def status(self) -> int:
        """Return the expected status."""
        return int(self.kind.split()[0])


ROWS: list[Row] = []


def row(endpoint: str, kind: str, *, exact: bool = False) -> Callable[[Ask], Ask]:
    """Add a function to the table that requests the answer of a kind (see ``examples.documented``)."""

    def put(ask: Ask) -> Ask:
        ROWS.append(Row(endpoint, kind, ask, exact))
        return ask

    return put
