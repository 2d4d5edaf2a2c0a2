"""A paper exchange in this process on a virtual clock, with the order desk that production uses.

ccxt signs and sends as ever. Only the transport is replaced, so that a call takes a third of a millisecond. With
``DirectDesk`` a call takes no time on the clock. With ``DeskInProcess`` it does, and it may be delayed.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable
from http import HTTPStatus
from itertools import count
from typing import Any
from urllib.parse import urlencode

import requests
from requests.adapters import BaseAdapter

from local.doubles.binance import ControlRefused, PaperControl, PaperExchange
from local.doubles.binance.control import control
from local.doubles.binance.messages import Answer, Request
from local.doubles.kit.store import encode_json
from purser.bootstrap.exchanges import ORDER_PATIENCE_S
from purser.exchanges.cache import BriefCache
from purser.exchanges.ccxt_gateway import TICKER_LIFETIME, VENUE_WEIGHT_PER_MINUTE, Pacers
from purser.exchanges.model import TradeType
from purser.exchanges.pacing import WeightPacer
from purser.lanes import DIRECT
from tests.support.budget import own_budget
from tests.support.fakes import FakeClock
from tests.support.intents import CutDesk
from tests.support.paper import NO_LIMIT

LATENCY_MS = 50
HOST = "https://fapi.binance.com"


class VirtualTime(FakeClock):
    """A clock on which things can be put down for later. They happen while the time passes."""

    def __init__(self) -> None:
        super().__init__()
        self._later: list[tuple[int, int, Callable[[], object]]] = []
        self._numbers = count()

    def at(self, when: int, what: Callable[[], object]) -> None:
        heapq.heappush(self._later, (when, next(self._numbers), what))

    def forget(self) -> None:
        """Leave out what has not happened yet."""
        self._later.clear()

    def advance(self, milliseconds: int) -> None:
        until = self.now + milliseconds
        while self._later and self._later[0][0] <= until:
            when, _, what = heapq.heappop(self._later)
            self.now = max(self.now, when)
            what()
        self.now = max(self.now, until)

    def sleep(self, seconds: float) -> None:
        self.advance(round(seconds * 1000))


class Wire(BaseAdapter):
    """Takes the requests of ccxt to a paper exchange, or loses them.

    ``perform`` makes a request at the exchange. A request that is ``delayed`` is given up by its caller, and arrives
    so many milliseconds after it was sent.
    """

    def __init__(self, clock: VirtualTime) -> None:
        super().__init__()
        self._clock = clock
        self.perform: Callable[[Request, bool], Answer] = lambda _, late: Answer(503, {}, {})
        self.delay: Callable[[Request], int] = lambda _: 0

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        call = _call(request)
        delay = self.delay(call)
        if delay:
            self._clock.at(self._clock.now + delay, lambda: self.perform(call, True))
            self._time_out()
        self._clock.advance(LATENCY_MS)
        answer = self.perform(call, False)
        if answer.drop:
            self._time_out()
        return _response(request, answer)

    def _time_out(self) -> None:
        self._clock.sleep(ORDER_PATIENCE_S)
        raise requests.ReadTimeout

    def close(self) -> None:
        pass


def _call(request: requests.PreparedRequest) -> Request:
    path, _mark, query = (request.path_url or "").partition("?")
    body = request.body.decode() if isinstance(request.body, bytes) else str(request.body or "")
    key = str(request.headers.get("X-MBX-APIKEY", ""))
    return Request(request.method or "", path, query, body, key, "127.0.0.1")


def _response(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    response = requests.Response()
    content = answer.body if isinstance(answer.body, bytes) else encode_json(answer.body).encode()
    response.status_code, response._content = answer.status, content
    response.headers.update(answer.headers)
    response.url, response.request = request.url or "", request
    return response


class DeskInProcess(CutDesk):
    """An order desk at a paper exchange in this process. Its lists of markets are read once."""

    def __init__(self) -> None:
        self.clock = VirtualTime()
        self.wire = Wire(self.clock)
        super().__init__(budget=own_budget(self.clock))
        self.forget()

    def forget(self) -> None:
        """Forget prices and the use of limits, as a new process does."""

        def seconds() -> float:
            return self.clock() / 1000

        self._tickers = BriefCache(TICKER_LIFETIME, seconds)
        limits = VENUE_WEIGHT_PER_MINUTE.items()
        pacers: Pacers = {kind: WeightPacer(limit, seconds, self.clock.sleep) for kind, limit in limits}
        self._pacers = {DIRECT: pacers}
        self._budgets = {DIRECT: own_budget(self.clock, {kind.value: limit for kind, limit in limits})}

    def _loaded(self) -> Any:
        return _mounted(super()._loaded(), self.wire, self.clock)


def _mounted(client: Any, wire: BaseAdapter, clock: FakeClock) -> Any:
    """Return a client of ccxt that sends over this wire, by this clock."""
    if HOST not in client.session.adapters:
        client.session.mount(HOST, wire)
        client.milliseconds = clock
    return client


class DirectDesk(CutDesk):
    """An order desk at a paper exchange in this process that answers at once and has no limits."""

    def __init__(self, exchange: PaperExchange, clock: FakeClock) -> None:
        def seconds() -> float:
            return clock() / 1000

        exchange.limits.configure({"futures": NO_LIMIT})
        pacers: Pacers = {kind: WeightPacer(NO_LIMIT, seconds, lambda _: None) for kind in TradeType}
        super().__init__(budget=own_budget(clock), pacers=lambda _: pacers)
        self._tickers = BriefCache(TICKER_LIFETIME, seconds)
        self._wire, self._clock = DirectWire(exchange), clock

    def _loaded(self) -> Any:
        return _mounted(super()._loaded(), self._wire, self._clock)


class DirectWire(BaseAdapter):
    """Takes the requests of ccxt to a paper exchange, which answers at once or drops the connection."""

    def __init__(self, exchange: PaperExchange) -> None:
        super().__init__()
        self._exchange = exchange

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        answer = self._exchange.handle(_call(request))
        if answer.drop:
            raise requests.ConnectionError
        return _response(request, answer)

    def close(self) -> None:
        pass


class ControlInProcess(PaperControl):
    """The control API of a paper exchange in this process."""

    def __init__(self, exchange: PaperExchange) -> None:
        super().__init__("")
        self._exchange = exchange

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, **query: str) -> Any:
        text = "" if body is None else json.dumps(body, default=str)
        answer = control(self._exchange, method, path, urlencode(query), text)
        found = json.loads(encode_json(answer.body))
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise ControlRefused(answer.status, found["field"], found["error"])
        return found


def new_exchange(desk: DeskInProcess) -> PaperExchange:
    """Return a new exchange for a desk, with no orders, on its clock."""
    desk.forget()
    desk.clock.forget()
    return PaperExchange(clock=desk.clock)
