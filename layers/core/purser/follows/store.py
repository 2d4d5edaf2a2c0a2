"""Follows in the Keys table: ``PK=USER#<user>, SK=FOLLOW#<account id>#<symbol>``.

An active follow is in ``FollowersIndex``, by its strategy.

The key allows an account one strategy of a symbol. A follow begins in one transaction with the next version of its
account, so that disconnecting the account ends all its follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

from purser.aws.integrity import stored_data_refused
from purser.aws.tables import ConditionFailed, Item, Part, Table, Transaction, setting
from purser.errors import SymbolFollowed, TradingAccountInactive
from purser.follows.model import Follow, FollowChange, Follower, OnStop, Protections, TradeClosing
from purser.keys_table import FOLLOWER_SHARDS, account_sk, followed_by, followers_pk, follows_sk, user_pk
from purser.orders.intents import Intent
from purser.orders.store import DynamoIntentStore
from purser.retrying import until_fresh_from
from purser.trading_accounts.store.versions import changing
from purser.work.model import FIRST_MESSAGE_MS
from purser.work.store import Attributes, DynamoWorkStore, Layout

PROTECTIONS = {
    "max_slippage_percent": "maxSlippagePercent",
    "max_leverage": "maxLeverage",
    "min_equity_usd": "minEquityUSD",
    "max_equity_usd": "maxEquityUSD",
    "on_stop": "onStop",
}
"""The attributes of protections, by field. One that is not set is missing."""


CLOSINGS = "CLOSINGS"
NAMES = Attributes()


def follow_sk(follow: Follow) -> str:
    """Return the sort key of a follow."""
    return f"{follows_sk(follow.trading_account_id)}{follow.symbol}"


class _Stale(Exception):
    """The follow has changed since it was read."""


class _Taken(Exception):
    """The account already follows a strategy of the symbol."""

    def __init__(self, by: Follow) -> None:
        super().__init__()
        self.by = by


class DynamoFollowStore:
    """The follow store on DynamoDB. Without ``closings``, the trades of follows that stop are kept."""

    def __init__(self, table: Table, closings: DynamoTradeClosingStore | None = None) -> None:
        self._table = table
        self._closings = closings

    def of_account(self, user_id: str, trading_account_id: str) -> list[Follow]:
        return self._query(user_id, follows_sk(trading_account_id))

    def _query(self, user_id: str, begin: str) -> list[Follow]:
        values = {":pk": user_pk(user_id), ":begin": begin}
        items = self._table.query("PK = :pk AND begins_with(SK, :begin)", values, consistent=True)
        return [follow_of(user_id, item) for item in items]

    def find(self, user_id: str, follow_id: str) -> Follow | None:
        """Return one of the user's follows, or None, by a query of them all: there are few."""
        return next((follow for follow in self._query(user_id, "FOLLOW#") if follow.id == follow_id), None)

    def add(self, follow: Follow) -> Follow:
        account, on = follow.trading_account_id, {":on": True}
        mark = changing(self._table, follow.user_id, account, "", on, condition="active = :on")
        new = self._table.putting(_item(follow), condition="attribute_not_exists(PK)")
        try:
            with Transaction() as write:
                # First, because an existing follow is returned even if its account is inactive by now.
                write.add(new, refused=lambda existing: _Taken(follow_of(follow.user_id, existing)))
                write.add(mark, refused=TradingAccountInactive)
        except _Taken as taken:
            if taken.by.id != follow.id:
                raise SymbolFollowed from None
            return taken.by
        return follow

    def change(self, follow: Follow, change: FollowChange, now: int) -> Follow | None:
        """Update a follow, and check in the same transaction that its account is active if the follow is activated.

        Its place in the index depends on what does not change, too.
        """

        def attempt(known: Follow | None) -> bool:
            if known is None:
                return False
            with Transaction() as write:
                write.add(self._changing(known, change, now), refused=_Stale)
                if change.active:
                    pk, account = user_pk(follow.user_id), account_sk(follow.trading_account_id)
                    check = self._table.checking(pk, account, condition="active = :on", values={":on": True})
                    write.add(check, refused=TradingAccountInactive)
                if change.stops(known):
                    on_stop = change.protections.get("on_stop", known.protections.on_stop)
                    self._close_trade(write, known, on_stop, now)
            return True

        known: Follow | None = follow
        read = partial(self.find, follow.user_id, follow.id)
        return read() if until_fresh_from(known, attempt, read, stale=_Stale) else None

    def _changing(self, known: Follow, change: FollowChange, now: int) -> Part:
        given: dict[str, Any] = {
            "active": change.active,
            "strategyId": change.strategy_id,
            "riskProfileId": change.risk_profile_id,
        }
        given = {name: value for name, value in given.items() if value is not None} | {"updatedAt": now}
        given |= {PROTECTIONS[name]: value for name, value in change.protections.items()}
        active, strategy_id = given.get("active", known.active), given.get("strategyId", known.strategy_id)
        given["followedBy"] = followed_by(strategy_id, known.id) if active else None
        expression, values, names = setting(given | {"suspended": None} if "active" in given else given)
        values |= {":id": known.id, ":was": known.active, ":before": known.strategy_id}
        condition = "followId = :id AND active = :was AND strategyId = :before"
        pk, sk = user_pk(known.user_id), follow_sk(known)
        return self._table.updating(pk, sk, expression, values, condition=condition, names=names)

    def _close_trade(self, write: Transaction, follow: Follow, on_stop: OnStop | None, now: int) -> None:
        if on_stop is OnStop.CLOSE and self._closings:
            self._closings.begin(write, follow, now, refused=_Stale)

    def end(self, follow: Follow, now: int) -> bool:
        def attempt(known: Follow | None) -> bool:
            if known is None:
                return False
            with Transaction() as write:
                write.add(
                    self._table.deleting(
                        user_pk(known.user_id),
                        follow_sk(known),
                        condition="followId = :id AND strategyId = :strategy",
                        values={":id": known.id, ":strategy": known.strategy_id},
                    ),
                    refused=_Stale,
                )
                self._close_trade(write, known, known.protections.on_stop, now)
            return True

        known: Follow | None = follow
        return until_fresh_from(known, attempt, partial(self.find, follow.user_id, follow.id), stale=_Stale)

    def followers(self, strategy_id: str) -> Iterator[Follower]:
        """Yield the active follows of a strategy. The index lags a little, and may name one that has just ended."""
        for shard in range(FOLLOWER_SHARDS):
            values = {":pk": followers_pk(strategy_id, shard)}
            for item in self._table.query("followedBy = :pk", values, index="FollowersIndex"):
                yield Follower(item["PK"].removeprefix(user_pk("")), item["followerId"], item["followId"])

    def index(self, follow: Follow) -> bool:
        """Put an active follow into the index that was stored before there was one. Return False if it has changed."""
        values = {":pk": followed_by(follow.strategy_id, follow.id), ":on": True, ":strategy": follow.strategy_id}
        condition = "active = :on AND strategyId = :strategy AND followId = :id"
        pk, sk = user_pk(follow.user_id), follow_sk(follow)
        try:
            self._table.update(pk, sk, "SET followedBy = :pk", values | {":id": follow.id}, condition=condition)
        except ConditionFailed:
            return False
        return True


def _closing_key(trading_account_id: str, trade_id: str) -> tuple[str, str]:
    return CLOSINGS, f"{trading_account_id}#{trade_id}"


def _closing_item(closing: TradeClosing) -> Item:
    pk, sk = _closing_key(*closing.key)
    known = {"userId": closing.user_id, "stoppedAt": closing.stopped_at, "version": closing.version}
    return {"PK": pk, "SK": sk, **known, **NAMES.write(closing)}


def _closing_of(item: Item) -> TradeClosing:
    account_id, _, trade_id = item["SK"].partition("#")
    return TradeClosing(item["userId"], account_id, trade_id, int(item["stoppedAt"]), **NAMES.read(item))


CLOSING_LAYOUT = Layout(_closing_key, _closing_of, (CLOSINGS,), NAMES)


class DynamoTradeClosingStore(DynamoWorkStore[TradeClosing]):
    """The store of the closings of trades, in the Orders table: ``PK=CLOSINGS, SK=<account id>#<trade id>``."""

    def __init__(self, table: Table, intents: DynamoIntentStore) -> None:
        super().__init__(table, CLOSING_LAYOUT)
        self._intents = intents

    def begin(self, write: Transaction, follow: Follow, now: int, refused: type[Exception]) -> None:
        """Add the closing of a follow's open trade to the transaction that stops the follow.

        A trade begins in a transaction that needs the follow and takes the order lock. So this one, which needs the
        lock as it is, comes before or after it: ``refused`` is raised if the lock has another intent by now.
        """
        account_id, symbol = follow.trading_account_id, follow.symbol
        lock = self._intents.locks.get(account_id, symbol)
        write.add(self._intents.unchanged(account_id, symbol, lock), refused=refused)
        trade = self._trade(account_id, lock.intent_id if lock else None, follow)
        if trade is None:
            return
        due_at = now + FIRST_MESSAGE_MS
        closing = TradeClosing(follow.user_id, account_id, trade.id, now, due_at=due_at)
        if self.get(*closing.key) is None:
            write.add(
                self._table.putting(_closing_item(closing), condition="attribute_not_exists(PK)"), refused=refused
            )

    def _trade(self, account_id: str, intent_id: str | None, follow: Follow) -> Intent | None:
        """Return the trade of a follow that has the order lock, or that an intent which has it may hand it back to."""
        intent = self._intents.get(account_id, intent_id) if intent_id else None
        if intent is None:
            return None
        trade = intent.strategy
        if trade is None:
            return self._trade(account_id, intent.replaces, follow)
        return intent if (trade.follow_id, trade.strategy_id) == (follow.id, follow.strategy_id) else None

    def waiting(self, trading_account_id: str) -> list[TradeClosing]:
        values = {":pk": CLOSINGS, ":account": f"{trading_account_id}#"}
        items = self._table.query("PK = :pk AND begins_with(SK, :account)", values, consistent=True)
        return [_closing_of(item) for item in items]


def _item(follow: Follow) -> Item:
    # Not tradingAccountId, because an index of the table contains every item with that attribute.
    return {
        "PK": user_pk(follow.user_id),
        "SK": follow_sk(follow),
        "followId": follow.id,
        "followerId": follow.trading_account_id,
        "symbol": follow.symbol,
        "strategyId": follow.strategy_id,
        "riskProfileId": follow.risk_profile_id,
        "active": follow.active,
        "createdAt": follow.created_at,
        "updatedAt": follow.updated_at,
        "followedBy": followed_by(follow.strategy_id, follow.id) if follow.active else None,
        **{attribute: getattr(follow.protections, name) for name, attribute in PROTECTIONS.items()},
    }


def follow_of(user_id: str, item: Item) -> Follow:
    """Return the follow in an item."""
    if item["SK"] != f"{follows_sk(item['followerId'])}{item['symbol']}":
        raise stored_data_refused("a follow differs from its key")
    return Follow(
        id=item["followId"],
        user_id=user_id,
        trading_account_id=item["followerId"],
        symbol=item["symbol"],
        strategy_id=item["strategyId"],
        risk_profile_id=item["riskProfileId"],
        active=item["active"],
        created_at=int(item["createdAt"]),
        updated_at=int(item["updatedAt"]),
        suspended=item.get("suspended", False),
        protections=_protections_of(item),
    )


def _protections_of(item: Item) -> Protections:
    def amount(name: str) -> Decimal | None:
        return Decimal(item[name]) if name in item else None

    return Protections(
        max_slippage_percent=amount("maxSlippagePercent"),
        max_leverage=int(item["maxLeverage"]) if "maxLeverage" in item else None,
        min_equity_usd=amount("minEquityUSD"),
        max_equity_usd=amount("maxEquityUSD"),
        on_stop=OnStop(item["onStop"]) if "onStop" in item else None,
    )
