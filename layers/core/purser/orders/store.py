"""Intents and the trading history in the Orders table.

    PK                      SK                            what
    KEY#<account id>        INTENT#<intent id>            an intent: the order and its progress
    OPEN#<shard>            <account id>#<symbol>         the order lock of an intent under way; deleted afterwards
    USER#<user>             MANUAL#<created at>#<id>      an order in the user's trading history; it never expires
    USER#<user>             STRATEGY#<created at>#<id>    an order that was placed for a strategy
    TO_BOOK#<shard>         <account id>#<intent id>      an ended trade of a strategy, until its books are closed

Intents expire (``expiresAt``) some time after they are final.
"""

from __future__ import annotations

from purser.aws.integrity import identity, stored_data_refused
from purser.aws.shards import shard_of
from purser.aws.tables import Item, Part, Table, Transaction
from purser.errors import Contended
from purser.orders.ended import EndedTrade, ended_trade
from purser.orders.intents import HistoryEntry, Intent, OrderLock, history_entry
from purser.orders.items import history_item, history_of, intent_item, intent_of
from purser.orders.ports import OrderLockLost, OrderLockTaken
from purser.work.store import Attributes, DynamoWorkStore, Layout

LIFETIME_S = 30 * 24 * 3600
OPEN_SHARDS = 8
"""The number of partitions of the locks. Locks are found by it, so it never changes."""

TO_BOOK_SHARDS = 8
"""The number of partitions of the ended trades. They are found by it, so it never changes."""

MANUAL, STRATEGY = "MANUAL", "STRATEGY"
"""The kinds of the trading history."""

NAMES = Attributes()


def _intent_key(trading_account_id: str, intent_id: str) -> tuple[str, str]:
    return f"KEY#{trading_account_id}", f"INTENT#{intent_id}"


def _lock_key(trading_account_id: str, symbol: str) -> tuple[str, str]:
    return f"OPEN#{shard_of(trading_account_id, OPEN_SHARDS)}", f"{trading_account_id}#{symbol}"


def _lock_item(lock: OrderLock) -> Item:
    pk, sk = _lock_key(*lock.key)
    return {
        "PK": pk,
        "SK": sk,
        "userId": lock.user_id,
        "tradingAccountId": lock.trading_account_id,
        "symbol": lock.symbol,
        "intentId": lock.intent_id,
        **NAMES.write(lock),
        "version": lock.version,
    }


def _lock_of(item: Item) -> OrderLock:
    account_id, _, symbol = item["SK"].partition("#")
    if (account_id, symbol) != (item["tradingAccountId"], item["symbol"]):
        raise stored_data_refused("an order lock differs from its key")
    return OrderLock(item["userId"], account_id, symbol, item["intentId"], **NAMES.read(item))


LOCKS = Layout(_lock_key, _lock_of, tuple(f"OPEN#{shard}" for shard in range(OPEN_SHARDS)), NAMES)


def _ended_key(trading_account_id: str, intent_id: str) -> tuple[str, str]:
    return f"TO_BOOK#{shard_of(intent_id, TO_BOOK_SHARDS)}", f"{trading_account_id}#{intent_id}"


def _ended_item(ended: EndedTrade) -> Item:
    pk, sk = _ended_key(*ended.key)
    return {
        "PK": pk,
        "SK": sk,
        "userId": ended.user_id,
        "endedAt": ended.ended_at,
        **NAMES.write(ended),
        "version": ended.version,
    }


def _ended_of(item: Item) -> EndedTrade:
    account_id, _, intent_id = item["SK"].partition("#")
    return EndedTrade(item["userId"], account_id, intent_id, int(item["endedAt"]), **NAMES.read(item))


ENDED_TRADES = Layout(_ended_key, _ended_of, tuple(f"TO_BOOK#{shard}" for shard in range(TO_BOOK_SHARDS)), NAMES)


class DynamoIntentStore:
    """The intent store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.locks = DynamoWorkStore(table, LOCKS)

    def begin(self, intent: Intent, lock: OrderLock, replaced: Intent | None = None) -> None:
        with Transaction() as write:
            self.beginning(write, intent, lock, replaced)

    def beginning(self, write: Transaction, intent: Intent, lock: OrderLock, replaced: Intent | None) -> None:
        """Add to a transaction what ``begin`` writes."""
        begun = self._table.putting(
            self._item(intent),
            condition="attribute_not_exists(PK) OR generation = :before",
            values={":before": intent.generation - 1},
        )
        write.add(self._moving(lock), refused=lambda item: OrderLockTaken(_lock_of(item)) if item else Contended())
        write.add(begun, refused=Contended)
        if replaced:
            write.add(self._table.putting(self._item(replaced)), *self._consequences(replaced))

    def _moving(self, lock: OrderLock) -> Part:
        """Return the write of the next version of a lock; the first creates it."""
        return self._table.putting(_lock_item(lock), at_version=lock.version - 1)

    def get(self, trading_account_id: str, intent_id: str) -> Intent | None:
        item = self._table.get(*_intent_key(trading_account_id, intent_id))
        if item is None:
            return None
        identity(item, "PK", "tradingAccountId")
        identity(item, "SK", "intentId")
        return intent_of(item)

    def keep(self, intent: Intent, lock: OrderLock, failed: Intent | None = None) -> None:
        with Transaction() as write:
            self.keeping(write, intent, lock, failed)

    def keeping(self, write: Transaction, intent: Intent, lock: OrderLock, failed: Intent | None = None) -> None:
        """Add to a transaction what ``keep`` writes."""
        self._add(write, self._moving(lock), *([failed, intent] if failed else [intent]))

    def finish(self, intent: Intent, lock: OrderLock) -> None:
        pk, sk = _lock_key(*lock.key)
        with Transaction() as write:
            self._add(write, self._table.deleting(pk, sk, at_version=lock.version), intent)

    def _add(self, write: Transaction, lock: Part, *intents: Intent) -> None:
        write.add(lock, refused=OrderLockLost)
        for intent in intents:
            write.add(self._table.putting(self._item(intent)), *self._consequences(intent))

    def _item(self, intent: Intent) -> Item:
        pk, sk = _intent_key(intent.trading_account_id, intent.id)
        expiry = intent.updated_at // 1000 + LIFETIME_S if intent.state.is_final else None
        return {"PK": pk, "SK": sk, "expiresAt": expiry} | intent_item(intent)

    def _consequences(self, intent: Intent) -> list[Part]:
        """Return the writes of what an intent comes to: its history entry, and the work of closing its books."""
        entry, ended = history_entry(intent), ended_trade(intent)
        parts = []
        if entry is not None:
            place = {"PK": f"USER#{intent.user_id}", "SK": _position(STRATEGY if entry.strategy else MANUAL, entry)}
            parts.append(self._table.putting(place | history_item(entry)))
        if ended is not None:
            # It may be there already, if the trade gave way before and has its order lock back.
            parts.append(self._table.putting(_ended_item(ended)))
        return parts

    def unchanged(self, trading_account_id: str, symbol: str, lock: OrderLock | None) -> Part:
        """Return the check that the order lock of a symbol still has the same intent, or is still free."""
        pk, sk = _lock_key(trading_account_id, symbol)
        if lock is None:
            return self._table.checking(pk, sk, condition="attribute_not_exists(PK)")
        return self._table.checking(pk, sk, condition="intentId = :intent", values={":intent": lock.intent_id})

    def open_symbols(self, trading_account_id: str) -> list[str]:
        """Return the symbols of an account whose order lock is taken: a trade is open, or an order is under way."""
        pk, prefix = _lock_key(trading_account_id, "")
        values = {":pk": pk, ":prefix": prefix}
        locks = self._table.query("PK = :pk AND begins_with(SK, :prefix)", values, consistent=True)
        return [lock["symbol"] for lock in locks]


class DynamoTradeHistoryStore:
    """The history store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def page(
        self, user_id: str, kind: str, since: int, before: str | None, limit: int
    ) -> list[tuple[str, HistoryEntry]]:
        first, end = f"{kind}#{since:013d}", f"{kind}#~"
        last = min(before or end, end)
        if last < first:
            return []
        items = self._table.query(
            "PK = :pk AND SK BETWEEN :first AND :last",
            {":pk": f"USER#{user_id}", ":first": first, ":last": last},
            newest_first=True,
            limit=limit + (1 if before else 0),
        )
        return [(item["SK"], history_of(item)) for item in items if item["SK"] != before][:limit]


def _position(kind: str, entry: HistoryEntry) -> str:
    return f"{kind}#{entry.created_at:013d}#{entry.id}"
