"""One sample request for each route of the template, with the things it needs, for tests and benchmarks.

A new route needs a line in ``ROUTES``.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, Protocol
from urllib.parse import urlencode

from local.doubles.binance.client import PaperControl
from purser.plans.model import CATALOG
from tests.support.template import resources

KEYS, FOLLOWS = "/v1/priv/account/exchange/key", "/v1/priv/strategy/follow"
WALLETS, AUTH = "/api/v3/fermata/wallet", "/api/v3/auth"
ACCOUNTS, CREDENTIALS = "/api/v3/tradingAccount", "/api/v3/credential"
PLAN = "0b5e2f8c-61cf-4c3e-9d5a-2f3f8c1f7f10"
"""The plan with the most keys."""

SYMBOL = "BTC/USDT"
AT = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class Request:
    """A request, with the query in ``path``. ``who`` is ``user``, ``admin`` or ``nobody``; ``token`` overrides it."""

    method: str
    path: str
    body: Any = None
    who: str = "user"
    token: str = ""


class Send(Protocol):
    """Sends a request for one user."""

    def __call__(self, request: Request) -> tuple[int, Any]:
        """Send a request, and return the status and the body of its answer."""


class Refused(Exception):
    """A request that should have succeeded was refused."""


@dataclass
class Catalog:
    """Ids of published things that all users share, each created when it is first needed."""

    _ids: dict[str, str] = field(default_factory=dict)
    _making: Lock = field(default_factory=Lock)

    def get(self, name: str, make: Callable[[], str]) -> str:
        """The id of a thing."""
        with self._making:
            if name not in self._ids:
                self._ids[name] = make()
            return self._ids[name]


class Subject:
    """A user with things that are created when a request first needs them. ``send`` sends requests."""

    def __init__(self, send: Send, user_id: str, email: str, password: str, paper: PaperControl, catalog: Catalog):
        self.send, self.user_id, self.email, self.password = send, user_id, email, password
        self._paper, self._catalog = paper, catalog

    def do(self, method: str, path: str, body: Any = None, who: str = "user") -> Any:
        """Send a request that must succeed, and return the body."""
        status, answer = self.send(Request(method, path, body, who))
        if not 200 <= status < 300:
            raise Refused(f"{method} {path}: {status} {answer}")
        return answer

    # exchange keys

    @cached_property
    def plan(self) -> str:
        self.do("PUT", f"/v1/admin/account/user/{self.user_id}/subscription", {"subscriptionId": PLAN}, "admin")
        return PLAN

    def connect(self, trade_type: str, strategy_type: str = "MANUAL", key: Mapping[str, str] | None = None) -> str:
        assert self.plan
        created = key or self._paper.key(spot={"USDT": "900"}, futures={"USDT": "2000"})
        id: str = self.do("POST", KEYS, key_body(created, trade_type, strategy_type))["id"]
        return id

    @cached_property
    def spot(self) -> str:
        return self.connect("SPOT")

    @cached_property
    def futures(self) -> str:
        return self.connect("FUTURES")

    @cached_property
    def automated(self) -> str:
        return self.connect("FUTURES", "AUTOMATED")

    @cached_property
    def spare(self) -> Mapping[str, str]:
        """Return an unconnected key of the exchange."""
        assert self.plan
        return self._paper.key(spot={"USDT": "1"})

    def new_credential(self) -> str:
        """Return the id of a stored credential that no account uses."""
        created = self.do("POST", f"{CREDENTIALS}/create", credential_body(self.spare))
        id: str = created["data"]["credentialId"]
        return id

    def rotation(self) -> dict[str, str]:
        """The spot key's credential with a new key of the exchange."""
        key = self._paper.key(spot={"USDT": "900"})
        return {"credentialId": self.spot, "apiKey": key["apiKey"], "apiSecret": key["secret"]}

    def new_key(self) -> str:
        return self.connect("SPOT", key=self.spare)

    def flat(self) -> str:
        """The futures key, without orders and position."""
        self.do("DELETE", f"/v1/priv/exchange/position/{self.futures}", of_symbol)
        return self.futures

    def position(self) -> str:
        self.do("POST", f"/v1/priv/exchange/order/{self.futures}", ORDER)
        return self.futures

    # strategies

    @cached_property
    def strategy(self) -> str:
        body = {"name": "Sample", "exchangeId": "BINANCE", "symbol": SYMBOL}
        return self._catalog.get("strategy", lambda: self.do("POST", "/v1/admin/strategy", body, "admin")["id"])

    @cached_property
    def risk_profile(self) -> str:
        body = {"name": "Sample", "percentage": 1.5}
        make = "/v1/admin/strategy/profile"
        return self._catalog.get("risk profile", lambda: self.do("POST", make, body, "admin")["id"])

    def follow_body(self) -> dict[str, str]:
        return {"strategyAutomatedId": self.strategy, "strategyRiskProfileId": self.risk_profile}

    def follow(self) -> str:
        """The id of the one follow of the automated key."""
        known = self.do("GET", f"{FOLLOWS}/exchange/key/{self.automated}")["items"]
        created = known[0] if known else self.do("POST", f"{FOLLOWS}/exchange/key/{self.automated}", self.follow_body())
        id: str = created["id"]
        return id

    def following_nothing(self) -> str:
        for known in self.do("GET", f"{FOLLOWS}/exchange/key/{self.automated}")["items"]:
            self.do("DELETE", f"{FOLLOWS}/{known['id']}")
        return self.automated

    # wallets and customers

    def new_wallet(self) -> str:
        id: str = self.do("POST", f"{WALLETS}/create", {})["data"]["walletId"]
        return id

    @cached_property
    def wallet(self) -> str:
        wallet = self.new_wallet()
        self.do("POST", f"{WALLETS}/deposit", movement(wallet, "1000000"), "admin")
        return wallet

    @cached_property
    def other_wallet(self) -> str:
        return self.new_wallet()

    def set_frozen(self, frozen: bool) -> str:
        """The wallet, frozen or not."""
        if (self.do("GET", f"{WALLETS}/get?walletId={self.wallet}")["data"]["status"] == "FROZEN") != frozen:
            self.do("POST", f"{WALLETS}/{'freeze' if frozen else 'unfreeze'}", {"walletId": self.wallet}, "admin")
        return self.wallet

    def transaction(self) -> str:
        created = self.do("POST", f"{WALLETS}/deposit", movement(self.set_frozen(False)), "admin")
        id: str = created["data"]["transactionId"]
        return id

    def new_customer(self) -> str:
        id: str = self.do("POST", "/accounts", CUSTOMER)["accountID"]
        return id

    @cached_property
    def customer(self) -> str:
        return self.new_customer()

    # sessions

    def login(self) -> dict[str, str]:
        return {"email": self.email, "password": self.password}

    def new_session(self) -> dict[str, Any]:
        session: dict[str, Any] = self.do("POST", f"{AUTH}/login", self.login(), "nobody")["data"]
        return session

    @cached_property
    def session(self) -> dict[str, Any]:
        return self.new_session()


def key_body(key: Mapping[str, str], trade_type: str = "SPOT", strategy_type: str = "MANUAL") -> dict[str, str]:
    """Return the body of create key."""
    body = {"exchangeId": "BINANCE", "tradeType": trade_type, "strategyType": strategy_type, "name": "Sample"}
    return body | {"apiKey": key["apiKey"], "apiSecretKey": key["secret"]}


def credential_body(key: Mapping[str, str]) -> dict[str, str]:
    """Return the body of create credential."""
    return {"venue": "BINANCE", "credentialType": "HMAC", "apiKey": key["apiKey"], "apiSecret": key["secret"]}


def connection(key: Mapping[str, str]) -> dict[str, str]:
    """Return the body of connect."""
    return {"venue": "BINANCE", "nickname": "Sample", "apiKey": key["apiKey"], "apiSecret": key["secret"]}


def movement(wallet: str, amount: str = "1.5") -> dict[str, str]:
    """Return the body of deposit and withdraw."""
    return {"walletId": wallet, "asset": "USDT", "amount": amount, "externalRef": str(uuid.uuid4())}


# Its exits are so far away that it can be placed at any price that is set meanwhile.
ORDER = {
    "symbol": SYMBOL,
    "type": "MARKET",
    "side": "BUY",
    "amount": "0.05",
    "takeProfitPrices": [100000, 110000],
    "stopTriggerPrice": 10000,
    "stopTriggerType": "MARKET",
}
CUSTOMER = {
    "accountType": "individual",
    "profile": {"individual": {"name": {"firstName": "Jordan", "lastName": "Lee"}, "email": "jordan@example.com"}},
}
RESULT = {"side": "LONG", "entryPrice": 20000, "exitPrice": 20100, "openedAt": AT, "closedAt": AT}
SIGNAL = {"action": "ENTER", "side": "LONG", "stop": 19000}

Of = Callable[[Subject], Any]


@dataclass(frozen=True)
class Sample:
    """A request for a route, which must succeed.

    Functions of a ``Subject`` are called before each request. ``id`` names the attribute or method of the subject that
    returns the variable of the path. ``then`` receives the answer, to make the next request possible.
    """

    id: str = ""
    body: Any = None
    query: Mapping[str, str] | Of = field(default_factory=dict)
    who: str = "user"
    token: Of | None = None
    then: Callable[[Subject, Any], None] | None = None

    def request(self, route: str, subject: Subject) -> Request:
        """Return the request for a subject, after creating all that it needs."""
        method, _, path = route.partition(" ")
        query = self.query(subject) if callable(self.query) else self.query
        body = self.body(subject) if callable(self.body) else self.body
        path = re.sub(r"\{\w+\+?\}", self._id_of(subject), path)
        path = f"{path}?{urlencode(query)}" if query else path
        return Request(method, path, body, self.who, self.token(subject) if self.token else "")

    def clean(self, subject: Subject, answer: Any) -> None:
        """Make the next request possible after the answer."""
        if self.then:
            self.then(subject, answer)

    def _id_of(self, subject: Subject) -> str:
        found = getattr(subject, self.id) if self.id else "none"
        id: str = found() if callable(found) else found
        return id


def _drop_key(subject: Subject, answer: Any) -> None:
    subject.do("DELETE", f"{KEYS}/{answer['id']}")


def _enable(subject: Subject, answer: Any) -> None:
    subject.do("POST", f"{ACCOUNTS}/enable", {"tradingAccountId": answer["data"]["tradingAccountId"]})


def _disconnect(subject: Subject, answer: Any) -> None:
    subject.do("DELETE", f"{KEYS}/{answer['data']['tradingAccountId']}")


of_symbol = {"symbol": SYMBOL}

ROUTES: dict[str, Sample] = {
    "GET /v1/pub/exchange/ticker": Sample(who="nobody"),
    "GET /v1/pub/subscription/list": Sample(who="nobody"),
    "GET /v1/pub/strategy/profile/list": Sample(who="nobody"),
    "GET /v1/pub/strategy/list": Sample(who="nobody"),
    "GET /v1/pub/strategy/{id}/history": Sample("strategy", who="nobody"),
    "GET /v1/pub/strategy/{id}/performance": Sample("strategy", who="nobody"),
    "GET /v1/priv/account/profile": Sample(),
    "PUT /v1/priv/account/profile": Sample(body={"language": "AR"}),
    "GET /v1/priv/account/notification/method": Sample(),
    "GET /v1/priv/account/notification": Sample(),
    "PUT /v1/priv/account/notification": Sample(body={"weeklyReport": True}),
    "GET /v1/priv/account/subscription": Sample(),
    "GET /v1/priv/account/subscription/stripe": Sample(),
    "POST /v1/priv/account/subscription/stripe/checkout": Sample(body={"subscriptionId": CATALOG[0].id}),
    "GET /v1/priv/account/subscription/stripe/billing/history": Sample(),
    "GET /v1/priv/account/exchange/whitelist/ip": Sample(),
    "GET /v1/priv/account/exchange/balance": Sample(),
    "GET /v1/priv/account/exchange/key/list": Sample(),
    "POST /v1/priv/account/exchange/key": Sample(body=lambda it: key_body(it.spare), then=_drop_key),
    "PUT /v1/priv/account/exchange/key/{id}": Sample("spot", {"name": "Renamed"}),
    "DELETE /v1/priv/account/exchange/key/{id}": Sample("new_key"),
    "GET /v1/priv/account/exchange/key/{id}/balance": Sample("spot"),
    "GET /v1/priv/account/exchange/key/{id}/balance/history": Sample("spot"),
    "GET /v1/priv/account/trade/strategy/history": Sample(),
    "GET /v1/priv/account/trade/manual/history": Sample(),
    "GET /v1/priv/exchange/order/{id}/list": Sample("futures", query=of_symbol),
    "GET /v1/priv/exchange/order/{id}/history": Sample("futures", query=of_symbol),
    "GET /v1/priv/exchange/trade/{id}/history": Sample("futures", query=of_symbol),
    "GET /v1/priv/exchange/position/{id}": Sample("futures", query=of_symbol),
    "POST /v1/priv/exchange/order/{id}": Sample("flat", ORDER),
    "DELETE /v1/priv/exchange/position/{id}": Sample("position", of_symbol),
    "PUT /v1/priv/exchange/order/{id}/leverage": Sample("futures", {"symbol": "ETH/USDT", "leverage": 10}),
    "PUT /v1/priv/exchange/order/{id}/margin": Sample("futures", {"symbol": "ETH/USDT", "type": "CROSSED"}),
    "GET /v1/priv/strategy/follow/exchange/key/{id}": Sample("automated"),
    "POST /v1/priv/strategy/follow/exchange/key/{id}": Sample("following_nothing", Subject.follow_body),
    "PUT /v1/priv/strategy/follow/{id}": Sample("follow", {"active": True}),
    "DELETE /v1/priv/strategy/follow/{id}": Sample("follow"),
    "GET /v1/priv/strategy/follow/{id}/execution/list": Sample("follow"),
    "GET /v1/admin/account/user/list": Sample(who="admin"),
    "GET /v1/admin/account/user/overview/{id}": Sample("user_id", who="admin"),
    "PUT /v1/admin/account/user/{id}/subscription": Sample("user_id", {"subscriptionId": PLAN}, who="admin"),
    "GET /v1/admin/audit": Sample(who="admin"),
    "POST /v1/admin/strategy/profile": Sample(body={"name": "Sample", "percentage": 1}, who="admin"),
    "PUT /v1/admin/strategy/profile/{id}": Sample("risk_profile", {"percentage": 2}, who="admin"),
    "PUT /v1/admin/strategy/{id}": Sample("strategy", {"description": "A sample."}, who="admin"),
    "POST /v1/admin/strategy/{id}/result": Sample("strategy", RESULT, who="admin"),
    "POST /v1/admin/strategy": Sample(
        body={"name": "Sample", "exchangeId": "BINANCE", "symbol": "ETH/USDT"}, who="admin"
    ),
    "POST /v1/admin/strategy/{id}/signal": Sample("strategy", SIGNAL, who="admin"),
    "GET /v1/admin/strategy/{id}/signal/list": Sample("strategy", who="admin"),
    "POST /v1/admin/strategy/{id}/secret": Sample("strategy", who="admin"),
    "PUT /v1/admin/strategy/{id}/mode": Sample("strategy", {"mode": "ACTIVE"}, who="admin"),
    "PUT /v1/admin/trading/mode": Sample(body={"mode": "ACTIVE"}, who="admin"),
    "GET /api/v3": Sample(who="nobody"),
    "GET /api/v3/health": Sample(who="nobody"),
    "POST /api/v3/auth/login": Sample(body=Subject.login, who="nobody"),
    "POST /api/v3/auth/token/refresh": Sample(
        body=lambda it: {"refreshToken": it.session["refreshToken"]}, who="nobody"
    ),
    "GET /api/v3/auth/user": Sample(token=lambda it: it.session["accessToken"]),
    "POST /api/v3/auth/logout": Sample(body={}, token=lambda it: it.new_session()["accessToken"]),
    "POST /api/v3/credential/create": Sample(body=lambda it: credential_body(it.spare)),
    "POST /api/v3/credential/verify": Sample(body=lambda it: {"credentialIds": [it.spot]}),
    "POST /api/v3/credential/rotate": Sample(body=Subject.rotation),
    "POST /api/v3/credential/revoke": Sample(body=lambda it: {"credentialId": it.new_credential()}),
    "GET /api/v3/credential/list": Sample(),
    "POST /api/v3/tradingAccount/connect": Sample(body=lambda it: connection(it.spare), then=_disconnect),
    "GET /api/v3/tradingAccount/list": Sample(),
    "POST /api/v3/tradingAccount/update": Sample(body=lambda it: {"tradingAccountId": it.spot, "nickname": "Renamed"}),
    "POST /api/v3/tradingAccount/enable": Sample(body=lambda it: {"tradingAccountId": it.spot}),
    "POST /api/v3/tradingAccount/disable": Sample(body=lambda it: {"tradingAccountId": it.spot}, then=_enable),
    "POST /api/v3/tradingAccount/disconnect": Sample(body=lambda it: {"tradingAccountId": it.new_key()}),
    "GET /api/v3/tradingAccount/operation/list": Sample(),
    "POST /api/v3/fermata/wallet/create": Sample(body={}),
    "GET /api/v3/fermata/wallet/get": Sample(query=lambda it: {"walletId": it.wallet}),
    "GET /api/v3/fermata/wallet/list": Sample(),
    "GET /api/v3/tradingAccount/portfolio/list": Sample(),
    "POST /api/v3/fermata/wallet/freeze": Sample(body=lambda it: {"walletId": it.set_frozen(False)}, who="admin"),
    "POST /api/v3/fermata/wallet/unfreeze": Sample(body=lambda it: {"walletId": it.set_frozen(True)}, who="admin"),
    "POST /api/v3/fermata/wallet/close": Sample(body=lambda it: {"walletId": it.new_wallet()}, who="admin"),
    "POST /api/v3/fermata/wallet/deposit": Sample(body=lambda it: movement(it.set_frozen(False)), who="admin"),
    "POST /api/v3/fermata/wallet/withdraw": Sample(body=lambda it: movement(it.set_frozen(False))),
    "POST /api/v3/fermata/wallet/transfer": Sample(
        body=lambda it: {
            "sourceWalletId": it.set_frozen(False),
            "destWalletId": it.other_wallet,
            "asset": "USDT",
            "amount": "1",
        }
    ),
    "POST /api/v3/fermata/wallet/transaction/reverse": Sample(
        body=lambda it: {"transactionId": it.transaction(), "reason": "a sample"}, who="admin"
    ),
    "GET /api/v3/fermata/wallet/transaction/list": Sample(query=lambda it: {"walletId": it.wallet}),
    "GET /api/v3/fermata/wallet/entry/list": Sample(query=lambda it: {"walletId": it.wallet}),
    "POST /accounts": Sample(body=CUSTOMER),
    "GET /accounts": Sample(query={"count": "20"}),
    "GET /accounts/{accountID}": Sample("customer"),
    "PATCH /accounts/{accountID}": Sample("customer", {"metadata": {"note": "a sample"}}),
    "GET /v1/docs": Sample(),
    "GET /v1/docs/openapi.json": Sample(),
    "DELETE /accounts/{accountID}": Sample("new_customer"),
}

NO_SAMPLE = {
    "PUT /v1/priv/account/subscription/stripe": "takes somebody who has paid on a page of Stripe's",
    "POST /v1/pub/webhook/signal/{strategyId}": "takes the secret of a strategy",
    "POST /v1/pub/webhook/telegram": "takes the secret of a bot",
    "POST /v1/pub/webhook/stripe": "takes a signature of Stripe's",
    "POST /api/v3/auth/challenge": "takes the code of an authenticator app",
}
"""Routes that have none, and why."""


def routes() -> set[str]:
    """Return all routes of the template except those of RouteNotFound."""
    functions = {name: each for name, each in resources("AWS::Serverless::Function").items() if name != "RouteNotFound"}
    events = [event for each in functions.values() for event in each["Events"].values() if event["Type"] == "Api"]
    return {f"{event['Properties']['Method'].upper()} {event['Properties']['Path']}" for event in events}
