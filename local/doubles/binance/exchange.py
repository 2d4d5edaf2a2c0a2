"""The paper exchange: its state, and the handling of a request."""

from __future__ import annotations

import copy
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from local.doubles.binance import futures_routes, market_routes, order_routes, spot_routes
from local.doubles.binance.client import PaperControl
from local.doubles.binance.faults import BODIES, DEFAULT_SLOW_MS, Fault
from local.doubles.binance.funding import FundingDesk
from local.doubles.binance.futures import FuturesDesk
from local.doubles.binance.keyring import Keyring, read_seed
from local.doubles.binance.limits import Limits
from local.doubles.binance.markets import all_assets
from local.doubles.binance.messages import Answer, Request
from local.doubles.binance.model import Account, Snapshot
from local.doubles.binance.paths import Paths
from local.doubles.binance.prices import PriceBoard, day_of
from local.doubles.binance.routing import NOBODY, Call, Route, is_futures, table
from local.doubles.binance.server import PaperServer
from local.doubles.binance.spot import SpotDesk
from local.doubles.binance.wire import Params, WireError
from local.doubles.kit.faults import DROPS, FaultBox
from local.doubles.kit.loopback import LOOPBACK
from local.doubles.kit.store import Store, encode_json

REQUESTS_KEPT = 10_000
WEIGHT_HEADERS = {
    "spot": "X-MBX-USED-WEIGHT-1M",
    "futures": "X-MBX-USED-WEIGHT-1M",
    "snapshots": "X-SAPI-USED-IP-WEIGHT-1M",
}
ROUTES = table(each.router for each in (market_routes, spot_routes, futures_routes, order_routes))


@dataclass(frozen=True)
class Served:
    """The address of an exchange, and its control client."""

    url: str
    control: PaperControl


def wall_clock() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class PaperExchange:
    """A double of Binance's spot and USDⓈ-M futures wire, with its state in a directory or in memory."""

    def __init__(self, directory: Path | str | None = None, clock: Callable[[], int] = wall_clock):
        """Open the state. Raises StateInUse if another process has it."""
        path = Path(directory) if directory else None
        if path:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.clock = clock
        self.lock = threading.RLock()
        self.store = Store(path)
        self.keyring = Keyring(read_seed(path))
        self.limits = Limits()
        self.faults: FaultBox[Fault] = FaultBox()
        self.latency_ms = 0
        self.requests: deque[dict[str, Any]] = deque(maxlen=REQUESTS_KEPT)
        self.accounts: dict[str, Account] = dict(self.store.load("account", Account))
        self.snapshots: dict[str, Snapshot] = dict(self.store.load("snapshot", Snapshot))
        self.assets = all_assets()
        spot, futures = SpotDesk.listed(), FuturesDesk.listed()
        self.prices = PriceBoard(self.store, [*spot.values(), *futures.values()], clock())
        self.spot = SpotDesk(self.store, spot, self.prices, self.accounts)
        self.futures = FuturesDesk(self.store, futures, self.prices, self.accounts)
        self.funding = FundingDesk(self.store, self.futures, self.prices, clock())
        self.paths = Paths(self.turn, self.move_price)
        self._today = dict(self.store.load("day", int)).get("today", day_of(clock()))
        self.store.put("day", "today", self._today)
        self.store.commit()

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[Served]:
        """Listen on a loopback port (0: a free one) while the block runs. Yield the base URL and a control client."""
        server = PaperServer((LOOPBACK, port), self)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            url = f"http://{LOOPBACK}:{server.server_address[1]}"
            yield Served(url, PaperControl(url))
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def __enter__(self) -> PaperExchange:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop price paths and release the state directory."""
        self.paths.stop()
        with self.lock:
            self.store.close()

    @contextmanager
    def turn(self) -> Iterator[int]:
        """Lock the state for one turn, and yield its time. Changes are stored at its end."""
        with self.lock:
            now = self.clock()
            self._catch_up(now)
            try:
                yield now
            finally:
                self.store.commit()

    def _catch_up(self, now: int) -> None:
        """Let all fundings and ends of days happen that are due, in their order."""
        while self.funding.next_time <= now:
            self._end_passed_days(self.funding.next_time)
            self.funding.settle_next()
        self._end_passed_days(now)

    def _end_passed_days(self, now: int) -> None:
        """Record closes and account snapshots of every UTC day that has ended since the last turn."""
        while self._today < day_of(now):
            self.prices.end_day(self._today)
            for account in self.accounts.values():
                self.keep_snapshot(account, self._today, Snapshot(self.spot.totals(account), dict(account.wallet)))
            self._today += 1
            self.store.put("day", "today", self._today)

    def keep_snapshot(self, account: Account, day: int, snapshot: Snapshot) -> None:
        """Store what an account held at the end of a day."""
        self.snapshots[f"{account.api_key}@{day}"] = snapshot
        self.store.put("snapshot", f"{account.api_key}@{day}", snapshot)

    def open_account(self, account: Account) -> str:
        """Add an account and return its key's secret."""
        self.accounts[account.api_key] = account
        self.store.put("account", account.api_key, account)
        return self.keyring.secret(account.api_key)

    def move_price(self, pair: str, price: Decimal, now: int) -> None:
        """Set the price of a pair, and let all its consequences happen."""
        self.prices.move(pair, price, now)
        self.spot.on_price(pair, now)
        self.futures.on_price(pair, now)

    def handle(self, request: Request) -> Answer:
        """Answer one request: faults, limits, identity, signature, then the endpoint."""
        pairs = parse_qsl(request.query, keep_blank_values=True) + parse_qsl(request.body, keep_blank_values=True)
        with self.lock:
            fault = self.faults.take(request.method, request.path, request.api_key)
            record = self._record(request, pairs, fault)
        self._wait(fault)
        if fault and fault.kind == "timeout_before":
            return Answer(0, None, {}, drop=True)
        refusal = fault.refusal(is_futures(request.path)) if fault else None
        answer = self._refuse(refusal, {}) if refusal else self._perform(request, pairs, fault, record)
        if fault and fault.hides_list and answer.status == HTTPStatus.OK:
            answer.body = []
        if fault and fault.late_refusal:
            answer = self._refuse(fault.late_refusal, {})
        record["status"] = answer.status
        if fault and fault.kind in BODIES:
            answer.body = fault.spoiled(encode_json(answer.body).encode())
        answer.drop = fault is not None and fault.kind in DROPS
        return answer

    def _wait(self, fault: Fault | None) -> None:
        """Wait for latency and fault, without the lock on the state."""
        slow = DEFAULT_SLOW_MS if fault and fault.kind == "slow" else 0
        delay = self.latency_ms + ((fault.delay_ms or slow) if fault else 0)
        if delay:
            time.sleep(delay / 1000)

    def _record(self, request: Request, pairs: list[tuple[str, str]], fault: Fault | None) -> dict[str, Any]:
        """Record a request. Its status follows when it is answered."""
        entry: dict[str, Any] = {
            "method": request.method,
            "path": request.path,
            "params": {name: value for name, value in pairs if name != "signature"},
            "apiKey": request.api_key or None,
            "ip": request.ip,
            "weight": 0,
            "time": self.clock(),
            "status": None,
            "fault": fault.kind if fault else None,
        }
        self.requests.append(entry)
        return entry

    def _perform(
        self, request: Request, pairs: list[tuple[str, str]], fault: Fault | None, record: dict[str, Any]
    ) -> Answer:
        headers: dict[str, str] = {}
        past = fault.past if fault else None
        try:
            with self.turn() as now:
                route = _route(request)
                record["weight"] = self._spend(route, request, pairs, now, headers)
                return Answer(200, self._answer(route, request, pairs, now, headers, past), headers)
        except WireError as error:
            return self._refuse(error, headers)
        except Exception as error:
            print(f"paper exchange: {request.method} {request.path}: {error!r}", file=sys.stderr, flush=True)
            return self._refuse(WireError(-1000, status=500), headers)

    def _spend(
        self, route: Route, request: Request, pairs: list[tuple[str, str]], now: int, headers: dict[str, str]
    ) -> int:
        """Count the weight of a request, and return it. Raises the refusal of an address beyond its limit."""
        weight = route.weigh(Params(dict(pairs)))
        used, refusal = self.limits.spend(request.ip, route.budget, weight, now)
        if header := WEIGHT_HEADERS.get(route.budget):
            headers[header] = str(used)
        if refusal:
            raise refusal
        return weight

    def _answer(
        self,
        route: Route,
        request: Request,
        pairs: list[tuple[str, str]],
        now: int,
        headers: dict[str, str],
        past: FuturesDesk | None,
    ) -> Any:
        """Check identity and signature, then orders' limits, and run the endpoint, perhaps on the past."""
        params, futures = Params(dict(pairs)), is_futures(request.path)
        if len(params.values) != len(pairs):
            raise WireError(-1101, "Duplicate values for a parameter detected.")
        account = NOBODY
        if route.signed:
            self.limits.check_disguised(now)
            account = self.keyring.authenticate(self.accounts, request.api_key, request.ip, futures)
            if account.read_only and request.method != "GET":
                raise WireError(-2015)
            self.keyring.verify(account.api_key, request.query, request.body, params, now)
        if orders := route.count(params):
            counts = self.limits.count_orders(account.api_key, route.budget, orders, now)
            headers.update({f"X-MBX-ORDER-COUNT-{name}": str(count) for name, count in counts.items()})
        if past is not None:
            return route.answer(Call(self._as_in(past), params, now, past.accounts[account.api_key]))
        return route.answer(Call(self, params, now, account))

    def _as_in(self, past: FuturesDesk) -> PaperExchange:
        """Return the exchange with its futures as they were."""
        world = copy.copy(self)
        world.futures = past
        return world

    def _refuse(self, error: WireError, headers: dict[str, str]) -> Answer:
        if error.retry_after is not None:
            headers["Retry-After"] = str(error.retry_after)
        return Answer(error.status, error.body(), headers)


def _route(request: Request) -> Route:
    """Return the endpoint of a request. Raises -5000 if there is none."""
    route = ROUTES.get((request.method, request.path))
    if route is None:
        raise WireError(-5000, f"Path {request.path}, Method {request.method} is invalid", status=404)
    return route
