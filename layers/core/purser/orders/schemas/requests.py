"""Request models of the group Exchange, and the rules that need only the body. All broken rules are reported."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from purser.exchanges.orders import MarginType, Side
from purser.exchanges.schemas import Symbol
from purser.http.wire import WHOLE, decimal_schema
from purser.orders.model import (
    HIGHEST_CALLBACK_RATE,
    LOWEST_CALLBACK_RATE,
    MOST_TAKE_PROFITS,
    EntryType,
    ManualOrder,
    Stop,
    StopType,
    is_beyond,
    wrong_side,
)

_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
MOST_DECIMALS = 18
LARGEST = Decimal(10) ** 12
TRAILING = EntryType.TRAILING_STOP


def _number(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, str) and not _DECIMAL.fullmatch(value)):
        raise _broken("must be number")
    return value


def _plain(value: Decimal) -> Decimal:
    if -value.normalize().as_tuple().exponent > MOST_DECIMALS:  # type: ignore[operator] # it is finite
        raise _broken(f"must have at most {MOST_DECIMALS} decimals")
    return value


def _broken(message: str) -> PydanticCustomError:
    # As a template, the text itself would have its braces filled in.
    return PydanticCustomError("rule_order", "{message}", {"message": message})


Positive = Annotated[
    Decimal,
    Field(gt=0, lt=LARGEST, allow_inf_nan=False),
    BeforeValidator(_number),
    AfterValidator(_plain),
    decimal_schema(digits=12, exclusiveMaximum=10**12),
]
"""An amount or a price: a JSON number or a decimal string."""

Percent = Annotated[Positive, Field(le=100), decimal_schema(digits=2, maximum=100)]
CallbackRate = Annotated[Positive, decimal_schema(digits=1, minimum=0.1, maximum=5)]


class OrderBody(BaseModel):
    """The body of create manual order. A rule may use the fields above its own, so their order matters."""

    symbol: Symbol
    type: EntryType
    side: Side
    amount: Positive
    price: Positive | None = Field(default=None, validate_default=True)
    takeProfitPrices: list[Positive] | None = Field(default=None, max_length=MOST_TAKE_PROFITS)
    stopPrice: Positive | None = None
    stopTriggerPrice: Positive | None = None
    stopTriggerType: StopType | None = Field(default=None, validate_default=True)
    callbackRate: CallbackRate | None = Field(default=None, validate_default=True)
    riskProfilePercent: Percent | None = None

    @field_validator("price")
    @classmethod
    def _price_where_required(cls, price: Decimal | None, info: ValidationInfo) -> Decimal | None:
        kind = info.data.get("type")
        if price is None and kind in (EntryType.LIMIT, TRAILING):
            raise _broken(f"must be provided with type {_spelled(kind)}")
        return price

    @field_validator("takeProfitPrices")
    @classmethod
    def _take_profits_ahead(cls, prices: list[Decimal] | None, info: ValidationInfo) -> list[Decimal] | None:
        if not prices:
            return None
        _not_with_trailing(info)
        side, price = _limit_of(info)
        if side and price and not all(is_beyond(take_profit, price, side) for take_profit in prices):
            raise _broken(wrong_side(side, gains=True))
        return prices

    @field_validator("stopPrice", "stopTriggerPrice")
    @classmethod
    def _stop_behind(cls, stop: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if stop is None:
            return None
        _not_with_trailing(info)
        side, price = _limit_of(info)
        if side and price and not is_beyond(stop, price, side.opposite):
            raise _broken(wrong_side(side, gains=False))
        return stop

    @field_validator("stopTriggerType")
    @classmethod
    def _stop_whole(cls, kind: StopType | None, info: ValidationInfo) -> StopType | None:
        # A price that broke its own rule is not among the data, and is not reported as missing.
        if kind is None and info.data.get("stopTriggerPrice") is not None:
            raise _broken("must be provided with stopTriggerPrice")
        if kind is StopType.LIMIT and "stopPrice" in info.data and info.data["stopPrice"] is None:
            raise _broken("must require stopPrice with type limit")
        if kind is not None and "stopTriggerPrice" in info.data and info.data["stopTriggerPrice"] is None:
            raise _broken("must require stopTriggerPrice")
        return kind

    @field_validator("callbackRate")
    @classmethod
    def _callback_rate_of_trailing(cls, rate: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if info.data.get("type") is not TRAILING:
            return None
        if rate is None:
            raise _broken(f"must be provided with type {_spelled(TRAILING)}")
        if not LOWEST_CALLBACK_RATE <= rate <= HIGHEST_CALLBACK_RATE:
            raise _broken(f"must be from {LOWEST_CALLBACK_RATE} to {HIGHEST_CALLBACK_RATE}")
        return rate

    def as_order(self) -> ManualOrder:
        """Return the order that is asked for."""
        stop = None
        if self.stopTriggerPrice is not None and self.stopTriggerType is not None:
            limit = self.stopPrice if self.stopTriggerType is StopType.LIMIT else None
            stop = Stop(self.stopTriggerPrice, self.stopTriggerType, limit)
        return ManualOrder(
            symbol=self.symbol,
            type=self.type,
            side=self.side,
            amount=self.amount,
            price=None if self.type is EntryType.MARKET else self.price,
            take_profits=tuple(self.takeProfitPrices or ()),
            stop=stop,
            callback_rate=self.callbackRate,
            risk_profile_percent=self.riskProfilePercent,
        )


def _spelled(kind: EntryType) -> str:
    return kind.value.lower().replace("_", " ")


def _not_with_trailing(info: ValidationInfo) -> None:
    if info.data.get("type") is TRAILING:
        raise _broken(f"must not use with type {_spelled(TRAILING)}")


def _limit_of(info: ValidationInfo) -> tuple[Side | None, Decimal | None]:
    """Return the side and, for a limit order, the price. A market order's price is not in the body."""
    limit = info.data.get("type") is EntryType.LIMIT
    return info.data.get("side"), info.data.get("price") if limit else None


class PositionBody(BaseModel):
    """The body of cancel position."""

    symbol: Symbol


class LeverageBody(BaseModel):
    """The body of change leverage."""

    symbol: Symbol
    leverage: Annotated[int, Field(strict=True, ge=1, le=125), WHOLE]


class MarginBody(BaseModel):
    """The body of change margin type."""

    symbol: Symbol
    type: MarginType
