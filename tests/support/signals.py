"""Signals in memory, alerts as TradingView sends them, and the trade that a history of alerts must end in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

from purser.audit.model import AuditEntry
from purser.http.wire import iso
from purser.signals import secrets
from purser.signals.model import FanOut, Mode, SecretHash, Signal, StaleState, State, Status
from purser.signals.ports import Counts, Kept, Standing
from purser.strategies.model import Direction, SignalDefaults, Strategy

SECRET = "the secret of a strategy"
DEPLOYMENT_KEY = "the key of the deployment"
NOW = 1_700_000_000_000
DAY_S = 24 * 3600
DEFAULTS = SignalDefaults(stop_percent=Decimal(2))


def a_strategy(**given: Any) -> Strategy:
    """Return an active strategy whose signals have a stop of 2 percent by default."""
    strategy = Strategy(str(uuid4()), True, "Trend", None, "BINANCE", "BTC/USDT", NOW, NOW, DEFAULTS)
    return replace(strategy, **given)


def alert(action: str, at: int = NOW, **given: Any) -> dict[str, Any]:
    """Return the body of an alert with the fields that 3Commas' template has for every action."""
    body = {"secret": SECRET, "action": action, "timestamp": iso(at), "max_lag": "300"}
    target = {"tv_exchange": "BINANCE", "tv_instrument": "BTCUSDT.P", "trigger_price": "20000.5"}
    return body | target | given


def sent(body: Mapping[str, Any]) -> bytes:
    """Return a body as it is sent."""
    return json.dumps(body).encode()


@dataclass
class FakeSignals:
    """The stores of signals, secrets and modes in memory. The next ``stale`` writes of a signal come too late."""

    strategies: dict[str, Strategy] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    digests: dict[str, tuple[SecretHash, ...]] = field(default_factory=dict)
    signals: dict[str, Signal] = field(default_factory=dict)
    keys: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    fan_outs: list[FanOut] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    trading: Mode = Mode.ACTIVE
    reads: int = 0
    stale: int = 0

    def with_strategy(self, strategy: Strategy) -> Strategy:
        """Add a strategy that has the secret ``SECRET``."""
        self.strategies[strategy.id] = strategy
        self.digests[strategy.id] = (SecretHash(secrets.hashed(SECRET), NOW),)
        return strategy

    def standing(self, strategy_id: str, key: str, now: int) -> Standing:
        self.reads += 1
        known, until = self.keys.get((strategy_id, key), (None, 0))
        return Standing(
            self.strategies.get(strategy_id),
            self.states.get(strategy_id, State()),
            self.digests.get(strategy_id, ()),
            self.trading,
            known if until > now // 1000 else None,
        )

    def keep(self, kept: Kept) -> None:
        signal, now_s = kept.signal, kept.signal.received_at // 1000
        place = (signal.strategy_id, kept.key)
        before = self.states.get(signal.strategy_id, State())
        self.stale -= 1
        known = self.keys.get(place, ("", 0))[1] > now_s
        if self.stale >= 0 or known or (kept.state and before.version != kept.version):
            raise StaleState
        self.keys[place] = (signal.id, now_s + DAY_S)
        if kept.state:
            self.states[signal.strategy_id] = replace(kept.state, version=kept.version + 1)
        self.signals[signal.id] = signal
        self.fan_outs += [kept.fan_out] if kept.fan_out else []
        self.audit += kept.audit

    def refuse(self, signal: Signal, state: State | None, version: int) -> None:
        before = self.states.get(signal.strategy_id, State())
        known = self.signals.get(signal.id)
        if known is None or known.status is not Status.ACCEPTED or (state and before.version != version):
            raise StaleState
        self.signals[signal.id] = signal
        if state:
            self.states[signal.strategy_id] = replace(state, version=version + 1)

    def keep_duplicate(self, signal: Signal) -> None:
        self.signals[signal.id] = signal

    def get(self, strategy_id: str, signal_id: str) -> Signal | None:
        found = self.signals.get(signal_id)
        return found if found and found.strategy_id == strategy_id else None

    def newest(self, strategy_id: str, before: str | None, page_size: int) -> Iterator[tuple[str, Signal]]:
        for id in sorted(self.signals, reverse=True):
            if self.signals[id].strategy_id == strategy_id and (before is None or id < before):
                yield id, self.signals[id]

    def counts(self, signal_ids: Sequence[str]) -> Mapping[str, Counts]:
        return {}

    def add(self, strategy_id: str, secret: SecretHash, most: int, entry: AuditEntry) -> bool:
        if strategy_id not in self.strategies:
            return False
        self.digests[strategy_id] = (secret, *self.digests.get(strategy_id, ()))[:most]
        self.audit.append(entry)
        return True

    def mode_of(self, strategy_id: str) -> Mode:
        return max(self.states.get(strategy_id, State()).mode, self.trading, key=list(Mode).index)

    def set_mode(self, strategy_id: str, mode: Mode, now: int, entry: AuditEntry) -> bool:
        if strategy_id not in self.strategies:
            return False
        before = self.states.get(strategy_id, State())
        self.states[strategy_id] = replace(before, mode=mode, mode_set_at=now, version=before.version + 1)
        self.audit.append(entry)
        return True

    def set_trading_mode(self, mode: Mode, now: int, entry: AuditEntry) -> None:
        self.trading = mode
        self.audit.append(entry)


def trade_after(alerts: Iterable[tuple[str, int]]) -> Direction | None:
    """Return the trade that is open after alerts, as pairs of action and stamp, in the order of their stamps."""
    open_trade: Direction | None = None
    for action, _ in sorted(alerts, key=lambda each: each[1]):
        verb, _, side = action.partition("_")
        direction = Direction(side.upper()) if side else None
        if verb == "enter":
            open_trade = direction
        elif direction in (None, open_trade):
            open_trade = None
    return open_trade
