"""The running system as the rows of the table use it: people with and without keys, who ask."""

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
from tests.support.local_system import subject_of

PRICE = "19191.9"
"""Of BTC/USDT, at which the reference's manual order was placed."""

KEY = "/v1/priv/account/exchange/key"
EXAMPLE_STRATEGY = "b9f67eb2-1d6e-4a47-a735-d0d9039c9b08"
EXAMPLE_RISK_PROFILE = "ab00673a-cd19-44d4-a7c4-05c63e309663"


@dataclass(frozen=True)
class Person:
    """Somebody who asks; without a token, a stranger."""

    url: str
    token: str = ""

    def ask(self, endpoint: str, body: Any = None, *, id: str = "", **query: str | int) -> requests.Response:
        """Sends a request to an endpoint, ``PUT /v1/…/{id}``; a text is sent as it is."""
        method, _, path = endpoint.partition(" ")
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        sent = {"data": body} if isinstance(body, str) else {"json": body}
        if isinstance(body, str):
            headers["Content-Type"] = "application/json"
        url = self.url + path.replace("{id}", id)
        return requests.request(method, url, params=query, headers=headers, timeout=60, **sent)

    def got(self, endpoint: str, body: Any = None, **given: Any) -> Any:
        """The answer's body, which must be one of success."""
        answer = self.ask(endpoint, body, **given)
        assert answer.ok, f"{endpoint}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    @property
    def user_id(self) -> str:
        """Whose token it is."""
        return subject_of(self.token)


@dataclass(frozen=True)
class Trader(Person):
    """Somebody with an exchange key."""

    api_key: str = ""
    key_id: str = ""

    def ask_of_key(self, endpoint: str, body: Any = None, **query: str | int) -> requests.Response:
        """Sends a request whose id is the key's."""
        return self.ask(endpoint, body, id=self.key_id, **query)


@dataclass
class Stage:
    """The running system. ``new_user`` makes a user with a plan and gives the token."""

    system: Running
    new_user: Callable[[str], str]
    _strategies: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Of the APIs."""
        url: str = self.system.stack["url"]
        return url

    @property
    def paper(self) -> PaperControl:
        """The exchange."""
        return PaperControl(self.system.stack["paperUrl"])

    def stranger(self) -> Person:
        """Somebody who is not signed in."""
        return Person(self.url)

    def demo(self) -> Person:
        """The demo user: one spot key with a history. Only to be read."""
        return Person(self.url, self.system.token("demo"))

    def admin(self) -> Person:
        """The administrator."""
        return Person(self.url, self.system.token("admin"))

    def person(self, plan: str = "PROFESSIONAL") -> Person:
        """Somebody new."""
        return Person(self.url, self.new_user(plan))

    def payer(self) -> Person:
        """Somebody new who has paid for the smallest plan."""
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
        """Somebody new with a key that holds so many USDT."""
        token = self.new_user(plan)
        key = self.paper.key(spot={"USDT": worth}, futures={"USDT": worth})
        body = self.key_body(key, tradeType=trade_type, strategyType=strategy_type)
        created = Person(self.url, token).got(f"POST {KEY}", body)
        return Trader(self.url, token, key["apiKey"], created["id"])

    def key_body(self, paper_key: dict[str, str], **given: str) -> dict[str, str]:
        """The body of create key for a key of the paper exchange."""
        body = {"exchangeId": "BINANCE", "tradeType": "FUTURES", "strategyType": "MANUAL", "name": "Default"}
        return body | {"apiKey": paper_key["apiKey"], "apiSecretKey": paper_key["secret"]} | given

    def revoke(self, trader: Trader) -> Trader:
        """Lets the exchange refuse a key from now on."""
        self.paper.change_key(trader.api_key, revoked=True)
        return trader

    def strategy(self, exchange_id: str = "BINANCE", symbol: str = "ETH/USDT") -> str:
        """The id of a published strategy for an exchange and symbol."""
        if (exchange_id, symbol) not in self._strategies:
            body = {"name": f"Contract {uuid4().hex[:8]}", "exchangeId": exchange_id, "symbol": symbol}
            self._strategies[exchange_id, symbol] = self.admin().got("POST /v1/admin/strategy", body)["id"]
        return self._strategies[exchange_id, symbol]

    def follow(self, trader: Trader) -> str:
        """The id of a follow of the reference's first strategy by a trader's key."""
        body = {"strategyAutomatedId": EXAMPLE_STRATEGY, "strategyRiskProfileId": EXAMPLE_RISK_PROFILE}
        id: str = trader.got("POST /v1/priv/strategy/follow/exchange/key/{id}", body, id=trader.key_id)["id"]
        return id
