"""Listing and creating exchange keys in FastAPI and Mangum: the routes of AccountExchange, with models like its own.

The init does the usual: imports, models, routes, a DynamoDB client. ``create`` makes another app with given models and
a given service, to compare the routes alone.
"""

import os
from enum import StrEnum
from typing import Annotated, Any

import boto3
from fastapi import Depends, FastAPI, Header, Request
from mangum import Mangum
from pydantic import BaseModel, Field, SecretStr, StringConstraints, ValidationInfo, field_validator

Name = Annotated[str, StringConstraints(min_length=1, max_length=24, strip_whitespace=True)]
ApiKey = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[!-~]*$")]


class Venue(StrEnum):
    """An exchange."""

    BINANCE = "BINANCE"


class TradeType(StrEnum):
    """One of its markets."""

    SPOT = "SPOT"
    FUTURES = "FUTURES"


class StrategyType(StrEnum):
    """The trader of a key: its user, or a strategy."""

    AUTOMATED = "AUTOMATED"
    MANUAL = "MANUAL"


class NewKey(BaseModel):
    """The body of create key."""

    exchangeId: Venue
    strategyType: StrategyType
    tradeType: TradeType
    active: bool = Field(default=True, strict=True)
    name: Name
    apiKey: ApiKey
    apiSecretKey: SecretStr = Field(min_length=1, max_length=256)

    @field_validator("tradeType")
    @classmethod
    def _automated_trades_futures(cls, trade_type: TradeType, info: ValidationInfo) -> TradeType:
        automated = info.data.get("strategyType") is StrategyType.AUTOMATED
        if automated and trade_type is not TradeType.FUTURES:
            raise ValueError("cannot be assigned to AUTOMATED strategy")
        return trade_type


class KeyAnswer(BaseModel):
    """An exchange key."""

    id: str
    exchangeId: Venue
    tradeType: TradeType
    strategyType: StrategyType
    active: bool
    name: str
    apiKeyStatus: str
    apiKey: str
    createdAt: str
    updatedAt: str


class KeyList(BaseModel):
    """A user's exchange keys."""

    items: list[KeyAnswer]


async def user_of(request: Request) -> str:
    """Return the id of the caller."""
    return str(request.scope["aws.event"]["requestContext"]["authorizer"]["claims"]["sub"])


def create(new_key: Any, key_answer: Any, key_list: Any, service: Any) -> Mangum:
    """Return the handler of an app with these models. The service lists and connects trading accounts."""
    app = FastAPI()
    caller = Annotated[str, Depends(user_of)]

    # Coroutines, although the service blocks: plain functions would each get a thread, which costs more.
    @app.get("/v1/priv/account/exchange/key/list", response_model=key_list)
    async def list_keys(user_id: caller) -> Any:
        return key_list(items=service.list(user_id))

    async def create_key(body: Any, user_id: caller, idempotency_key: Annotated[str | None, Header()] = None) -> Any:
        return service.connect(user_id, body)

    create_key.__annotations__["body"] = new_key
    app.post("/v1/priv/account/exchange/key", response_model=key_answer)(create_key)

    return Mangum(app, lifespan="off")


class Service:
    """Reads keys from DynamoDB."""

    def __init__(self) -> None:
        self._client = boto3.client("dynamodb")

    def list(self, user_id: str) -> list[KeyAnswer]:
        """Return a user's keys."""
        answer = self._client.query(
            TableName=os.environ["KEYS_TABLE"],
            KeyConditionExpression="PK = :pk AND begins_with(SK, :sk)",
            ExpressionAttributeValues={":pk": {"S": f"USER#{user_id}"}, ":sk": {"S": "KEY#"}},
        )
        return [KeyAnswer(**item) for item in answer["Items"]]


handler = create(NewKey, KeyAnswer, KeyList, Service())
