"""The stored orders: all of an account by id and client id, and the open ones by symbol."""

from __future__ import annotations

from collections import defaultdict
from typing import Generic, Protocol, TypeVar

from local.doubles.binance.model import Trade
from local.doubles.kit.store import Store


class Listed(Protocol):
    """The fields of an order that a shelf reads."""

    id: int
    api_key: str
    symbol: str
    client_id: str

    @property
    def open(self) -> bool: ...


Item = TypeVar("Item", bound=Listed)


class Shelf(Generic[Item]):
    """Orders of one kind, of every account."""

    def __init__(self, store: Store, kind: str, item: type[Item], first_id: int):
        """Load the stored orders. New ids follow the greatest one."""
        self._store, self._kind = store, kind
        self._last_id = first_id
        self._all: defaultdict[str, dict[int, Item]] = defaultdict(dict)
        self._by_client_id: dict[tuple[str, str], Item] = {}
        self._open_by_symbol: defaultdict[str, dict[int, Item]] = defaultdict(dict)
        self._open_by_account: defaultdict[str, dict[int, Item]] = defaultdict(dict)
        for order in sorted((order for _, order in store.load(kind, item)), key=lambda order: order.id):
            self._last_id = order.id
            self._index(order)

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def save(self, order: Item) -> None:
        """Store a new order, or the changes of one."""
        self._index(order)
        self._store.put(self._kind, str(order.id), order)

    def _index(self, order: Item) -> None:
        self._all[order.api_key][order.id] = order
        self._by_client_id[order.api_key, order.client_id] = order
        for shelf in (self._open_by_symbol[order.symbol], self._open_by_account[order.api_key]):
            if order.open:
                shelf[order.id] = order
            else:
                shelf.pop(order.id, None)

    def of(self, api_key: str, symbol: str | None = None) -> list[Item]:
        """Return an account's orders, oldest first."""
        return [order for order in self._all[api_key].values() if symbol in (None, order.symbol)]

    def open_of(self, api_key: str, symbol: str | None = None) -> list[Item]:
        """Return an account's open orders, oldest first."""
        return [order for order in self._open_by_account[api_key].values() if symbol in (None, order.symbol)]

    def open_at(self, symbol: str) -> list[Item]:
        """Return every account's open orders of a market, oldest first."""
        return list(self._open_by_symbol[symbol].values())

    def get(self, api_key: str, order_id: int) -> Item | None:
        return self._all[api_key].get(order_id)

    def by_client_id(self, api_key: str, client_id: str) -> Item | None:
        """Return the latest order with a client id, because a closed order's id may be used again."""
        return self._by_client_id.get((api_key, client_id))


class TradeBook:
    """Executions of one venue, by account."""

    def __init__(self, store: Store, kind: str, first_id: int):
        self._store, self._kind = store, kind
        self._last_id = first_id
        self._all: defaultdict[str, list[Trade]] = defaultdict(list)
        for trade in sorted((trade for _, trade in store.load(kind, Trade)), key=lambda trade: trade.id):
            self._last_id = trade.id
            self._all[trade.api_key].append(trade)

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def add(self, trade: Trade) -> None:
        self._all[trade.api_key].append(trade)
        self._store.put(self._kind, str(trade.id), trade)

    def date(self, api_key: str, order_id: int, time: int) -> None:
        """Change the time of an order's trades."""
        for trade in self.of(api_key):
            if trade.order_id == order_id:
                trade.time = time
                self._store.put(self._kind, str(trade.id), trade)

    def of(self, api_key: str, symbol: str | None = None) -> list[Trade]:
        """Return an account's trades, oldest first."""
        return [trade for trade in self._all[api_key] if symbol in (None, trade.symbol)]
