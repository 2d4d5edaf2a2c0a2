"""Exchange keys and their balances on the customer API."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasPath, BaseModel, Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from purser.credentials.schemas.fields import ApiKey, Secret
from purser.exchanges.model import AccountBalance, TradeType, Venue
from purser.http.wire import (
    FEW_DECIMALS,
    FREE_TEXT,
    UNKNOWN,
    WHOLE,
    Instant,
    Number,
    PlainNumber,
    WireModel,
    decimal_schema,
)
from purser.trading_accounts.model import ApiKeyStatus, StrategyType
from purser.trading_accounts.service import NewConnection

Name = Annotated[str, StringConstraints(min_length=1, max_length=24), FREE_TEXT]

DailyLoss = Annotated[PlainNumber, Field(gt=0, le=100), FEW_DECIMALS, decimal_schema(digits=2, maximum=100)]
OpenTrades = Annotated[int, Field(ge=1, le=100, strict=True), WHOLE]


class NewKey(BaseModel):
    """The body of create key."""

    exchangeId: Venue
    strategyType: StrategyType
    tradeType: TradeType
    active: bool = Field(default=True, strict=True)
    name: Name
    apiKey: ApiKey
    apiSecretKey: Secret

    @field_validator("tradeType")
    @classmethod
    def _automated_trades_futures(cls, trade_type: TradeType, info: ValidationInfo) -> TradeType:
        automated = info.data.get("strategyType") is StrategyType.AUTOMATED
        if automated and trade_type is not TradeType.FUTURES:
            raise PydanticCustomError("trade", "cannot be assigned to AUTOMATED strategy")
        return trade_type

    def as_connection(self, id: str, user_id: str) -> NewConnection:
        """Return what a user asks to connect under an id."""
        return NewConnection(
            id=id,
            user_id=user_id,
            venue=self.exchangeId,
            trade_type=self.tradeType,
            strategy_type=self.strategyType,
            name=self.name,
            api_key=self.apiKey,
            secret=self.apiSecretKey.get_secret_value(),
            active=self.active,
        )


class KeyChange(BaseModel):
    """The body of update key: what is absent stays as it is. The limits are for strategies, and null removes one.

    ``maxDailyLossPercent`` has no effect yet.
    """

    name: Name | None = None
    active: bool | None = Field(default=None, strict=True)
    maxDailyLossPercent: DailyLoss | None = None
    maxOpenTrades: OpenTrades | None = None

    @property
    def limits(self) -> dict[str, Any]:
        """The limits that the body names, by their domain's fields."""
        fields = {"max_daily_loss_percent": "maxDailyLossPercent", "max_open_trades": "maxOpenTrades"}
        return {name: getattr(self, field) for name, field in fields.items() if field in self.model_fields_set}


class KeyAnswer(WireModel):
    """An exchange key. It never has the secret. Limits that are not set are left out."""

    id: str
    exchangeId: Venue = Field(validation_alias="venue")
    tradeType: TradeType = Field(validation_alias="trade_type")
    strategyType: StrategyType = Field(validation_alias="strategy_type")
    active: bool
    name: str
    apiKeyStatus: ApiKeyStatus = Field(validation_alias="api_key_status")
    apiKey: str = Field(validation_alias="api_key")
    createdAt: Instant = Field(validation_alias="created_at")
    updatedAt: Instant = Field(validation_alias="updated_at")
    maxDailyLossPercent: Annotated[
        Number | None, Field(validation_alias=AliasPath("limits", "max_daily_loss_percent"))
    ] = UNKNOWN
    maxOpenTrades: Annotated[int | None, Field(validation_alias=AliasPath("limits", "max_open_trades"))] = UNKNOWN


class KeyList(WireModel):
    """A user's exchange keys, oldest first."""

    items: list[KeyAnswer]


class TotalBalance(WireModel):
    """The sum of the active keys' latest balances."""

    USD: Number


class BalanceAnswer(WireModel):
    """The live balance of a key, by asset."""

    free: dict[str, Number]
    used: dict[str, Number]
    total: dict[str, Number]


def balance_answer(balance: AccountBalance) -> BalanceAnswer:
    """Return a balance on the wire."""
    return BalanceAnswer(
        free={b.asset: b.free for b in balance.balances},
        used={b.asset: b.used for b in balance.balances},
        total={b.asset: b.total for b in balance.balances},
    )
