"""Request and answer models of publishing strategies, results and risk profiles."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StringConstraints
from pydantic_core import PydanticCustomError

from purser.exchanges.schemas import Symbol
from purser.http.wire import (
    FEW_DECIMALS,
    FREE_TEXT,
    STAYS,
    WHOLE,
    Instant,
    Moment,
    Number,
    PlainNumber,
    Uuid,
    WireModel,
    decimal_schema,
)
from purser.strategies.model import DefaultTakeProfit, Direction, PriceType, SignalDefaults
from purser.strategies.schemas.answers import StrategyAnswer

MOST_TAKE_PROFITS = 8
"""3Commas takes as many steps, and the venue takes ten conditional orders of a symbol."""

LONGEST_EXPIRY_S = 3600

Name = Annotated[str, StringConstraints(min_length=1, max_length=64), FREE_TEXT]
Description = Annotated[str, StringConstraints(min_length=1, max_length=500), FREE_TEXT]
VenueName = Annotated[str, StringConstraints(max_length=32, pattern=r"^[A-Z][A-Z0-9_]*$")]
Percentage = Annotated[PlainNumber, Field(gt=0, le=100), FEW_DECIMALS, decimal_schema(digits=2, maximum=100)]
StopPercent = Annotated[PlainNumber, Field(gt=0, le=50), FEW_DECIMALS, decimal_schema(digits=2, maximum=50)]
Price = Annotated[PlainNumber, Field(gt=0, le=10**15), FEW_DECIMALS, decimal_schema(digits=15, maximum=10**15)]
ExpirySeconds = Annotated[int, Field(ge=1, le=LONGEST_EXPIRY_S, strict=True), WHOLE]


def shares_fit(take_profits: list[Any]) -> list[Any]:
    """Return take-profits whose shares are at most the whole position, or raise the error of their field."""
    if sum(each.sharePercent for each in take_profits) > 100:
        raise PydanticCustomError("rule_shares", "must have shares of at most 100 percent together")
    return take_profits


class DefaultTakeProfitBody(BaseModel):
    """A take-profit, ``percent`` from the entry, for ``sharePercent`` of the position."""

    percent: Percentage
    sharePercent: Percentage


class SignalDefaultsBody(BaseModel):
    """Defaults for the signals of a strategy that leave fields out."""

    stopPercent: StopPercent | None = None
    takeProfits: Annotated[
        list[DefaultTakeProfitBody], Field(max_length=MOST_TAKE_PROFITS), AfterValidator(shares_fit)
    ] = []
    expirySeconds: ExpirySeconds = 60
    priceType: PriceType = PriceType.CONTRACT_PRICE

    @property
    def defaults(self) -> SignalDefaults:
        """The defaults as the domain knows them."""
        take_profits = tuple(DefaultTakeProfit(each.percent, each.sharePercent) for each in self.takeProfits)
        return SignalDefaults(self.stopPercent, take_profits, self.expirySeconds, self.priceType)


class NewStrategyBody(BaseModel):
    """The body of create strategy."""

    name: Name
    description: Description | None = None
    exchangeId: VenueName
    symbol: Symbol
    active: bool = Field(default=True, strict=True)
    signalDefaults: SignalDefaultsBody = SignalDefaultsBody()


class StrategyChangeBody(BaseModel):
    """The body of update strategy. Absent fields stay as they are; exchange and symbol never change."""

    name: Annotated[Name, STAYS] = ""
    description: Description | None = None
    active: Annotated[bool, STAYS] = Field(default=True, strict=True)
    signalDefaults: Annotated[SignalDefaultsBody, STAYS] = SignalDefaultsBody()

    @property
    def change(self) -> dict[str, Any]:
        """The fields that change, by their names in the domain."""
        change = self.model_dump(exclude_unset=True)
        if change.pop("signalDefaults", None) is not None:
            change["signal_defaults"] = self.signalDefaults.defaults
        return change


class DefaultTakeProfitAnswer(WireModel):
    """A take-profit, ``percent`` from the entry, for ``sharePercent`` of the position."""

    percent: Number
    sharePercent: Number = Field(validation_alias="share")


class SignalDefaultsAnswer(WireModel):
    """Defaults for the signals of a strategy that leave fields out."""

    stopPercent: Number | None = Field(validation_alias="stop_percent")
    takeProfits: list[DefaultTakeProfitAnswer] = Field(validation_alias="take_profits")
    expirySeconds: int = Field(validation_alias="expiry_seconds")
    priceType: PriceType = Field(validation_alias="price_type")


class PublishedStrategyAnswer(StrategyAnswer):
    """A strategy as administrators see it."""

    signalDefaults: SignalDefaultsAnswer = Field(validation_alias="signal_defaults")


class NewRiskProfileBody(BaseModel):
    """The body of create risk profile; ``percentage`` is of the equity."""

    name: Name
    percentage: Percentage


class RiskProfileChangeBody(BaseModel):
    """The body of update risk profile. Absent fields stay as they are."""

    name: Annotated[Name, STAYS] = ""
    percentage: Annotated[Percentage, STAYS] = Decimal(0)


class NewResultBody(BaseModel):
    """The body of publish result: a closed trade. With an ``id`` it counts once, however often it is sent."""

    id: Uuid | None = None
    side: Direction
    entryPrice: Price
    exitPrice: Price
    openedAt: Moment
    closedAt: Moment


class ResultAnswer(WireModel):
    """A result."""

    id: str
    side: Direction = Field(validation_alias="direction")
    entryPrice: Number = Field(validation_alias="entry_price")
    exitPrice: Number = Field(validation_alias="exit_price")
    openedAt: Instant = Field(validation_alias="opened_at")
    closedAt: Instant = Field(validation_alias="closed_at")
    createdAt: Instant = Field(validation_alias="created_at")
