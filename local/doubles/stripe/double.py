"""The double of Stripe: its state, and the handling of a request."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.doubles.kit.faults import DROPS, FaultBox
from local.doubles.kit.loopback import LOOPBACK
from local.doubles.kit.store import Store
from local.doubles.stripe import (
    catalog_routes,
    checkout_routes,
    coupon_routes,
    customer_routes,
    dues,
    event_routes,
    invoice_routes,
    routing,
    shapes,
    subscription_routes,
)
from local.doubles.stripe.account import Account, Object, new_id, public
from local.doubles.stripe.client import StripeControl
from local.doubles.stripe.expanding import expanded
from local.doubles.stripe.faults import Fault
from local.doubles.stripe.idempotency import Answers, fingerprint
from local.doubles.stripe.keys import Keys, keys_of
from local.doubles.stripe.messages import Answer, Request
from local.doubles.stripe.server import StripeServer
from local.doubles.stripe.webhooks import Webhooks
from local.doubles.stripe.wire import API_VERSION, Params, StripeError, parse_form

REQUESTS_KEPT = 10_000
OWN_ENDPOINT = "we_purser"
ROUTERS = (
    catalog_routes.router,
    checkout_routes.router,
    coupon_routes.router,
    customer_routes.router,
    event_routes.router,
    invoice_routes.router,
    subscription_routes.router,
)
ROUTES = tuple(route for router in ROUTERS for route in router.routes)


@dataclass(frozen=True)
class Served:
    """The address of a double, and its control client."""

    url: str
    keys: Keys
    control: StripeControl


class StripeDouble:
    """A double of the parts of Stripe that sell subscriptions, with its state in a directory or in memory."""

    def __init__(self, directory: Path | str | None = None, clock: Callable[[], float] = time.time):
        """Open the state. ``clock`` gives Unix seconds. Raises StateInUse if another process has it."""
        path = Path(directory) if directory else None
        self._clock = clock
        self.keys = keys_of(path)
        self.lock = threading.RLock()
        self._listening, self._closing = threading.Lock(), threading.Event()
        self._store = Store(path)
        self._ahead = dict(self._store.load("clock", int)).get("ahead", 0)
        self.account = Account(self._store)
        self.answers = Answers(self._store)
        self.faults: FaultBox[Fault] = FaultBox()
        self.requests: deque[Object] = deque(maxlen=REQUESTS_KEPT)
        self.webhooks = Webhooks(self.account, self.lock)
        with self.turn():
            catalog_routes.seed(self.account)

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[Served]:
        """Listen on a loopback port (0: a free one) while the block runs."""
        self._server = StripeServer((LOOPBACK, port), self)
        url = self.account.base_url = self._server.url
        self._server.begin()
        try:
            yield Served(url, self.keys, StripeControl(url))
        finally:
            self._closing.set()
            with self._listening:
                self._server.end()

    def go_away(self, seconds: float) -> Callable[[], None]:
        """Refuse every connection, also to the control API. The returned function waits and listens again."""
        self._listening.acquire()
        self._server.refuse()

        def come_back() -> None:
            self._server.end()
            self._closing.wait(seconds)
            self._server = StripeServer((LOOPBACK, self._server.server_port), self)
            self._server.begin()
            self._listening.release()

        return come_back

    def __enter__(self) -> StripeDouble:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop sending webhooks, and release the state directory."""
        self.webhooks.stop()
        with self.lock:
            self._store.commit()
            self._store.close()

    @contextmanager
    def turn(self) -> Iterator[int]:
        """Lock the state for one turn, and yield its time. Due events happen first. Changes are stored at the end."""
        with self.lock:
            self.account.request = {"id": None, "idempotency_key": None}
            try:
                dues.run(self.account, int(self._clock()) + self._ahead)
                yield self.account.now
            finally:
                self._store.commit()

    def advance(self, seconds: int) -> int:
        """Put the clock forward, and return the new time in Unix seconds. Due events happen in order."""
        with self.lock:
            self._ahead += seconds
            self._store.put("clock", "ahead", self._ahead)
            with self.turn() as now:
                return now

    def send_events_to(self, url: str) -> None:
        """Send every event to Purser's own webhook endpoint."""
        with self.turn():
            endpoint = self.account.find(OWN_ENDPOINT)
            if endpoint is None:
                secret = self.keys.webhook_secret
                self.account.add(shapes.webhook_endpoint(self.account.now, url, ["*"], secret, OWN_ENDPOINT))
                return
            with self.account.changing(endpoint):
                endpoint["url"] = url

    def reset(self) -> None:
        """Delete everything but the plans, Purser's own endpoint and the time."""
        with self.turn():
            own = self.account.find(OWN_ENDPOINT)
            self.account.clear()
            self.answers.clear()
            self.webhooks.clear()
            self.faults.clear()
            self.requests.clear()
            catalog_routes.seed(self.account)
            if own:
                self.account.add(own)

    def handle(self, request: Request) -> Answer:
        """Answer one request: apply faults, then :meth:`_perform`."""
        id = new_id("req", 14)
        with self.lock:
            fault = self.faults.take(request.method, request.path)
            record = self._record(request, id, fault)
        if fault and not fault.is_after:
            time.sleep(fault.delay_ms / 1000)
        if fault and fault.kind == "timeout_before":
            return Answer(0, None, drop=True)
        answer = self._perform(request, id, fault)
        if fault and fault.is_after:
            time.sleep(fault.delay_ms / 1000)
        record["status"] = answer.status
        answer.headers |= {"Request-Id": id, "Stripe-Version": API_VERSION}
        answer.drop = fault is not None and fault.kind in DROPS
        return answer

    def _record(self, request: Request, id: str, fault: Fault | None) -> Object:
        entry = {
            "id": id,
            "method": request.method,
            "path": request.path,
            "params": request.body or request.query,
            "idempotencyKey": request.headers.get("idempotency-key"),
            "time": int(self._clock() * 1000),
            "status": None,
            "fault": fault and fault.kind,
        }
        self.requests.append(entry)
        return entry

    def _perform(self, request: Request, id: str, fault: Fault | None) -> Answer:
        """Check identity and version, look up an earlier answer of the idempotency key, and then run the endpoint."""
        try:
            with self.turn():
                self._check_caller(request)
                return self._once(request, id, fault)
        except StripeError as error:
            return Answer(error.status, error.body())
        except Exception as error:
            print(f"stripe double: {request.method} {request.path}: {error!r}", file=sys.stderr, flush=True)
            return Answer(500, StripeError("An unknown error occurred.", type="api_error").body())

    def _check_caller(self, request: Request) -> None:
        key = request.secret_key
        if not key:
            raise StripeError(
                "You did not provide an API key. You need to provide your API key in the Authorization header, "
                "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
                status=401,
            )
        if key != self.keys.api_key:
            raise StripeError(f"Invalid API Key provided: {key[:8]}{'*' * 8}", status=401)
        version = request.headers.get("stripe-version", API_VERSION)
        if version != API_VERSION:
            raise StripeError(f"Invalid Stripe API version: {version}. This double speaks {API_VERSION} alone.")

    def _once(self, request: Request, id: str, fault: Fault | None) -> Answer:
        """Return the endpoint's answer, or the earlier one of its idempotency key."""
        key = request.headers.get("idempotency-key", "") if request.method == "POST" else ""
        digest = fingerprint(request.method, request.path, request.body)
        earlier = self.answers.earlier(key, digest, self.account.now) if key else None
        if earlier:
            again = {"Idempotent-Replayed": "true", "Original-Request": earlier["requestId"]}
            return Answer(earlier["status"], earlier["body"], again)
        self.account.request = {"id": id, "idempotency_key": key or None}
        refusal = fault.refusal() if fault else None
        try:
            if fault and refusal and not fault.is_after:
                raise refusal
            answer = Answer(200, self._answer(request))
            if refusal:
                answer = Answer(refusal.status, refusal.body())
        except StripeError as error:
            answer = Answer(error.status, error.body())
            # A request that did not begin can be tried again. A declined card means that it began.
            if error.status != 402 and not (fault and refusal and fault.kept):
                return answer
        if key:
            self.answers.keep(key, digest, answer, id, self.account.now)
        return answer

    def _answer(self, request: Request) -> Object:
        route, id = routing.find(ROUTES, request.method, request.path)
        tree = parse_form("&".join(filter(None, (request.query, request.body))))
        route.check(tree)
        params = Params(tree)
        answer = route.answer(routing.Call(self.account, params, request.path, id))
        return expanded(self.account, answer, params.texts("expand"))

    def state(self) -> Object:
        """Return every object, by kind, and the time."""
        with self.turn() as now:
            kinds = ("customer", "subscription", "invoice", "charge", "refund", "checkout.session", "invoiceitem")
            return {"now": now, **{kind: [public(each) for each in self.account.all(kind)] for kind in kinds}}
