"""AccountExchange: a user's exchange keys, their balances, and the history of those."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import BaseModel, Field, SecretStr, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from purser.bootstrap.snapshots import balance_history
from purser.bootstrap.trading_accounts import trading_accounts
from purser.exchanges.model import AccountBalance, TradeType, Venue
from purser.http.app import entry_point
from purser.http.caller import SignedIn, author
from purser.http.customer import customer_app
from purser.http.idempotency import IdempotencyKey, new_id, once
from purser.http.paging import Limit, NextToken, page_position, page_token
from purser.http.wire import Date, Instant, Number, Uuid, WireModel, matching
from purser.settings import settings
from purser.trading_accounts.model import ApiKeyStatus, StrategyType, TradingAccount
from purser.trading_accounts.service import NewConnection

app = customer_app()

CREATE_KEY = "POST /v1/priv/account/exchange/key"

KeyId = Annotated[Uuid, Path()]
Name = Annotated[str, StringConstraints(min_length=1, max_length=24, strip_whitespace=True)]
ApiKey = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[!-~]*$")]


class NewKey(BaseModel):
    """The body of create key."""

    exchangeId: Venue
    strategyType: StrategyType
    tradeType: TradeType
    active: bool = Field(default=True, strict=True)
    name: Name
    apiKey: ApiKey
    apiSecretKey: Annotated[SecretStr, matching("[!-~]+")] = Field(min_length=1, max_length=256)

    @field_validator("tradeType")
    @classmethod
    def _automated_trades_futures(cls, trade_type: TradeType, info: ValidationInfo) -> TradeType:
        automated = info.data.get("strategyType") is StrategyType.AUTOMATED
        if automated and trade_type is not TradeType.FUTURES:
            raise PydanticCustomError("trade", "cannot be assigned to AUTOMATED strategy")
        return trade_type

    @field_validator("apiSecretKey")
    @classmethod
    def _printable(cls, secret: SecretStr) -> SecretStr:
        text = secret.get_secret_value()
        if not text.isascii() or not text.isprintable() or " " in text:
            raise PydanticCustomError("secret", "has invalid characters")
        return secret


class KeyChange(BaseModel):
    """The body of update key: what is absent stays as it is."""

    name: Name | None = None
    active: bool | None = Field(default=None, strict=True)


class KeyAnswer(WireModel):
    """An exchange key. It never has the secret."""

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


class DayBalance(WireModel):
    """What a key was worth on a UTC day."""

    date: str
    totalUSD: Number = Field(validation_alias="total_usd")


class HistoryPage(WireModel):
    """Days, newest first."""

    items: list[DayBalance]
    nextToken: str | None


@app.get("/v1/priv/account/exchange/whitelist/ip")
def whitelist_ips(caller: SignedIn) -> list[str]:
    """The addresses that exchange keys should be restricted to."""
    return list(settings().whitelist_ips)


@app.get("/v1/priv/account/exchange/balance")
def total_balance(caller: SignedIn) -> TotalBalance:
    """What the active keys are worth together; not real-time."""
    return TotalBalance(USD=trading_accounts().total_usd(caller.user_id))


@app.get("/v1/priv/account/exchange/key/list")
def list_keys(caller: SignedIn) -> KeyList:
    """The caller's keys."""
    return KeyList(items=[_answer(account) for account in trading_accounts().of(caller.user_id)])


@app.post("/v1/priv/account/exchange/key")
def create_key(body: NewKey, caller: SignedIn, idempotency_key: IdempotencyKey = None) -> KeyAnswer:
    """Connects a trading account."""

    def create() -> KeyAnswer:
        new = NewConnection(
            id=new_id(caller, CREATE_KEY, idempotency_key),
            user_id=caller.user_id,
            venue=body.exchangeId,
            trade_type=body.tradeType,
            strategy_type=body.strategyType,
            name=body.name,
            api_key=body.apiKey,
            secret=body.apiSecretKey.get_secret_value(),
            active=body.active,
        )
        return _answer(trading_accounts().connect(new, author(caller)))

    return once(caller, CREATE_KEY, idempotency_key, body, create, KeyAnswer)


@app.put("/v1/priv/account/exchange/key/<id>")
def update_key(id: KeyId, body: KeyChange, caller: SignedIn) -> KeyAnswer:
    """Renames, enables or disables a key."""
    changed = trading_accounts().update(caller.user_id, id, name=body.name, active=body.active, by=author(caller))
    return _answer(changed)


@app.delete("/v1/priv/account/exchange/key/<id>", status_code=204)
def delete_key(id: KeyId, caller: SignedIn) -> Response[Any]:
    """Disconnects a trading account for good."""
    trading_accounts().disconnect(caller.user_id, id, author(caller))
    return Response(status_code=204, body="")


@app.get("/v1/priv/account/exchange/key/<id>/balance")
def key_balance(id: KeyId, caller: SignedIn) -> BalanceAnswer:
    """The live balance at the exchange."""
    return _by_asset(trading_accounts().balance(caller.user_id, id))


@app.get("/v1/priv/account/exchange/key/<id>/balance/history")
def key_balance_history(
    id: KeyId,
    caller: SignedIn,
    start: Annotated[Date | None, Query()] = None,
    limit: Limit = 100,
    nextToken: NextToken = None,
) -> HistoryPage:
    """One snapshot a UTC day, newest first; a day without one is absent. That of a deleted key stays."""
    account = trading_accounts().known(caller.user_id, id)
    listed = f"balance-history:{account.id}:{start}"
    rows, position = balance_history().page(account.id, start, limit, page_position(listed, nextToken))
    return HistoryPage(
        items=[DayBalance.model_validate(row) for row in rows],
        nextToken=page_token(listed, position) if position else None,
    )


def _answer(account: TradingAccount) -> KeyAnswer:
    return KeyAnswer.model_validate(account)


def _by_asset(balance: AccountBalance) -> BalanceAnswer:
    return BalanceAnswer(
        free={b.asset: b.free for b in balance.balances},
        used={b.asset: b.used for b in balance.balances},
        total={b.asset: b.total for b in balance.balances},
    )


handler = entry_point(app)
