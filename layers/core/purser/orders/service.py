"""The use cases at an exchange: read orders and positions, order, clear, set leverage and margin type."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from purser.errors import (
    ExchangeBadRequest,
    ExchangeUnavailable,
    IdempotencyKeyReused,
    InvalidInput,
    RequestInFlight,
    StrategyTypeMismatch,
    TradeTypeUnsupported,
    TradingAccountInactive,
)
from purser.exchanges.budget import Purpose
from purser.exchanges.model import ApiCredential, TradeType
from purser.exchanges.orders import Contract, MarginType, Order, OrderDesk, Position, Trade
from purser.orders.intent_runner import IntentRunner
from purser.orders.intents import LEASE_AFTER_MS, ORDER_TIME_MS, Intent, OrderLock, State
from purser.orders.model import ManualOrder, errors_at_market, legs_of, refusal_by_capacity
from purser.orders.ports import IntentStore, OrderLockLost, OrderLockTaken
from purser.ports import Access
from purser.trading_accounts.model import StrategyType, TradingAccount

BEGIN_TRIES = 4
Begin = Callable[[Intent, OrderLock, Intent | None], None]
"""Stores a new intent and takes its order lock, as ``IntentStore.begin`` does."""

Keep = Callable[[Intent, OrderLock], None]
"""Stores an intent and its leased order lock, as ``IntentStore.keep`` does."""


class Orders:
    """The use cases. ``now`` gives Unix milliseconds.

    Every method raises ``NotFound`` for an account that is not the user's, ``ExchangeSymbolInvalid`` for a symbol that
    the venue does not list, and ``ExchangeError`` if the exchange refuses or fails. An account whose credential it
    refuses becomes inactive.
    """

    def __init__(
        self, store: IntentStore, accounts: Access, desk: OrderDesk, runner: IntentRunner, now: Callable[[], int]
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._desk = desk
        self._runner = runner
        self._now = now

    def open_orders(self, user_id: str, trading_account_id: str, symbol: str) -> Sequence[Order]:
        """Return the symbol's open orders, oldest first."""
        account, credential = self._accounts.get(user_id, trading_account_id)
        with self._accounts.recording_key_status(account):
            return self._desk.open_orders(credential, account.trade_type, symbol)

    def order_history(self, user_id: str, trading_account_id: str, symbol: str, limit: int) -> Sequence[Order]:
        """Return the symbol's latest orders, newest first."""
        account, credential = self._accounts.get(user_id, trading_account_id)
        with self._accounts.recording_key_status(account):
            return self._desk.order_history(credential, account.trade_type, symbol, limit)

    def trade_history(self, user_id: str, trading_account_id: str, symbol: str, limit: int) -> Sequence[Trade]:
        """Return the symbol's latest trades, newest first."""
        account, credential = self._accounts.get(user_id, trading_account_id)
        with self._accounts.recording_key_status(account):
            return self._desk.trade_history(credential, account.trade_type, symbol, limit)

    def position(self, user_id: str, trading_account_id: str, symbol: str) -> Position | None:
        """Return the symbol's open position, or None.

        Raises:
            StrategyTypeMismatch: the account trades SPOT.
        """
        account, credential = self._futures_account(user_id, trading_account_id)
        with self._accounts.recording_key_status(account):
            return self._desk.position(credential, symbol)

    def set_leverage(self, user_id: str, trading_account_id: str, symbol: str, leverage: int) -> None:
        """Change the symbol's leverage.

        Raises:
            StrategyTypeMismatch: the account trades SPOT.
            ExchangeBadRequest: the leverage is more than the symbol or the wallet allows.
        """
        account, credential = self._futures_account(user_id, trading_account_id)
        with self._accounts.recording_key_status(account):
            self._desk.spending(Purpose.ORDERING).set_leverage(credential, symbol, leverage)

    def set_margin_type(self, user_id: str, trading_account_id: str, symbol: str, margin_type: MarginType) -> None:
        """Change the symbol's margin type. The current one is not an error.

        Raises:
            StrategyTypeMismatch: the account trades SPOT.
            ExchangeBadRequest: there is a position or an open order.
        """
        account, credential = self._futures_account(user_id, trading_account_id)
        with self._accounts.recording_key_status(account):
            self._desk.spending(Purpose.ORDERING).set_margin_type(credential, symbol, margin_type)

    def _futures_account(self, user_id: str, trading_account_id: str) -> tuple[TradingAccount, ApiCredential]:
        account, credential = self._accounts.get(user_id, trading_account_id)
        if account.trade_type is not TradeType.FUTURES:
            raise StrategyTypeMismatch
        return account, credential

    def clear_position(self, user_id: str, trading_account_id: str, symbol: str) -> None:
        """Close the symbol's position and cancel its open orders.

        Raises:
            StrategyTypeMismatch: the account trades SPOT.
            RequestInFlight: an order of the symbol is being placed.
            ExchangeBadRequest: the exchange refuses to close the position, which keeps its orders.
            ExchangeUnavailable: the outcome is unknown. The reconciler tries to complete it for three minutes.
        """
        deadline = self._now() + ORDER_TIME_MS
        account, credential = self._futures_account(user_id, trading_account_id)
        self._desk.spending(Purpose.CLOSING).contract(symbol)
        now = self._now()
        clearing = Intent(str(uuid.uuid4()), user_id, account.id, symbol, created_at=now, updated_at=now)
        self._run(account, credential, clearing, deadline)

    def create(self, user_id: str, trading_account_id: str, intent_id: str, order: ManualOrder) -> Sequence[Order]:
        """Place a manual order: entry, take-profits and stop, or nothing.

        A repeated id completes or returns the first try, or tries again after one that failed.

        Returns:
            All orders placed: entry, take-profits, stop.

        Raises:
            StrategyTypeMismatch: the account is not MANUAL.
            TradeTypeUnsupported: the account does not trade FUTURES.
            TradingAccountInactive: the account is disabled.
            InvalidInput: the order breaks rules of the market; names all of them. Nothing was changed.
            RequestInFlight: an order of the symbol is being placed.
            IdempotencyKeyReused: the id belongs to another order.
            ExchangeBadRequest: the account cannot carry it, and nothing was changed; or the exchange refuses it. Then
                nothing of it is left, but the symbol may have been cleared.
            ExchangeUnavailable: nothing of it is left, or the outcome is unknown and the reconciler will find it.
        """
        deadline = self._now() + ORDER_TIME_MS
        account, credential = self._accounts.get(user_id, trading_account_id)
        _check_may_order(account)
        contract = self._desk.spending(Purpose.ORDERING).contract(order.symbol)
        earlier = self._earlier(account.id, intent_id, deadline)
        if earlier is not None and not earlier.came_to_nothing:
            if earlier.order != order:
                raise IdempotencyKeyReused
            return earlier.placed
        self._check(account, credential, order, contract)
        generation = earlier.generation + 1 if earlier else 1
        now = self._now()
        intent = Intent(
            intent_id,
            user_id,
            account.id,
            order.symbol,
            created_at=now,
            updated_at=now,
            generation=generation,
            order=order,
            legs=legs_of(order, contract, intent_id, generation),
        )
        return self._run(account, credential, intent, deadline).placed

    def _check(
        self, account: TradingAccount, credential: ApiCredential, order: ManualOrder, contract: Contract
    ) -> None:
        """Check the rules of the market, position mode and margin, before anything is changed."""
        desk = self._desk.spending(Purpose.ORDERING)
        last = desk.ticker(order.symbol, TradeType.FUTURES).last
        if last is None:
            raise ExchangeUnavailable
        field_errors = errors_at_market(order, contract, last)
        if field_errors:
            raise InvalidInput(field_errors)
        with self._accounts.recording_key_status(account):
            capacity = desk.capacity(credential, order.symbol)
        refusal = refusal_by_capacity(order, capacity, last)
        if refusal is not None:
            raise ExchangeBadRequest(detail=refusal)

    def _earlier(self, trading_account_id: str, intent_id: str, deadline: int) -> Intent | None:
        """Return the earlier try under the same id, reconciled if it was interrupted or is unknown."""
        earlier = self._store.get(trading_account_id, intent_id)
        if earlier is None or earlier.state.is_final or earlier.state is State.RESTING:
            return earlier
        lock = self._store.locks.get(trading_account_id, earlier.symbol)
        if lock is not None and lock.intent_id == intent_id:
            self._reconcile(lock, deadline)
        return self._store.get(trading_account_id, intent_id)

    def run(
        self,
        account: TradingAccount,
        credential: ApiCredential,
        intent: Intent,
        deadline: int,
        begin: Begin,
        may_act: Callable[[Intent], bool],
    ) -> Intent:
        """Run an intent that ``begin`` stores, unless it may not act any more once it has its lock.

        No entry is sent without time for its stop before ``deadline`` (Unix ms).

        Returns:
            The intent: FAILED if it may not act, else DONE or RESTING.

        Raises:
            RequestInFlight, ExchangeError: as ``create``.
        """
        begun, lock = self._begin(intent, deadline, begin)
        if not may_act(begun):
            return self._runner.withdraw(begun, lock)
        return self._runner.run(account, credential, begun, lock, deadline)

    def close(
        self,
        account: TradingAccount,
        credential: ApiCredential,
        trade: Intent,
        signal_id: str | None,
        deadline: int,
        keep: Keep,
    ) -> Intent:
        """Close what a strategy's trade holds at the market, and nothing that its user has added, and cancel its exits.

        ``keep`` stores that it is to be closed, for ``signal_id`` if a signal asks for it. From then on, the reconciler
        does so if this is cut.

        Returns:
            The trade, which is final, or another intent has taken its order lock.

        Raises:
            RequestInFlight: an order of the symbol is being placed, or the symbol is being cleared.
            ExchangeError: it is not closed yet.
        """
        lock = self._store.locks.get(trade.trading_account_id, trade.symbol)
        current = self._store.get(trade.trading_account_id, lock.intent_id) if lock else None
        if current is not None and lock is not None and current.id == trade.id and current.state is not State.RESTING:
            # Its position gets its stop first.
            current, lock = self._reconcile(lock, deadline)
        if current is not None and current.replaces == trade.id and current.state is not State.RESTING:
            # If that comes to nothing, the trade is still there.
            raise _in_flight()
        if lock is None or current is None or current.id != trade.id or current.state is not State.RESTING:
            return self._store.get(trade.trading_account_id, trade.id) or trade
        if lock.leased_until > self._now():
            raise _in_flight()
        closing, taken = current.closing(signal_id, self._now()), lock.leased(deadline + LEASE_AFTER_MS)
        try:
            keep(closing, taken)
        except OrderLockLost:
            raise _in_flight() from None
        return self._runner.end(account, credential, closing, taken, deadline)

    def _run(self, account: TradingAccount, credential: ApiCredential, intent: Intent, deadline: int) -> Intent:
        begun, lock = self._begin(intent, deadline, self._store.begin)
        return self._runner.run(account, credential, begun, lock, deadline)

    def _begin(self, intent: Intent, deadline: int, begin: Begin) -> tuple[Intent, OrderLock]:
        """Take the order lock of the intent, after reconciling the intent that left it."""
        until = deadline + LEASE_AFTER_MS
        owner = intent.user_id, intent.trading_account_id, intent.symbol, intent.id
        lock = OrderLock(*owner, leased_until=until, due_at=until)
        replaced: Intent | None = None
        for _ in range(BEGIN_TRIES):
            try:
                begin(intent, lock, replaced)
                return intent, lock
            except OrderLockTaken as taken:
                left, left_lock = self._left_by(taken.lock, intent, deadline)
            # A resting entry gives way, since the new intent begins by clearing the symbol.
            replaced = left.at(State.DONE, self._now()) if left.state is State.RESTING else None
            if replaced is not None:
                self._runner.changed(left, replaced)
            intent = replace(intent, replaces=left.id if replaced else None)
            lock = replace(lock, version=left_lock.version + 1 if replaced else 1)
        raise _in_flight()

    def _left_by(self, lock: OrderLock, successor: Intent, deadline: int) -> tuple[Intent, OrderLock]:
        """Return the intent that left a lock, reconciled, and the lock.

        If it rests, and the last look at it failed, it gives way to a manual order as it is: closing a position must
        not depend on look-ups. Nothing can arrive any more that was sent for it, because its lease is over.
        """
        if successor.strategy is None and not lock.is_resting and lock.leased_until <= self._now():
            left = self._store.get(lock.trading_account_id, lock.intent_id)
            if left is not None and left.state is State.RESTING:
                return left, lock
        return self._reconcile(lock, deadline)

    def _reconcile(self, lock: OrderLock, deadline: int) -> tuple[Intent, OrderLock]:
        if lock.leased_until > self._now():
            raise _in_flight()
        try:
            return self._runner.reconcile(lock, deadline)
        except OrderLockLost:
            raise _in_flight() from None


def _in_flight() -> RequestInFlight:
    return RequestInFlight("an order of this symbol is still being placed")


def _check_may_order(account: TradingAccount) -> None:
    if account.strategy_type is not StrategyType.MANUAL:
        raise StrategyTypeMismatch
    if account.trade_type is not TradeType.FUTURES:
        raise TradeTypeUnsupported
    if not account.active:
        raise TradingAccountInactive
