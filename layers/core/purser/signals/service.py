"""The use cases of signals: receive them, list them, give out secrets, and set the modes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from purser.actor import SYSTEM, Actor
from purser.audit.model import Action as Act
from purser.audit.model import AuditEntry, audit_entry
from purser.errors import FieldError, InvalidInput, NotFound, PayloadTooLarge, Unauthorized, Unavailable, found
from purser.orders.model import EntryType
from purser.pages import Page, cut
from purser.ports import Sender
from purser.retrying import until_fresh, until_fresh_from
from purser.signals import secrets
from purser.signals.alerts import LONGEST_LAG_S, Alert, Order, Unreadable, loaded, read
from purser.signals.deciding import decide, undo
from purser.signals.model import (
    Action,
    FanOut,
    Level,
    Mode,
    Reason,
    SecretHash,
    Signal,
    Source,
    StaleState,
    State,
    Status,
    TakeProfit,
    signal_id,
)
from purser.signals.ports import Counts, Kept, ModeStore, SecretStore, SignalStore, Standing
from purser.strategies.model import SignalDefaults, Strategy
from purser.work.model import FIRST_MESSAGE_MS

LONGEST_BODY = 16 * 1024
"""The maximum size of an alert, in bytes."""

CLOSING_LAG_MS = LONGEST_LAG_S * 1000
"""The greatest age of a signal that closes. Its stamp tells which trade it is about (``signals.deciding``)."""


@dataclass(frozen=True, slots=True)
class NewSignal:
    """A signal that an administrator or the event bus sends. ``key`` is the same for a repeat of it."""

    key: str
    source: Source
    order: Order


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a strategy's signals with the counts of their executions by signal, and the state of the strategy.

    ``trading`` is the mode of all strategies together.
    """

    page: Page[Signal]
    counts: Mapping[str, Counts]
    state: State
    trading: Mode


class Signals:
    """The use cases of signals. ``now`` gives Unix milliseconds, ``deployment_key`` the key behind signatures."""

    def __init__(
        self, store: SignalStore, queue: Sender, now: Callable[[], int], deployment_key: Callable[[], str]
    ) -> None:
        self._store = store
        self._queue = queue
        self._now = now
        self._deployment_key = deployment_key

    def receive(self, strategy_id: str, body: bytes, signature: str | None) -> Signal:
        """Take an alert from the webhook, and return what became of it.

        Raises:
            PayloadTooLarge: the body is longer than ``LONGEST_BODY``.
            Unauthorized: the secret or the signature is wrong, or there is no such strategy.
        """
        if len(body) > LONGEST_BODY:
            raise PayloadTooLarge
        alert = loaded(body)
        key = alert.key if alert else ""
        standing = self._store.standing(strategy_id, key, self._now())
        is_known = self._is_signed(strategy_id, body, signature, standing) if signature else _knows(alert, standing)
        if standing.strategy is None or not is_known or alert is None:
            raise Unauthorized
        return self._store_alert(standing.strategy, alert, standing)

    def _is_signed(self, strategy_id: str, body: bytes, signature: str, standing: Standing) -> bool:
        return secrets.is_signed(signature, body, standing.secrets, self._deployment_key(), strategy_id, self._now())

    def _store_alert(self, strategy: Strategy, alert: Alert, standing: Standing) -> Signal:
        now = self._now()
        try:
            order = read(alert.body, strategy.id, strategy.venue, strategy.symbol)
            signal = _signal(strategy, order, Source.WEBHOOK, now, _lag_ms(order, strategy.signal_defaults))
        except Unreadable as unreadable:
            signal = _unreadable(strategy, unreadable, now)
        return self._store_signal(signal, alert.key, standing)

    def send(self, actor: Actor, strategy_id: str, new: NewSignal) -> Signal:
        """Take a signal from an administrator or the event bus, and return what became of it.

        Raises:
            NotFound: there is no such strategy.
            InvalidInput: an entry has no direction, or a limit entry no price.
        """
        now = self._now()
        standing = self._store.standing(strategy_id, new.key, now)
        strategy = found(standing.strategy)
        _check_entry(new.order)
        lag_ms = (new.order.max_lag_s or strategy.signal_defaults.expiry_seconds) * 1000
        signal = _signal(strategy, new.order, new.source, now, lag_ms)
        return self._store_signal(signal, new.key, standing, actor)

    def _store_signal(self, signal: Signal, key: str, standing: Standing, actor: Actor | None = None) -> Signal:
        stored = until_fresh_from(
            standing,
            lambda known: self._store_once(signal, key, known, actor),
            lambda: self._store.standing(signal.strategy_id, key, self._now()),
            stale=StaleState,
        )
        if fan_out := _fan_out(stored):
            # The signal is stored. If the queue is down, a sweep finds its work.
            with suppress(Unavailable):
                self._queue.send([fan_out.message])
        return stored

    def _store_once(self, signal: Signal, key: str, standing: Standing, actor: Actor | None) -> Signal:
        if standing.known:
            duplicate = replace(signal, status=Status.DUPLICATE, reason=None, duplicate_of=standing.known)
            self._store.keep_duplicate(duplicate)
            return duplicate
        now, before = self._now(), standing.state
        # Executions tell by the ids which of two signals was decided later.
        signal = replace(signal, id=signal_id(now, after=before.last_accepted))
        decided, state = decide(signal, found(standing.strategy), before, standing.trading, now)
        if decided.status is Status.ACCEPTED:
            state = replace(state, last_accepted=decided.id)
        changed = None if state == before else state
        audit = _audit(decided, actor, before.mode, state.mode, now)
        self._store.keep(Kept(decided, key, changed, before.version, _fan_out(decided), audit))
        return decided

    def refuse(self, signal: Signal, reason: Reason) -> Signal:
        """Refuse an accepted ENTER before anything was done for it, and return it. The trade before it is open again.

        A signal that is not accepted any more is returned as it is.
        """
        return until_fresh(lambda: self._refuse_once(signal, reason), stale=StaleState)

    def _refuse_once(self, signal: Signal, reason: Reason) -> Signal:
        stored = found(self._store.get(signal.strategy_id, signal.id))
        if stored.status is not Status.ACCEPTED:
            return stored
        before = self._store.standing(signal.strategy_id, "", self._now()).state
        after = undo(stored, before)
        refused = replace(stored, status=Status.REFUSED, reason=reason)
        self._store.refuse(refused, None if after == before else after, before.version)
        return refused

    def newest(self, strategy_id: str, before: str | None, limit: int) -> Listed:
        """Return a page of a strategy's signals, the newest first.

        Raises:
            NotFound: there is no such strategy.
        """
        standing = self._store.standing(strategy_id, "", self._now())
        found(standing.strategy)
        page = cut(self._store.newest(strategy_id, before, limit + 1), lambda _: True, limit)
        accepted = [signal.id for signal in page.rows if signal.status is Status.ACCEPTED]
        return Listed(page, self._store.counts(accepted), standing.state, standing.trading)


def _audit(signal: Signal, actor: Actor | None, before: Mode, after: Mode, now: int) -> tuple[AuditEntry, ...]:
    """Return the entries of a signal that an actor sent, and of a mode that it has changed."""
    target, acts = f"strategy/{signal.strategy_id}", list[AuditEntry]()
    if actor:
        acts.append(audit_entry(actor, Act.SIGNAL_SEND, f"{target}/signal/{signal.id}", now))
    if after is not before:
        acts.append(audit_entry(SYSTEM, Act.STRATEGY_MODE, f"{target}/mode/{after}", now))
    return tuple(acts)


def _knows(alert: Alert | None, standing: Standing) -> bool:
    return secrets.is_known(alert.body.get("secret") if alert else None, standing.secrets)


def _check_entry(order: Order) -> None:
    field_errors = []
    if order.action is Action.ENTER and order.direction is None:
        field_errors.append(FieldError(("side",), "must be provided to enter"))
    if order.entry_type is EntryType.LIMIT and order.limit_price is None:
        field_errors.append(FieldError(("price",), "must be provided for a limit entry"))
    if field_errors:
        raise InvalidInput(field_errors)


def _lag_ms(order: Order, defaults: SignalDefaults) -> int:
    """Return how old an alert may be: the strategy's limit, which the alert may only shorten."""
    return min(order.max_lag_s or defaults.expiry_seconds, defaults.expiry_seconds) * 1000


def _signal(strategy: Strategy, order: Order, source: Source, now: int, lag_ms: int) -> Signal:
    defaults, is_entry = strategy.signal_defaults, order.action is Action.ENTER
    stop, take_profits = order.stop, order.take_profits
    if is_entry and stop is None and defaults.stop_percent is not None:
        stop = Level(percent=defaults.stop_percent)
    if is_entry and take_profits is None:
        take_profits = tuple(TakeProfit(Level(percent=each.percent), each.share) for each in defaults.take_profits)
    return Signal(
        id=signal_id(now),
        strategy_id=strategy.id,
        source=source,
        action=order.action,
        direction=order.direction,
        symbol=strategy.symbol,
        entry_type=order.entry_type,
        limit_price=order.limit_price,
        trigger_price=order.trigger_price,
        stop=stop,
        take_profits=take_profits or (),
        closes=order.closes,
        stamped_at=order.stamped_at,
        received_at=now,
        expires_at=order.stamped_at + (lag_ms if is_entry else CLOSING_LAG_MS),
        status=Status.ACCEPTED,
    )


def _unreadable(strategy: Strategy, error: Unreadable, now: int) -> Signal:
    return Signal(
        id=signal_id(now),
        strategy_id=strategy.id,
        source=Source.WEBHOOK,
        action=None,
        direction=None,
        symbol=strategy.symbol,
        entry_type=EntryType.MARKET,
        limit_price=None,
        trigger_price=None,
        stop=None,
        take_profits=(),
        closes=False,
        stamped_at=now,
        received_at=now,
        expires_at=now,
        status=Status.REFUSED,
        reason=error.reason,
        detail=error.detail,
    )


def _fan_out(signal: Signal) -> FanOut | None:
    """Return the work that an accepted signal makes, None for one that followers have nothing to do for."""
    if signal.status is not Status.ACCEPTED or not (signal.closes or signal.action is Action.ENTER):
        return None
    return FanOut(
        strategy_id=signal.strategy_id,
        signal_id=signal.id,
        received_at=signal.received_at,
        due_at=signal.received_at + FIRST_MESSAGE_MS,
    )


@dataclass(frozen=True, slots=True)
class Issued:
    """A new secret and the key for signatures, which are shown this once."""

    secret: str = field(repr=False)
    signing_key: str = field(repr=False)
    created_at: int


class Secrets:
    """The use case of giving out a strategy's secret."""

    def __init__(self, store: SecretStore, now: Callable[[], int], deployment_key: Callable[[], str]) -> None:
        self._store = store
        self._now = now
        self._deployment_key = deployment_key

    def issue(self, actor: Actor, strategy_id: str) -> Issued:
        """Give a strategy a new secret. The one before it stays valid, and the one before that does not.

        Raises:
            NotFound: there is no such strategy.
        """
        now, secret = self._now(), secrets.new_secret()
        digest = secrets.hashed(secret)
        entry = audit_entry(actor, Act.STRATEGY_SECRET, f"strategy/{strategy_id}/secret", now)
        kept = SecretHash(digest, now)
        if not until_fresh(lambda: self._store.add(strategy_id, kept, secrets.MOST_SECRETS, entry), stale=StaleState):
            raise NotFound
        return Issued(secret, secrets.signing_key(self._deployment_key(), strategy_id, digest), now)


class Modes:
    """The use cases of modes."""

    def __init__(self, store: ModeStore, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    def set(self, actor: Actor, strategy_id: str, mode: Mode) -> None:
        """Set the mode of a strategy. Raises ``NotFound`` if there is no such strategy."""
        now = self._now()
        entry = audit_entry(actor, Act.STRATEGY_MODE, f"strategy/{strategy_id}/mode/{mode}", now)
        if not self._store.set_mode(strategy_id, mode, now, entry):
            raise NotFound

    def set_all(self, actor: Actor, mode: Mode) -> None:
        """Set the mode of all strategies together. It does not change that of any strategy."""
        now = self._now()
        self._store.set_trading_mode(mode, now, audit_entry(actor, Act.TRADING_MODE, f"trading/mode/{mode}", now))
