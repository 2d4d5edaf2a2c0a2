"""A user with one of everything, and real values for requests, for fuzzing the running system.

Random ids find nothing, so most requests name existing things. Each operation that changes something has its own user,
so that closing or signing out does not disturb the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any
from uuid import uuid4

import requests
from hypothesis import strategies as st

from local.client import Running
from local.cloud.account import client
from local.doubles.binance.client import PaperControl
from tests.support.local_system import PASSWORD, new_user, subject_of

BOUNDLESS = 10**9
TRIES, LONGEST_WAIT_S = 5, 60
SYMBOL, ASSET = "BTC/USDT", "USDT"
KEYS = "/v1/priv/account/exchange/key"
WALLETS = "/api/v3/fermata/wallet"
DAY = {"openedAt": "2026-01-02T00:00:00.000Z", "closedAt": "2026-01-02T12:00:00.000Z"}

Sample = Callable[["World"], Sequence[Any]]


class World:
    """A new user with a plan, an admin, and their things, each of which is created when it is first used."""

    def __init__(self, system: Running) -> None:
        self._system = system
        self._url: str = system.stack["url"]
        self._paper = PaperControl(system.stack["paperUrl"])
        # All of the system's tests share one address, and its budget at the exchange.
        self._paper.limits(spot=BOUNDLESS, futures=BOUNDLESS)

    def anew(self) -> World:
        """Return a world with a new user and things of its own, and with the admin of this one."""
        world = World(self._system)
        world.admin, world.plans = self.admin, self.plans
        return world

    def headers(self, operation: Mapping[str, Any], *, as_new: bool) -> dict[str, str]:
        """Return the headers of the admin for admin routes, else of the user. ``as_new`` uses a token only once."""
        if not operation["security"] or "telegram" in operation["security"][0]:
            return {}
        email = self.admin if operation.get("x-required-role") else self.user[1]
        return {"Authorization": f"Bearer {self._system.token(email) if as_new else self._token(email)}"}

    def call(self, method: str, path: str, body: Any = None, *, by: str = "") -> Any:
        """Send a request that must succeed, and return its answer. Send it again when a limit is over."""
        headers = {"Authorization": f"Bearer {self._token(by or self.user[1])}"}
        for _ in range(TRIES):
            answer = requests.request(method, self._url + path, json=body, headers=headers, timeout=60)
            if "Retry-After" not in answer.headers:
                break
            # The fuzzed requests have spent the weight of this minute, since all share one budget at the exchange.
            time.sleep(min(int(answer.headers["Retry-After"]), LONGEST_WAIT_S))
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def paper_key(self) -> dict[str, str]:
        """Return an unconnected key of the exchange."""
        return self._paper.key(spot={"USDC": "10", ASSET: "100"}, futures={ASSET: "900"})

    @cached_property
    def _tokens(self) -> dict[str, str]:
        return {}

    def _token(self, email: str) -> str:
        if email not in self._tokens:
            self._tokens[email] = self._system.token(email)
        return self._tokens[email]

    @cached_property
    def admin(self) -> str:
        """The email of an admin."""
        email = new_user(self._system)
        pool = self._system.stack["resources"]["UserPool"]["Ref"]
        cognito = client("cognito-idp", self._system.stack["awsUrl"])
        cognito.admin_add_user_to_group(UserPoolId=pool, Username=email, GroupName="admin")
        return email

    @cached_property
    def user(self) -> tuple[str, str]:
        """The id and the email of a user with the largest plan."""
        email = new_user(self._system)
        user_id = subject_of(self._token(email))
        plan = {"subscriptionId": self.plans[-1]}
        self.call("PUT", f"/v1/admin/account/user/{user_id}/subscription", plan, by=self.admin)
        return user_id, email

    @cached_property
    def plans(self) -> list[str]:
        """The ids of the plans that are for sale."""
        return [plan["id"] for plan in self.call("GET", "/v1/pub/subscription/list", by=self.admin)["items"]]

    @cached_property
    def keys(self) -> list[str]:
        """Exchange keys: two that trade futures by hand, one of a strategy, one on the spot market."""
        kinds = [("FUTURES", "MANUAL"), ("FUTURES", "MANUAL"), ("FUTURES", "AUTOMATED"), ("SPOT", "MANUAL")]
        return [self._connected(*kind) for kind in kinds]

    @cached_property
    def automated_key(self) -> str:
        """A key that may follow strategies."""
        return self._connected("FUTURES", "AUTOMATED")

    def _connected(self, trade_type: str, strategy_type: str) -> str:
        key = self.paper_key()
        body = {
            "exchangeId": "BINANCE",
            "tradeType": trade_type,
            "strategyType": strategy_type,
            "name": "Fuzzed",
            "apiKey": key["apiKey"],
            "apiSecretKey": key["secret"],
        }
        created: str = self.call("POST", KEYS, body)["id"]
        return created

    @cached_property
    def strategies(self) -> list[str]:
        """Strategies of different markets, with one result each."""
        created = [self._strategy(symbol) for symbol in (SYMBOL, "ETH/USDT")]
        for id in created:
            result = {"side": "LONG", "entryPrice": 100, "exitPrice": 110} | DAY
            self.call("POST", f"/v1/admin/strategy/{id}/result", result, by=self.admin)
        return created

    def _strategy(self, symbol: str) -> str:
        body = {"name": "Fuzzed", "exchangeId": "BINANCE", "symbol": symbol}
        created: str = self.call("POST", "/v1/admin/strategy", body, by=self.admin)["id"]
        return created

    @cached_property
    def risk_profiles(self) -> list[str]:
        """Risk profiles."""
        body = {"name": "Fuzzed", "percentage": 1}
        return [self.call("POST", "/v1/admin/strategy/profile", body, by=self.admin)["id"] for _ in range(2)]

    @cached_property
    def follows(self) -> list[str]:
        """Follows of the automated key, one for each market."""
        path = f"/v1/priv/strategy/follow/exchange/key/{self.automated_key}"
        bodies = [{"strategyAutomatedId": id, "strategyRiskProfileId": self.risk_profiles[0]} for id in self.strategies]
        return [self.call("POST", path, body)["id"] for body in bodies]

    @cached_property
    def wallets(self) -> list[str]:
        """Wallets: two with a balance, two empty, two frozen."""
        created = [self.call("POST", f"{WALLETS}/create", {})["data"]["walletId"] for _ in range(6)]
        for id in created[:2]:
            self._deposit(id)
        for id in created[4:]:
            self.call("POST", f"{WALLETS}/freeze", {"walletId": id}, by=self.admin)
        return created

    @cached_property
    def transactions(self) -> list[str]:
        """Transactions that can be reversed."""
        return [self._deposit(self.wallets[0]) for _ in range(4)]

    def _deposit(self, wallet: str) -> str:
        body = {"walletId": wallet, "asset": ASSET, "amount": "1000", "externalRef": str(uuid4())}
        created: str = self.call("POST", f"{WALLETS}/deposit", body, by=self.admin)["data"]["transactionId"]
        return created

    @cached_property
    def accounts(self) -> list[str]:
        """Customer accounts."""
        name = {"firstName": "Ada", "lastName": "Lovelace"}
        body = {"accountType": "individual", "profile": {"individual": {"name": name}}}
        return [self.call("POST", "/accounts", body)["accountID"] for _ in range(4)]

    @cached_property
    def password(self) -> str:
        """The password of the user, which few operations need, and which takes long to hash."""
        pool = self._system.stack["resources"]["UserPool"]["Ref"]
        cognito = client("cognito-idp", self._system.stack["awsUrl"])
        cognito.admin_set_user_password(UserPoolId=pool, Username=self.user[1], Password=PASSWORD, Permanent=True)
        return PASSWORD

    @cached_property
    def session(self) -> dict[str, Any]:
        """A session of the user."""
        body = {"email": self.user[1], "password": self.password}
        answer = requests.post(f"{self._url}/api/v3/auth/login", json=body, timeout=60)
        session: dict[str, Any] = answer.json()["data"]
        return session


PATHS: tuple[tuple[str, Sample], ...] = (
    ("/v1/priv/account/exchange/key/", lambda world: world.keys),
    ("/v1/priv/exchange/", lambda world: world.keys),
    ("/v1/priv/strategy/follow/exchange/key/", lambda world: [world.automated_key]),
    ("/v1/priv/strategy/follow/", lambda world: world.follows),
    ("/v1/pub/strategy/", lambda world: world.strategies),
    ("/v1/pub/webhook/signal/", lambda world: world.strategies),
    ("/v1/admin/strategy/profile/", lambda world: world.risk_profiles),
    ("/v1/admin/strategy/", lambda world: world.strategies),
    ("/v1/admin/account/user/", lambda world: [world.user[0]]),
    ("/accounts/", lambda world: world.accounts),
)
"""The values of a path's variable, by the beginning of the path. The first match counts."""

FIELDS: dict[str, Sample] = {
    "walletId": lambda world: world.wallets,
    "sourceWalletId": lambda world: world.wallets[:2],
    "destWalletId": lambda world: world.wallets,
    "transactionId": lambda world: world.transactions,
    "strategyAutomatedId": lambda world: world.strategies,
    "strategyRiskProfileId": lambda world: world.risk_profiles,
    "subscriptionId": lambda world: world.plans,
    "accountID": lambda world: world.accounts,
    "userId": lambda world: [world.user[0]],
    "tradingAccountId": lambda world: [*world.keys, *world.wallets],
    "symbol": lambda _: [SYMBOL, SYMBOL, "ETH/USDT"],
    "asset": lambda _: [ASSET],
    "amount": lambda _: ["0.01", 1, "250.5"],
    "price": lambda _: [19000, "18000.5"],
    "leverage": lambda _: [5],
    "email": lambda world: [world.user[1]],
    "password": lambda world: [world.password],
    "refreshToken": lambda world: [world.session["refreshToken"]],
}
"""The values of a field of a query or a body, by its name."""

PAIRS: dict[str, Callable[[World], Mapping[str, Any]]] = {
    "apiSecretKey": lambda world: {"apiKey": (key := world.paper_key())["apiKey"], "apiSecretKey": key["secret"]},
}
"""Fields that only fit together."""


LONG = {"symbol": SYMBOL, "side": "BUY", "amount": "0.01"}
NAME = {"firstName": "Ada", "lastName": "Lovelace"}
BODIES: dict[str, list[dict[str, Any]]] = {
    "POST /v1/priv/exchange/order/{id}": [
        LONG | {"type": "MARKET"},
        LONG | {"type": "LIMIT", "price": 15000, "takeProfitPrices": [21000, "22000"]},
        LONG | {"type": "LIMIT", "price": 15000, "stopTriggerPrice": 14000, "stopTriggerType": "MARKET"},
        LONG | {"type": "TRAILING_STOP", "price": 15000, "callbackRate": 1},
    ],
    "POST /v1/admin/strategy/{id}/result": [{"side": "SHORT", "entryPrice": "110.5", "exitPrice": 100} | DAY],
    "POST /v1/admin/strategy/{id}/signal": [
        {"action": "ENTER", "side": "LONG", "stop": 19000},
        {"action": "ENTER", "side": "SHORT", "type": "LIMIT", "price": 20000, "stop": "20100.5", "expirySeconds": 60},
        {"action": "EXIT"},
    ],
    "POST /accounts": [
        {"accountType": "individual", "profile": {"individual": {"name": NAME, "email": "ada@example.com"}}},
        {"accountType": "business", "profile": {"business": {"legalBusinessName": "Analytical Engines"}}},
    ],
    "PATCH /accounts/{accountID}": [{"metadata": {"a": "b", "c": None}}, {"foreignID": "engine-1"}],
}
"""Whole bodies for operations whose rules depend on each other."""

TRADING_MODE = "/v1/admin/trading/mode"
"""It concerns all strategies of the system, which other tests use too. So it is only ever set to what it is."""


def make_real(case: Any, world: World, data: st.DataObject) -> None:
    """Put real values into most fields of a case that have some."""
    path = case.operation.path
    things: Sequence[Any] = next((sample(world) for beginning, sample in PATHS if path.startswith(beginning)), [])
    if "{" in path and _mostly(data):
        case.path_parameters = dict.fromkeys(case.path_parameters, data.draw(st.sampled_from(things)))
    whole = BODIES.get(f"{case.method} {path}")
    if whole and _mostly(data):
        case.body = data.draw(st.sampled_from(whole))
        return
    if path == TRADING_MODE and isinstance(case.body, dict) and case.body.get("mode") in ("REDUCING", "HALTED"):
        case.body["mode"] = "ACTIVE"
    for container in (case.query, case.body):
        if isinstance(container, dict):
            _fill(container, world, data)


def _fill(container: dict[str, Any], world: World, data: st.DataObject) -> None:
    for name in sorted(container.keys() & FIELDS.keys()):
        if _mostly(data):
            container[name] = data.draw(st.sampled_from(FIELDS[name](world)))
    for name in sorted(container.keys() & PAIRS.keys()):
        if _mostly(data):
            container |= PAIRS[name](world)


def _mostly(data: st.DataObject) -> bool:
    return data.draw(st.sampled_from([True, True, True, False]))
