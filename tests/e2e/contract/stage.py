"""The running system as the rows of the table use it: users with and without keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import requests

from local.client import Running
from local.doubles.binance.client import PaperControl
from local.doubles.stripe import StripeControl
from purser.plans.model import CATALOG
from tests.support.local_system import await_demo_data, subject_of

PRICE = "19191.9"
"""The price of BTC/USDT at which the manual order in the reference was placed."""

KEY = "/v1/priv/account/exchange/key"
EXAMPLE_STRATEGY = "b9f67eb2-1d6e-4a47-a735-d0d9039c9b08"
EXAMPLE_RISK_PROFILE = "ab00673a-cd19-44d4-a7c4-05c63e309663"


@dataclass(frozen=True)
class Person:
    """A caller; without a token, one who is not signed in."""

    url: str
    token: str = ""

    def ask(self, endpoint: str, body: Any = None, *, id: str = "", **query: str | int) -> requests.Response:
        """Send a request to an endpoint, ``PUT /v1/…/{id}``; a text body is sent as it is."""
        method, _, path = endpoint.partition(" ")
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        sent = {"data": body} if isinstance(body, str) else {"json": body}
        if isinstance(body, str):
            headers["Content-Type"] = "application/json"
        url = self.url + path.replace("{id}", id)
        return requests.request(method, url, params=query, headers=headers, timeout=60, **sent)

    def got(self, endpoint: str, body: Any = None, **given: Any) -> Any:
        """Send a request that must succeed, and return the body of the answer."""
        answer = self.ask(endpoint, body, **given)
        assert answer.ok, f"{endpoint}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    @property
    def user_id(self) -> str:
        """Return the id of the user whose token this is."""
        return subject_of(self.token)


@dataclass(frozen=True)
class Trader(Person):
    """A caller with an exchange key."""

    api_key: str = ""
    key_id: str = ""

    def ask_of_key(self, endpoint: str, body: Any = None, **query: str | int) -> requests.Response:
        """Send a request with the id of the key."""
        return self.ask(endpoint, body, id=self.key_id, **query)


@dataclass
class Stage:
    """The running system. ``new_user`` makes a user with a plan and returns the token."""

    system: Running
    new_user: Callable[[str], str]
    _strategies: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return the base address of the APIs."""
        url: str = self.system.stack["url"]
        return url

    @property
    def paper(self) -> PaperControl:
        """Return the control client of the paper exchange."""
        return PaperControl(self.system.stack["paperUrl"])

    def stranger(self) -> Person:
        """Return a caller who is not signed in."""
        return Person(self.url)

    def demo(self) -> Person:
        """Return the demo user, who has a key with a history. Tests must only read it."""
        await_demo_data(self.system)
        return Person(self.url, self.system.token("demo"))

    def admin(self) -> Person:
        """Return the admin."""
        return Person(self.url, self.system.token("admin"))

    def person(self, plan: str = "PROFESSIONAL") -> Person:
        """Return a new user."""
        return Person(self.url, self.new_user(plan))

    def payer(self) -> Person:
        """Return a new user who has paid for the smallest plan."""
        person = self.person("")
        path = "/v1/priv/account/subscription/stripe/checkout"
        page = person.got(f"POST {path}", {"subscriptionId": CATALOG[0].id})
        assert StripeControl(self.system.stack["stripeUrl"]).click(page["url"]) == page["successUrl"]
        return person

    def trader(
        self,
        trade_type: str = "FUTURES",
        strategy_type: str = "MANUAL",
        plan: str = "PROFESSIONAL",
        worth: str = "2000",
    ) -> Trader:
        """Return a new user with a key that has a balance in USDT."""
        token = self.new_user(plan)
        key = self.paper.key(spot={"USDT": worth}, futures={"USDT": worth})
        body = self.key_body(key, tradeType=trade_type, strategyType=strategy_type)
        created = Person(self.url, token).got(f"POST {KEY}", body)
        return Trader(self.url, token, key["apiKey"], created["id"])

    def key_body(self, paper_key: dict[str, str], **given: str) -> dict[str, str]:
        """Return the request body that connects a key of the paper exchange."""
        body = {"exchangeId": "BINANCE", "tradeType": "FUTURES", "strategyType": "MANUAL", "name": "Default"}
        return body | {"apiKey": paper_key["apiKey"], "apiSecretKey": paper_key["secret"]} | given

    def revoke(self, trader: Trader) -> Trader:
        """Make the exchange refuse the key from now on."""
        self.paper.change_key(trader.api_key, revoked=True)
        return trader

    def strategy(self, exchange_id: str = "BINANCE", symbol: str = "ETH/USDT") -> str:
        """Return the id of a published strategy for an exchange and symbol."""
        if (exchange_id, symbol) not in self._strategies:
            body = {"name": f"Contract {uuid4().hex[:8]}", "exchangeId": exchange_id, "symbol": symbol}
            self._strategies[exchange_id, symbol] = self.admin().got("POST /v1/admin/strategy", body)["id"]
        return self._strategies[exchange_id, symbol]

    def follow(self, trader: Trader) -> str:
        """Follow the first strategy of the reference with a trader's key, and return the id of the follow."""
        body = {"strategyAutomatedId": EXAMPLE_STRATEGY, "strategyRiskProfileId": EXAMPLE_RISK_PROFILE}
        id: str = trader.got("POST /v1/priv/strategy/follow/exchange/key/{id}", body, id=trader.key_id)["id"]
        return id
