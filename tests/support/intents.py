"""Manual orders at a paper exchange, with the other ports in memory, for interrupting them at every point."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self, TypeVar

from purser.errors import (
    Contended,
    ExchangeAuthorizationFailed,
    ExchangeError,
    ExchangeUnavailable,
    NotFound,
    Unavailable,
)
from purser.exchanges.budget import Purpose
from purser.exchanges.ccxt_gateway import Call
from purser.exchanges.ccxt_orders import CcxtOrderDesk
from purser.exchanges.model import ApiCredential, TradeType
from purser.exchanges.orders import NewOrder, Order
from purser.orders.ended import EndedTrade, ended_trade
from purser.orders.intent_runner import IntentRunner
from purser.orders.intents import Intent, OrderLock, State
from purser.orders.placing import Placement
from purser.orders.ports import IntentStore, OrderLockLost, OrderLockTaken
from purser.orders.reconciling import Reconciler
from purser.orders.service import Orders
from purser.trading_accounts.model import ApiKeyStatus, TradingAccount
from tests.support.accounts import trading_account
from tests.support.crashes import Scissors
from tests.support.fakes import FakeClock, FakeQueue
from tests.support.work import FakeWorkStore

T = TypeVar("T")
USER_ID = "user"
RUN_LIMIT_MS = 27_000
"""The time after which Lambda ends a run of the reconciler."""


class IntentsKept(IntentStore, Protocol):
    """An intent store whose content can be inspected."""

    @property
    def intents(self) -> Mapping[tuple[str, str], Intent]:
        """Return all intents by trading account and id."""

    @property
    def stored_locks(self) -> Sequence[OrderLock]:
        """Return all order locks."""


class FakeIntents:
    """The intent store in memory, with atomic writes."""

    def __init__(self, scissors: Scissors) -> None:
        self.intents: dict[tuple[str, str], Intent] = {}
        self.locks = FakeWorkStore[OrderLock]()
        self.ended_trades = FakeWorkStore[EndedTrade]()
        self._scissors = scissors

    @property
    def stored_locks(self) -> Sequence[OrderLock]:
        return list(self.locks.records.values())

    def begin(
        self, intent: Intent, lock: OrderLock, replaced: Intent | None = None, also: Callable[[], None] = lambda: None
    ) -> None:
        def write() -> None:
            key = (intent.trading_account_id, intent.id)
            taken = self.locks.get(*lock.key)
            if (taken.version if taken else 0) != lock.version - 1:
                raise OrderLockTaken(taken) if taken else Contended
            if key in self.intents and self.intents[key].generation != intent.generation - 1:
                raise Contended
            self.locks.put(lock)
            self.intents[key] = intent
            if replaced is not None:
                self._put(replaced)
            also()

        self._scissors.cut(write)

    def get(self, trading_account_id: str, intent_id: str) -> Intent | None:
        return self.intents.get((trading_account_id, intent_id))

    def keep(
        self,
        intent: Intent,
        lock: OrderLock,
        failed: Intent | None = None,
        also: Callable[[], None] = lambda: None,
    ) -> None:
        self._write(lambda: self.locks.advance(lock), *([failed, intent] if failed else [intent]), also=also)

    def finish(self, intent: Intent, lock: OrderLock) -> None:
        self._write(lambda: self.locks.finish(lock), intent)

    def _write(self, move: Callable[[], bool], *intents: Intent, also: Callable[[], None] = lambda: None) -> None:
        def write() -> None:
            if not move():
                raise OrderLockLost
            for intent in intents:
                self._put(intent)
            also()

        self._scissors.cut(write)

    def _put(self, intent: Intent) -> None:
        self.intents[intent.trading_account_id, intent.id] = intent
        ended = ended_trade(intent)
        if ended is not None:
            self.ended_trades.put(ended)


class FakeAccess:
    """Access to one futures account that records its key status, or fails to while it is ``down``."""

    down = False

    def __init__(self, credential: ApiCredential) -> None:
        self.credential = credential
        self.account = trading_account(credential.api_key, USER_ID, trade_type=TradeType.FUTURES)

    def get(self, user_id: str, trading_account_id: str) -> tuple[TradingAccount, ApiCredential]:
        if (user_id, trading_account_id) != (USER_ID, self.account.id):
            raise NotFound
        return self.account, self.credential

    @contextmanager
    def recording_key_status(self, account: TradingAccount) -> Iterator[None]:
        try:
            yield
        except ExchangeAuthorizationFailed:
            self.account = replace(self.account, active=False, api_key_status=ApiKeyStatus.UNAUTHORIZED)
            raise
        finally:
            if self.down:
                raise Unavailable


@dataclass
class FakeTelemetry:
    """Records failures."""

    troubles: list[tuple[State, ExchangeError]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    abandoned_intents: list[Intent] = field(default_factory=list)
    unprotected_intents: list[Intent] = field(default_factory=list)

    def troubled(self, intent: Intent, error: ExchangeError) -> None:
        self.troubles.append((intent.state, error))

    def abandoned(self, intent: Intent) -> None:
        self.abandoned_intents.append(intent)

    def unprotected(self, intent: Intent) -> None:
        self.unprotected_intents.append(intent)

    def failed(self, intent_id: str, error: Exception) -> None:
        self.failures.append(error)

    def reconciled(self, finished: int, resting: int, unknown: int) -> None:
        return


class CutDesk(CcxtOrderDesk):
    """An order desk whose signed calls can be interrupted, and whose entries can arrive after the caller gave up."""

    scissors = Scissors()
    late: Callable[[], Order] | None = None
    comes_late = False

    def spending(self, purpose: Purpose) -> Self:
        """Return this desk itself, so that all purposes share its interruptions."""
        self._purpose = purpose
        return self

    def place(self, credential: ApiCredential, symbol: str, order: NewOrder) -> Order:
        if self.comes_late and not order.reduce_only and not order.close_position:
            self.comes_late, self.late = False, lambda: self.place(credential, symbol, order)
            raise ExchangeUnavailable
        return super().place(credential, symbol, order)

    def _ask(
        self,
        call: Call,
        parse: Callable[[Any], T],
        credential: ApiCredential | None = None,
        params: Mapping[str, str] | None = None,
        go_on: Callable[[], None] | None = None,
    ) -> T:
        def ask() -> T:
            return super(CutDesk, self)._ask(call, parse, credential, params, go_on)

        return ask() if credential is None else self.scissors.cut(ask)


class World:
    """The orders of one new account, from request to reconciler."""

    def __init__(
        self,
        desk: CutDesk,
        clock: FakeClock,
        credential: ApiCredential,
        store: IntentsKept | None = None,
        sleep: Callable[[float], None] = lambda _: None,
        wait: Callable[[float], None] | None = None,
    ) -> None:
        self.clock = clock
        self.desk = desk
        self.scissors = desk.scissors = Scissors()
        self.store = store or FakeIntents(self.scissors)
        self.access = FakeAccess(credential)
        self.telemetry = FakeTelemetry()

        def placement(given: ApiCredential, intent: Intent) -> Placement:
            return Placement(desk.spending(Purpose.CLOSING), given, intent, clock, sleep)

        def pass_time(seconds: float) -> None:
            clock.advance(round(seconds * 1000))

        def changed(before: Intent, after: Intent) -> None:
            self.follow(before, after)

        runner = IntentRunner(self.store, self.access, placement, self.telemetry, clock, changed)
        self.orders = Orders(self.store, self.access, desk, runner, clock)
        self.reconciler = Reconciler(self.store, runner, self.telemetry, clock, FakeQueue(), sleep=wait or pass_time)

    follow: Callable[[Intent, Intent], None] = staticmethod(lambda *_: None)
    """What is told of intents that change."""

    @property
    def account_id(self) -> str:
        return self.access.account.id

    def reconcile(self, runs: int = 3) -> None:
        """Reconcile in a new process, a minute later."""
        self.scissors.at = -1
        for _ in range(runs):
            self.clock.advance(70_000)
            self.reconciler.run(RUN_LIMIT_MS)
