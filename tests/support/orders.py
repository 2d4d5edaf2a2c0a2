"""The Orders table, and users who trade futures by hand at the paper exchange."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any
from uuid import uuid4

import boto3

from tests.support.events import Answered, call, claims
from tests.support.paper import Paper
from tests.support.template import resources

SYMBOL = "BTC/USDT"
PRICE = "19191.9"


def orders_table(tables: dict[str, str]) -> str:
    """Return the name of the Orders table, which is created unless it exists."""
    if "ORDERS_TABLE" in tables:
        return tables["ORDERS_TABLE"]
    keys = resources("AWS::DynamoDB::Table")["SnapshotsTable"]
    boto3.client("dynamodb").create_table(
        TableName="OrdersTable",
        **{name: keys[name] for name in ("BillingMode", "AttributeDefinitions", "KeySchema")},
    )
    tables["ORDERS_TABLE"] = "OrdersTable"
    return "OrdersTable"


@dataclass
class Trader:
    """A user with one exchange key."""

    function: ModuleType
    paper: Paper
    user_id: str
    key: dict[str, str]
    id: str

    def call(self, method: str, path: str, body: Any = None, **given: Any) -> Answered:
        return call(self.function.handler, method, path, body, caller=claims(self.user_id), **given)

    def order(self, body: dict[str, Any], **given: Any) -> Answered:
        return self.call("POST", f"/v1/priv/exchange/order/{self.id}", body, **given)

    def read(self, what: str, symbol: str = SYMBOL, **query: str) -> Answered:
        path = what.format(id=self.id)
        return self.call("GET", f"/v1/priv/exchange/{path}", query={"symbol": symbol, **query})

    @property
    def positions(self) -> list[dict[str, Any]]:
        return self.paper.positions(self.key["apiKey"])

    @property
    def orders(self) -> list[dict[str, Any]]:
        return self.paper.orders(self.key["apiKey"])

    @property
    def open_orders(self) -> list[dict[str, Any]]:
        return self.paper.open_orders(self.key["apiKey"])


def trader(
    function: ModuleType, paper: Paper, *, trade_type: str = "FUTURES", strategy_type: str = "MANUAL", **balances: str
) -> Trader:
    """Create a user with a connected key, which has 10,000 USDT by default."""
    from purser.bootstrap.billing import subscriptions
    from purser.bootstrap.trading_accounts import trading_accounts
    from purser.exchanges.model import TradeType, Venue
    from purser.plans.model import CATALOG
    from purser.trading_accounts.model import StrategyType
    from purser.trading_accounts.service import NewConnection

    balances = balances or {"USDT": "10000"}
    key = paper.key(spot=balances, futures=balances)
    user_id, account_id = str(uuid4()), str(uuid4())
    subscriptions().grant(user_id, CATALOG[2].id)
    trading_accounts().connect(
        NewConnection(
            account_id,
            user_id,
            Venue.BINANCE,
            TradeType(trade_type),
            StrategyType(strategy_type),
            "Default",
            key["apiKey"],
            key["secret"],
        )
    )
    return Trader(function, paper, user_id, key, account_id)
