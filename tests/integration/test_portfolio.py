"""Test Portfolio with its handler, DynamoDB Local, KMS (moto), ccxt and the paper exchange."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from purser.actor import SYSTEM, Actor
from purser.bootstrap.billing import subscriptions
from purser.bootstrap.ledger import ledger, wallets
from purser.bootstrap.trading_accounts import trading_accounts
from purser.exchanges.model import TradeType, Venue
from purser.ledger.wallets import NewWallet
from purser.plans.model import CATALOG
from purser.trading_accounts.model import ApiKeyStatus, StrategyType
from purser.trading_accounts.service import NewConnection
from tests.support.aws import Aws
from tests.support.budget import end_cooldowns
from tests.support.events import Answered, call, claims
from tests.support.functions import forget_process, load_function
from tests.support.paper import Paper

PATH = "/api/v3/tradingAccount/portfolio/list"
AMOUNT = re.compile(r"-?\d+(\.\d+)?")
SPOT_ACCOUNT, FUTURES_ACCOUNT = "/api/v3/account", "/fapi/v3/account"


@pytest.fixture(scope="module")
def handler(aws: Aws, _paper_server: Paper) -> Iterator[Any]:
    forget_process()
    yield load_function("portfolio").handler
    forget_process()


@dataclass
class User:
    """A user with a large plan."""

    handler: Any
    paper: Paper
    id: str = field(default_factory=lambda: str(uuid4()))
    keys: dict[str, dict[str, str]] = field(default_factory=dict)

    def connect(self, kind: TradeType = TradeType.SPOT, **balances: str) -> str:
        """Connect a trading account, and return its id."""
        key = self.paper.key(spot=balances, futures=balances)
        account_id = str(uuid4())
        trading_accounts().connect(
            NewConnection(
                account_id, self.id, Venue.BINANCE, kind, StrategyType.MANUAL, "Mine", key["apiKey"], key["secret"]
            )
        )
        self.keys[account_id] = key
        return account_id

    def wallet(self, **balances: str) -> str:
        """Create a wallet with these balances, and return its id."""
        created = wallets().create(Actor(self.id), NewWallet(str(uuid4()), self.id))
        for asset, amount in balances.items():
            ledger().deposit(SYSTEM, created.id, asset, Decimal(amount), str(uuid4()))
        return created.id

    def ask(self, **query: str) -> Answered:
        return call(self.handler, "GET", PATH, caller=claims(self.id), query=query)

    def ask_as_admin(self, **query: str) -> Answered:
        return call(self.handler, "GET", PATH, caller=claims(self.id, groups=["admin"]), query=query)

    def list(self, **query: str) -> dict[str, Any]:
        answer = self.ask(**query)
        assert answer.status == 200, answer.text
        return {row["tradingAccountId"]: row for row in answer.body["data"]}

    def status(self, account_id: str) -> tuple[ApiKeyStatus, bool]:
        account = trading_accounts().known(self.id, account_id)
        return account.api_key_status, account.active


@pytest.fixture
def user(handler: Any, paper: Paper) -> User:
    paper.prices(BTC_USDT="20000", USDC_USDT="1")
    created = User(handler, paper)
    subscriptions().grant(created.id, CATALOG[2].id)
    return created


@pytest.fixture
def other(handler: Any, paper: Paper) -> User:
    return User(handler, paper)


def figures(row: dict[str, Any]) -> Iterator[str]:
    yield from (
        value for name, value in row["summary"].items() if name not in ("tradingAccountId", "currency", "leverage")
    )
    for balance in row["balances"]:
        yield from (balance[name] for name in ("free", "locked", "borrowed", "total", "net"))
    for position in row["positions"]:
        yield from (position[name] for name in ("quantity", "entryPrice", "currentPrice", "unrealizedPnl"))


def test_the_portfolio_lists_trading_accounts_and_wallets(user: User) -> None:
    spot = user.connect(BTC="0.01", USDT="100.5")
    futures = user.connect(TradeType.FUTURES, USDT="4000")
    key = user.keys[futures]
    user.paper.signed(key, "POST", "/fapi/v1/order", symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.1")
    exact = "12345678901234567.000000000000000001"
    wallet = user.wallet(USDC=exact, FOO="3")

    answer = user.ask()
    assert answer.body["pagination"] == {"offset": 0, "limit": 50, "total": 3, "cursor": None, "hasNext": False}
    rows = {row["tradingAccountId"]: row for row in answer.body["data"]}
    assert list(rows) == [spot, futures, wallet]
    assert all(AMOUNT.fullmatch(figure) for row in rows.values() for figure in figures(row))
    assert [row["error"] for row in rows.values()] == [None] * 3

    assert {b["securitySymbol"]: b["total"] for b in rows[spot]["balances"]} == {"BTC": "0.01", "USDT": "100.5"}
    assert rows[spot]["summary"]["equity"] == "300.5"
    (position,) = rows[futures]["positions"]
    assert (position["securitySymbol"], position["positionSide"], position["quantity"]) == ("BTC/USDT", "SHORT", "0.1")
    assert position["instrumentId"] == "BINANCE:BTC/USDT"
    summary = rows[futures]["summary"]
    assert Decimal(summary["riskExposure"]) == 2000
    assert Decimal(summary["margin"]) > Decimal(summary["marginRequirement"]) > 0
    assert Decimal(summary["riskExposureRate"]) == pytest.approx(Decimal("0.5"), abs=Decimal("0.01"))
    assert summary["leverage"] == 1
    assert rows[wallet]["venue"] == "FERMATA"
    assert {b["securitySymbol"]: b["free"] for b in rows[wallet]["balances"]} == {"FOO": "3", "USDC": exact}


def test_a_failure_at_the_exchange_affects_only_its_account(user: User) -> None:
    down, dead, limited, fine = (user.connect(USDC=str(n)) for n in (10, 20, 30, 40))
    wallet = user.wallet(USDC="5")
    user.paper.fault(SPOT_ACCOUNT, "http_503", apiKey=user.keys[down]["apiKey"])
    user.paper.change_key(user.keys[dead]["apiKey"], revoked=True)
    # This is a limit of one account. A limit of the IP address would affect all of them.
    user.paper.fault(SPOT_ACCOUNT, "reject", code=-1015, apiKey=user.keys[limited]["apiKey"])

    rows = user.list()
    errors = {name: row["error"] and row["error"]["errno"] for name, row in rows.items()}
    assert errors == {down: -120005, dead: -120005, limited: -190429, fine: None, wallet: None}
    assert all(rows[failed]["balances"] == [] for failed in (down, dead, limited))
    assert rows[fine]["summary"]["equity"] == "40"
    assert user.status(down) == (ApiKeyStatus.FAILED, True)
    assert user.status(dead) == (ApiKeyStatus.UNAUTHORIZED, False)
    assert user.status(fine) == (ApiKeyStatus.AUTHORIZED, True)

    again = user.list()
    assert again[down]["error"] is None
    assert user.status(down) == (ApiKeyStatus.AUTHORIZED, True)


def test_a_rate_limit_of_the_ip_address_does_not_affect_wallets(user: User) -> None:
    account = user.connect(USDC="10")
    wallet = user.wallet(USDC="5", BTC="1")
    user.paper.fault(SPOT_ACCOUNT, "rate_limit", retryAfter=1)
    rows = user.list()
    assert rows[account]["error"]["errno"] == -190429
    assert {b["securitySymbol"]: b["total"] for b in rows[wallet]["balances"]} == {"USDC": "5", "BTC": "1"}
    end_cooldowns()


def test_wallets_are_listed_without_prices(user: User) -> None:
    wallet, dollars = user.wallet(BTC="1"), user.wallet(USDC="5")
    user.paper.fault("/api/v3/ticker/price", "http_503")
    rows = user.list()
    assert rows[wallet]["error"]["errno"] == -120005
    assert [b["total"] for b in rows[wallet]["balances"]] == ["1"]
    assert (rows[dollars]["error"], rows[dollars]["summary"]["equity"]) == (None, "5")


def test_the_portfolio_is_paged_and_filtered(user: User) -> None:
    first, second = user.connect(USDC="1", BTC="0.1"), user.connect(USDC="2")
    wallet = user.wallet(USDC="3")
    seen = []
    for offset in range(3):
        answer = user.ask(limit="1", offset=str(offset)).body
        seen += [row["tradingAccountId"] for row in answer["data"]]
        assert answer["pagination"]["hasNext"] == (offset < 2)
    assert seen == [first, second, wallet]
    assert list(user.list(venue="FERMATA")) == [wallet]
    assert list(user.list(venue="BINANCE")) == [first, second]
    assert user.list(venue="KRAKEN") == {}
    assert list(user.list(tradingAccountId=second)) == [second]
    assert list(user.list(tradingAccountId=wallet)) == [wallet]
    narrowed = user.list(currency="BTC")
    assert {name: [b["securitySymbol"] for b in row["balances"]] for name, row in narrowed.items()} == {
        first: ["BTC"],
        second: [],
        wallet: [],
    }


def test_only_owners_and_admins_see_an_account_or_wallet(user: User, other: User) -> None:
    account, wallet = user.connect(USDC="1"), user.wallet()
    assert other.list() == {}
    assert other.ask_as_admin().body["data"] == []
    for thing in (account, wallet):
        refused = other.ask(tradingAccountId=thing)
        assert (refused.status, refused.body["errno"]) == (403, -120003)
        assert [r["tradingAccountId"] for r in other.ask_as_admin(tradingAccountId=thing).body["data"]] == [thing]
    unknown = str(uuid4())
    missing = other.ask(tradingAccountId=unknown)
    assert (missing.status, missing.body["errno"]) == (404, -120002)
    assert unknown in missing.body["error"]


def test_a_disconnected_account_is_not_listed(user: User) -> None:
    account = user.connect(USDC="1")
    trading_accounts().disconnect(user.id, account)
    assert user.list() == {}
    assert user.ask(tradingAccountId=account).body["errno"] == -120002


@pytest.mark.parametrize(
    "query",
    [
        {"tradingAccountId": "1"},
        {"venue": "binance"},
        {"venue": "X" * 33},
        {"currency": "usdt"},
        {"currency": ""},
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "NaN"},
        {"offset": "-1"},
        {"offset": "10001"},
    ],
)
def test_invalid_queries_are_refused(user: User, query: dict[str, str]) -> None:
    answer = user.ask(**query)
    assert (answer.status, answer.body["errno"]) == (400, -120001)


def test_the_portfolio_needs_a_token(handler: Callable[..., Any]) -> None:
    answer = call(handler, "GET", PATH)
    assert (answer.status, answer.body["errno"]) == (401, -190401)


def test_key_and_secret_are_in_no_answer(user: User) -> None:
    account = user.connect(TradeType.FUTURES, USDT="10")
    key = user.keys[account]
    text = user.ask().text
    user.paper.fault(FUTURES_ACCOUNT, "http_503", apiKey=key["apiKey"])
    text += user.ask().text
    assert key["secret"] not in text
    assert key["apiKey"] not in text
