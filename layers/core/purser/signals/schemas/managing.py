"""Request and answer models of administrators: signals, modes and secrets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from purser.http.wire import Instant, Moment, Number, Uuid, WireModel
from purser.orders.model import EntryType
from purser.signals.alerts import Order
from purser.signals.model import Action, Level, Mode, Reason, Signal, Source, Status, TakeProfit
from purser.signals.ports import Counts
from purser.strategies.model import Direction
from purser.strategies.schemas.publishing import MOST_TAKE_PROFITS, ExpirySeconds, Percentage, Price, shares_fit

SignalKey = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern="^[ -~]*$")]


class TakeProfitBody(BaseModel):
    """A take-profit for ``sharePercent`` of the position."""

    price: Price
    sharePercent: Percentage


TakeProfits = Annotated[list[TakeProfitBody], Field(max_length=MOST_TAKE_PROFITS), AfterValidator(shares_fit)]


class NewSignalBody(BaseModel):
    """The body of send signal. All prices are absolute.

    ENTER needs ``side``; EXIT without it closes whatever is open. ``price`` is the limit of a LIMIT entry. Without
    ``stop``, ``takeProfits`` or ``expirySeconds`` the defaults of the strategy count. Signals with the same ``id``
    within 24 hours are one signal.
    """

    id: SignalKey | None = None
    action: Literal["ENTER", "EXIT"]
    side: Direction | None = None
    type: EntryType = EntryType.MARKET
    price: Price | None = None
    stop: Price | None = None
    takeProfits: TakeProfits | None = None
    expirySeconds: ExpirySeconds | None = None

    def order(self, stamped_at: int) -> Order:
        """Return what the signal asks for."""
        take_profits = None
        if self.takeProfits is not None:
            take_profits = tuple(TakeProfit(Level(price=each.price), each.sharePercent) for each in self.takeProfits)
        return Order(
            action=Action(self.action),
            direction=self.side,
            stamped_at=stamped_at,
            entry_type=self.type,
            limit_price=self.price if self.type is EntryType.LIMIT else None,
            stop=None if self.stop is None else Level(price=self.stop),
            take_profits=take_profits,
            closes=self.action == Action.EXIT,
            max_lag_s=self.expirySeconds,
        )


class SignalEventDetail(NewSignalBody):
    """The detail of a signal on the event bus."""

    strategyId: Uuid


class SignalEvent(BaseModel):
    """A signal on the event bus, as EventBridge delivers it. ``time`` is when it was sent, to the second."""

    id: Uuid
    time: Moment
    detail: SignalEventDetail

    def stamped_at(self, now: int) -> int:
        """Return the end of the second of ``time``, or now, so that it is not before a signal that was made in it."""
        return min(now, self.time + 999)

    @property
    def key(self) -> str:
        """The key that a repeat has too: a second delivery, or a replay of an archive, has the id of the first."""
        return f"id:{self.detail.id}" if self.detail.id else f"event:{self.id}"


class LevelAnswer(WireModel):
    """A price, or the distance from the entry in percent; one of them is null."""

    price: Number | None
    percent: Number | None


class TakeProfitAnswer(LevelAnswer):
    """A take-profit for ``sharePercent`` of the position."""

    sharePercent: Number


class ExecutionCount(WireModel):
    """The number of executions of a signal in a state, for a reason."""

    state: str
    reason: str | None
    count: int


class SignalAnswer(WireModel):
    """A signal and what became of it. A field that does not apply is null."""

    id: str
    source: Source
    status: Status
    reason: Reason | None
    detail: str | None
    duplicateOf: str | None = Field(validation_alias="duplicate_of")
    action: Action | None
    side: Direction | None = Field(validation_alias="direction")
    type: EntryType = Field(validation_alias="entry_type")
    price: Number | None = Field(validation_alias="limit_price")
    triggerPrice: Number | None = Field(validation_alias="trigger_price")
    stop: LevelAnswer | None
    takeProfits: list[TakeProfitAnswer]
    closes: bool
    timestamp: Instant = Field(validation_alias="stamped_at")
    receivedAt: Instant = Field(validation_alias="received_at")
    expiresAt: Instant = Field(validation_alias="expires_at")
    executions: list[ExecutionCount]


class SignalList(WireModel):
    """Signals of a strategy, newest first, with its mode, that of all trading, and the side of its open trade."""

    mode: Mode
    tradingMode: Mode
    openSide: Direction | None
    items: list[SignalAnswer]
    nextToken: str | None


def signal_answer(signal: Signal, counts: Counts) -> SignalAnswer:
    """Return a signal on the wire with the counts of its executions."""
    take_profits = [
        TakeProfitAnswer(price=each.level.price, percent=each.level.percent, sharePercent=each.share)
        for each in signal.take_profits
    ]
    executions = [
        ExecutionCount(state=state, reason=reason, count=count)
        for (state, reason), count in sorted(counts.items(), key=lambda each: (each[0][0], each[0][1] or ""))
        if count
    ]
    facts = {name: getattr(signal, name) for name in signal.__slots__}
    return SignalAnswer.model_validate(facts | {"takeProfits": take_profits, "executions": executions})


class ModeBody(BaseModel):
    """The body of set mode."""

    mode: Mode


class ModeAnswer(WireModel):
    """A mode."""

    mode: Mode


class NoBody(BaseModel):
    """The body of issue secret."""


class SecretAnswer(WireModel):
    """A new secret of a strategy. A repeat with the same Idempotency-Key answers null for what is shown once.

    ``secret`` goes into the body of an alert. ``signingKey`` is the key of ``X-Purser-Signature`` instead.
    """

    secret: str | None
    signingKey: str | None
    createdAt: Instant
