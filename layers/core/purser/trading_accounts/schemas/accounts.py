"""Request models of trading accounts on the desk API."""

from __future__ import annotations

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from purser.credentials.schemas.fields import ApiKey, Nickname, Secret
from purser.exchanges.model import ACCOUNT_TYPES, TRADE_TYPES, AccountType, TradeType, Venue
from purser.http.wire import Uuid
from purser.trading_accounts.model import StrategyType
from purser.trading_accounts.service import NewConnection


class Connection(BaseModel):
    """The body of connect: one kept credential (BINANCE takes one), or an API key with its secret.

    ``externalTradingAccountId`` is the account as verify names it, and must fit an ``accountType``. There are no dealer
    accounts, so that none may be named.
    """

    venue: Venue
    accountType: AccountType | None = None
    externalTradingAccountId: TradeType | None = None
    dealerAccountId: None = None
    credentialIds: list[Uuid] | None = Field(default=None, min_length=1, max_length=1)
    apiKey: ApiKey | None = None
    apiSecret: Secret | None = None
    apiPassphrase: Secret | None = None
    nickname: Nickname | None = None
    name: Nickname | None = None
    accountID: Uuid | None = None

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Connection:
        inline = (self.apiKey is not None, self.apiSecret is not None)
        if inline != ((self.credentialIds is None),) * 2:
            raise PydanticCustomError("rule_credential", "must have credentialIds, or apiKey and apiSecret")
        return self

    @field_validator("externalTradingAccountId")
    @classmethod
    def _fits_the_type(cls, trade_type: TradeType | None, info: ValidationInfo) -> TradeType | None:
        account_type = info.data.get("accountType")
        if trade_type is not None and account_type not in (None, ACCOUNT_TYPES[trade_type]):
            raise PydanticCustomError("rule_external_account", "must fit accountType")
        return trade_type

    @property
    def trade_type(self) -> TradeType:
        """The market of the account, SPOT by default."""
        return self.externalTradingAccountId or TRADE_TYPES[self.accountType or "SPOT"]

    @property
    def credential_id(self) -> str | None:
        """The kept credential that is named."""
        return self.credentialIds[0] if self.credentialIds else None

    def as_connection(self, id: str, user_id: str) -> NewConnection:
        """Return what a user asks to connect under an id; the desk trades by hand."""
        return NewConnection(
            id=id,
            user_id=user_id,
            venue=self.venue,
            trade_type=self.trade_type,
            strategy_type=StrategyType.MANUAL,
            name=self.nickname or self.name or self.venue.value,
            api_key=self.apiKey or "",
            secret=self.apiSecret.get_secret_value() if self.apiSecret else "",
            customer_id=self.accountID,
        )


class AccountName(BaseModel):
    """The body of enable, disable and disconnect."""

    tradingAccountId: Uuid


class Renaming(AccountName):
    """The body of update."""

    nickname: Nickname | None = None
    name: Nickname | None = None

    @model_validator(mode="after")
    def _has_a_name(self) -> Renaming:
        if self.nickname is None and self.name is None:
            raise PydanticCustomError("rule_nickname", "must have a nickname")
        return self

    @property
    def given_name(self) -> str | None:
        """The name to give; ``nickname`` wins."""
        return self.nickname or self.name
