"""Fakes over the ports: the whole domain runs on them without AWS and without an exchange."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

from purser.audit.model import AuditEntry
from purser.clock import day_of
from purser.credentials.model import SealedCredential
from purser.disconnecting.model import Cancellation, StillCancelling
from purser.enforcement.model import Change, PlanUsage
from purser.errors import (
    AlreadyConnected,
    ExchangeAuthorizationFailed,
    ExchangeSymbolInvalid,
    IdempotencyKeyReused,
    PurserError,
)
from purser.exchanges.model import (
    AccountBalance,
    ApiCredential,
    AssetBalance,
    KeyCheck,
    PastBalance,
    Prices,
    Ticker,
    TradeType,
    Venue,
)
from purser.follows.model import Follow
from purser.operations.model import Operation
from purser.plans.model import Plan
from purser.trading_accounts.key_status import CONFIRMING_MS, WIDESPREAD
from purser.trading_accounts.model import (
    AccountRef,
    AccountValuation,
    ApiKeyStatus,
    ConnectedAccounts,
    StaleAccounts,
    TradingAccount,
)
from tests.support.accounts import trading_account
from tests.support.work import FakeWorkStore


class FakeClock:
    """A clock in Unix ms that only tests move."""

    def __init__(self, now: int = 1_700_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, milliseconds: int) -> None:
        self.now += milliseconds


def connected_account(user_id: str, id: str, valuation: AccountValuation | None = None) -> TradingAccount:
    """Return an active spot account for manual trading, with a name and API key of its own."""
    return trading_account(id, user_id, name=f"account {id}", api_key=f"api-key-{id}", valuation=valuation)


class OtherContext(Exception):
    """A ciphertext was to be decrypted with another context than that of its encryption."""


class FakeVault:
    """'Encrypts' so that a wrong context is noticed. As with KMS, no two ciphertexts are the same."""

    def encrypt(self, plaintext: str, context: Mapping[str, str]) -> bytes:
        return json.dumps([sorted(context.items()), plaintext[::-1], uuid4().hex]).encode()

    def decrypt(self, ciphertext: bytes, context: Mapping[str, str]) -> str:
        bound, reversed_text, _ = json.loads(ciphertext)
        if dict(bound) != dict(context):
            raise OtherContext
        return str(reversed_text)[::-1]


@dataclass
class FakeKey:
    """An API key at the fake exchange."""

    secret: str
    balances: dict[str, Decimal]
    withdrawals: bool = False
    open_orders: int = 0
    past: dict[str, dict[str, Decimal]] = field(default_factory=dict)


@dataclass
class FakeExchange:
    """An exchange with keys.

    ``on_enter`` happens in every call. ``failing`` is raised by every call while it is set, ``refusing_to_cancel`` once
    orders are to be cancelled. ``meanwhile`` happens once, while the exchange is at work on the next call with a
    credential.
    """

    keys: dict[str, FakeKey] = field(default_factory=dict)
    last: dict[str, Decimal] = field(default_factory=lambda: {"USDCUSDT": Decimal(1), "BTCUSDT": Decimal(20000)})
    closes: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    failing: Exception | None = None
    refusing_to_cancel: PurserError | None = None
    meanwhile: Callable[[], None] | None = None
    calls: list[str] = field(default_factory=list)
    on_enter: Callable[[str], None] = lambda _: None

    def add(self, api_key: str, secret: str = "secret", *, withdrawals: bool = False, **balances: str) -> str:
        amounts = {asset: Decimal(amount) for asset, amount in balances.items()}
        self.keys[api_key] = FakeKey(secret, amounts, withdrawals)
        return api_key

    def _enter(self, call: str, credential: ApiCredential | None = None) -> FakeKey:
        self.calls.append(call)
        self.on_enter(call)
        if self.failing is not None:
            raise self.failing
        if credential is None:
            return FakeKey("", {})
        key = self.keys.get(credential.api_key)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        if key is None or key.secret != credential.secret:
            raise ExchangeAuthorizationFailed
        return key

    def ticker(self, symbol: str, trade_type: TradeType) -> Ticker:
        raise NotImplementedError

    def prices(self) -> Prices:
        self._enter("prices")
        return Prices(self.last)

    def account_balance(self, credential: ApiCredential, trade_type: TradeType) -> AccountBalance:
        key = self._enter("account_balance", credential)
        assets = tuple(AssetBalance(a, n, Decimal(0), n) for a, n in key.balances.items())
        return AccountBalance(trade_type, assets)

    def past_balances(self, credential: ApiCredential, trade_type: TradeType) -> list[PastBalance]:
        key = self._enter("past_balances", credential)
        return [PastBalance(day, tuple(totals.items())) for day, totals in sorted(key.past.items())]

    def daily_closes(self, symbol: str, since: int, until: int) -> dict[str, Decimal]:
        self._enter(f"daily_closes {symbol}")
        if symbol not in self.closes:
            raise ExchangeSymbolInvalid
        first, last = day_of(since), day_of(until)
        return {day: price for day, price in self.closes[symbol].items() if first <= day <= last}

    def check_key(self, credential: ApiCredential, trade_type: TradeType) -> KeyCheck:
        key = self._enter("check_key", credential)
        return KeyCheck(key.withdrawals, self.account_balance(credential, trade_type))

    def cancel_all_orders(
        self, credential: ApiCredential, trade_type: TradeType, go_on: Callable[[], None] | None = None
    ) -> int:
        if go_on is not None:
            go_on()
        key = self._enter("cancel_all_orders", credential)
        if go_on is not None and key.open_orders:
            go_on()
        if self.refusing_to_cancel is not None:
            raise self.refusing_to_cancel
        cancelled, key.open_orders = key.open_orders, 0
        return cancelled


class FakeTradingAccounts:
    """The trading account and cancellation stores in memory, atomic under a lock."""

    def __init__(self) -> None:
        self.accounts: dict[str, TradingAccount] = {}
        self.credentials: dict[str, SealedCredential] = {}
        self.disconnected: dict[str, TradingAccount] = {}
        self.cancellations: dict[str, Cancellation] = {}
        self.outcomes: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.operations: list[Operation] = []
        self.audit: list[AuditEntry] = []
        self.refusals: list[tuple[str, int]] = []
        self._lock = threading.RLock()

    def connected(self, user_id: str) -> ConnectedAccounts:
        with self._lock:
            owned = [account for account in self.accounts.values() if account.user_id == user_id]
            owned.sort(key=lambda account: (account.created_at, account.id))
            return ConnectedAccounts(self.versions.get(user_id, 0), tuple(owned))

    def get(self, user_id: str, trading_account_id: str) -> TradingAccount | None:
        account = self.accounts.get(trading_account_id)
        return account if account and account.user_id == user_id else None

    def known(self, user_id: str, trading_account_id: str) -> TradingAccount | None:
        account = (self.accounts | self.disconnected).get(trading_account_id)
        return account if account and account.user_id == user_id else None

    def with_credential(self, user_id: str, trading_account_id: str) -> tuple[TradingAccount, SealedCredential] | None:
        account = self.get(user_id, trading_account_id)
        return (account, self.credentials[account.credential_id]) if account else None

    def is_claimed(self, user_id: str, venue: Venue, api_key: str, trade_type: TradeType) -> bool:
        return any(
            a.api_key == api_key and (a.user_id != user_id or a.trade_type is trade_type)
            for a in self.accounts.values()
        )

    def connect(
        self,
        account: TradingAccount,
        credential: SealedCredential,
        version: int,
        operation: Operation | None = None,
        *,
        stored: bool = False,
    ) -> None:
        with self._lock:
            if self.versions.get(account.user_id, 0) != version or account.id in self.accounts:
                raise StaleAccounts
            if self.is_claimed(account.user_id, account.venue, account.api_key, account.trade_type):
                raise AlreadyConnected
            if account.id in self.disconnected:
                raise IdempotencyKeyReused
            for waiting in self.cancellations.values():
                if (waiting.credential.api_key, waiting.trade_type) == (account.api_key, account.trade_type):
                    raise StillCancelling(waiting.trading_account_id)
            self.versions[account.user_id] = version + 1
            self.accounts[account.id] = account
            self.credentials[credential.id] = credential
            self._tell(operation)

    def _tell(self, operation: Operation | None) -> None:
        self.operations += [operation] if operation else []

    def change(
        self, user_id: str, trading_account_id: str, operation: Operation | None = None, **changes: Any
    ) -> TradingAccount | None:
        with self._lock:
            account = self.get(user_id, trading_account_id)
            if account is None:
                return None
            self._tell(operation)
            self.accounts[trading_account_id] = replace(account, version=account.version + 1, **changes)
            return self.accounts[trading_account_id]

    def rename(
        self, user_id: str, trading_account_id: str, name: str, now: int, operation: Operation | None = None
    ) -> TradingAccount | None:
        return self.change(user_id, trading_account_id, operation, name=name, updated_at=now)

    def limit(
        self,
        user_id: str,
        trading_account_id: str,
        limits: Mapping[str, Any],
        now: int,
        operation: Operation | None = None,
    ) -> TradingAccount | None:
        known = self.get(user_id, trading_account_id)
        if known is None:
            return None
        changed = replace(known.limits, **limits)
        return self.change(user_id, trading_account_id, operation, limits=changed, updated_at=now)

    def disable(
        self, user_id: str, trading_account_id: str, now: int, operation: Operation | None = None
    ) -> TradingAccount | None:
        off: dict[str, Any] = {"active": False, "suspended": False, "refused_at": None, "resumes": False}
        return self.change(user_id, trading_account_id, operation, updated_at=now, **off)

    def refuse(self, account: TradingAccount, now: int, operation: Operation | None = None) -> TradingAccount | None:
        kept = self.get(account.user_id, account.id)
        if kept is None or kept.validations != account.validations:
            return None
        if not kept.active and kept.api_key_status is ApiKeyStatus.UNAUTHORIZED:
            return None
        off: dict[str, Any] = {"active": False, "suspended": False, "refused_at": None, "resumes": kept.active}
        off["api_key_status"] = ApiKeyStatus.UNAUTHORIZED
        return self.change(account.user_id, account.id, operation, updated_at=now, **off)

    def activate(
        self,
        account: TradingAccount,
        valuation: AccountValuation,
        now: int,
        version: int,
        operation: Operation | None = None,
    ) -> TradingAccount | None:
        with self._lock:
            if self.versions.get(account.user_id, 0) != version:
                raise StaleAccounts
            self.versions[account.user_id] = version + 1
            changes = {"active": True, "api_key_status": ApiKeyStatus.AUTHORIZED, "valuation": valuation}
            changes |= {"suspended": False, "refused_at": None, "resumes": False}
            changes["validations"] = account.validations + 1
            return self.change(account.user_id, account.id, operation, updated_at=now, **changes)

    def mark(self, account: TradingAccount, status: ApiKeyStatus, now: int, operation: Operation | None = None) -> None:
        kept = self.get(account.user_id, account.id)
        if kept is None or kept.api_key_status is not account.api_key_status:
            return
        changes: dict[str, Any] = {"refused_at": None} if status is ApiKeyStatus.AUTHORIZED else {}
        if status is ApiKeyStatus.AUTHORIZED and account.resumes:
            if not kept.resumes:
                return
            changes |= {"active": True, "resumes": False}
            self.versions[account.user_id] = self.versions.get(account.user_id, 0) + 1
        self.change(account.user_id, account.id, operation, api_key_status=status, updated_at=now, **changes)

    def suspect(self, account: TradingAccount, now: int) -> int:
        self.refusals.append((account.user_id, now))
        kept = self.get(account.user_id, account.id)
        is_same = kept is not None and kept.validations == account.validations
        if kept and is_same and kept.refused_at is None and kept.api_key_status is not ApiKeyStatus.UNAUTHORIZED:
            self.change(kept.user_id, kept.id, refused_at=now, api_key_status=ApiKeyStatus.FAILED, updated_at=now)
        spans = {now // CONFIRMING_MS + ago for ago in (0, -1)}
        spans |= {(account.refused_at or now) // CONFIRMING_MS + around for around in (-1, 0, 1)}
        return min(WIDESPREAD, len({user for user, at in self.refusals if at // CONFIRMING_MS in spans}))

    def record_valuation(self, user_id: str, trading_account_id: str, valuation: AccountValuation) -> None:
        with self._lock:
            account = self.get(user_id, trading_account_id)
            if (
                account
                and account.active
                and (not account.valuation or account.valuation.taken_at < valuation.taken_at)
            ):
                accepted: dict[str, Any] = {"api_key_status": ApiKeyStatus.AUTHORIZED, "refused_at": None}
                self.change(user_id, account.id, valuation=valuation, **accepted)

    def active(self, after: str | None = None) -> Iterator[AccountRef]:
        refs = [AccountRef(a.user_id, a.id) for a in list(self.accounts.values()) if a.active]
        return (ref for ref in sorted(refs, key=lambda ref: ref.id) if after is None or ref.id > after)

    def disconnect(
        self, account: TradingAccount, cancellation: Cancellation, now: int, entry: AuditEntry | None = None
    ) -> bool:
        with self._lock:
            if account.id not in self.accounts:
                return False
            connected = self.accounts.pop(account.id)
            self.disconnected[account.id] = replace(connected, active=False, updated_at=now, disconnected_at=now)
            del self.credentials[account.credential_id]
            self.cancellations[account.id] = cancellation
            self._tell(cancellation.operation)
            self.audit += [entry] if entry else []
            self.versions[account.user_id] = self.versions.get(account.user_id, 0) + 1
            return True


class FakePlanUsage:
    """The plan usage store over the same memory; ``follows`` by id. ``stale`` writes are refused so many times."""

    def __init__(self, accounts: FakeTradingAccounts) -> None:
        self.accounts = accounts
        self.follows: dict[str, Follow] = {}
        self.stale = 0

    def of(self, user_id: str) -> PlanUsage:
        known = self.accounts.connected(user_id)
        follows = tuple(follow for follow in self.follows.values() if follow.user_id == user_id)
        return PlanUsage(known.version, known.accounts, follows)

    def apply(self, user_id: str, changes: Sequence[Change], version: int, now: int) -> None:
        self.stale -= 1
        if self.stale >= 0 or self.accounts.versions.get(user_id, 0) != version:
            raise StaleAccounts
        if not all(self._is_possible(change) for change in changes):
            raise StaleAccounts
        self.accounts.versions[user_id] = version + 1
        for change in changes:
            suspended = change.suspend and change.of.active
            state: dict[str, Any] = {"active": not change.suspend, "suspended": suspended, "updated_at": now}
            if isinstance(change.of, Follow):
                self.follows[change.of.id] = replace(self.follows[change.of.id], **state)
            else:
                self.accounts.change(user_id, change.of.id, resumes=False, **state)

    def _is_possible(self, change: Change) -> bool:
        known: Mapping[str, TradingAccount | Follow] = (
            self.follows if isinstance(change.of, Follow) else self.accounts.accounts
        )
        current = known.get(change.of.id)
        if current is None or not change.suspend:
            return current is not None and current.suspended
        return current.active or (isinstance(current, TradingAccount) and current.resumes)


class FakeCancellations(FakeWorkStore[Cancellation]):
    """The cancellation store over the same memory."""

    def __init__(self, accounts: FakeTradingAccounts) -> None:
        super().__init__()
        self.records = accounts.cancellations
        self._outcomes = accounts.outcomes

    def finish(self, item: Cancellation) -> bool:
        return self._end(item, "SUCCESS", item.version)

    def fail(self, item: Cancellation) -> bool:
        return self._end(item, "FAILED", item.version)

    def expire(self, item: Cancellation) -> bool:
        return self._end(item, "FAILED")

    def _end(self, item: Cancellation, outcome: str, at_version: int | None = None) -> bool:
        with self.step("end"):
            known = self.records.get(item.trading_account_id)
            if known is None or at_version not in (None, known.version):
                return False
            del self.records[item.trading_account_id]
            self._outcomes[item.trading_account_id] = outcome
            return True


class FakeQueue:
    """Keeps what was sent, and the delay of each message."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.delays: list[int] = []

    def send(self, messages: Iterable[Mapping[str, Any]], *, delay_s: int = 0) -> int:
        count = len(self.sent)
        for message in messages:
            self.sent.append(json.loads(json.dumps(message)))
            self.delays.append(delay_s)
        return len(self.sent) - count


class FakeSeen:
    """The guard against replays. It remembers each name for ever, and until when it was asked to."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self._lock = threading.Lock()

    def note(self, name: str, until: int) -> bool:
        with self._lock:
            is_new = name not in self.names
            self.names.setdefault(name, until)
            return is_new


class FakePlans:
    """A source of plans in which every user has the same one."""

    def __init__(self, plan: Plan | None) -> None:
        self.plan = plan

    def plan_of(self, user_id: str) -> Plan | None:
        return self.plan
