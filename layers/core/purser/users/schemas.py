"""Request and answer models of what administrators see of users, and of the plans they grant."""

from __future__ import annotations

from pydantic import BaseModel, Field

from purser.billing.schemas.subscriptions import SubscriptionAnswer
from purser.exchanges.model import TradeType, Venue
from purser.http.wire import Instant, Uuid, WireModel
from purser.trading_accounts.model import ApiKeyStatus, StrategyType


class UserAnswer(WireModel):
    """A user; ``status`` is Cognito's."""

    id: str
    email: str
    status: str
    enabled: bool
    createdAt: Instant = Field(validation_alias="created_at")
    updatedAt: Instant = Field(validation_alias="updated_at")


class UserList(WireModel):
    """Some users."""

    items: list[UserAnswer]
    nextToken: str | None


class KeyAnswer(WireModel):
    """An exchange key, without what opens it."""

    id: str
    exchangeId: Venue = Field(validation_alias="venue")
    tradeType: TradeType = Field(validation_alias="trade_type")
    strategyType: StrategyType = Field(validation_alias="strategy_type")
    active: bool
    name: str
    apiKeyStatus: ApiKeyStatus = Field(validation_alias="api_key_status")
    createdAt: Instant = Field(validation_alias="created_at")
    updatedAt: Instant = Field(validation_alias="updated_at")


class OverviewAnswer(WireModel):
    """A user with what the user has."""

    user: UserAnswer
    subscription: SubscriptionAnswer | None
    exchangeKeys: list[KeyAnswer] = Field(validation_alias="trading_accounts")


class Grant(BaseModel):
    """The body of grant subscription; null takes the grant back."""

    subscriptionId: Uuid | None
