"""The answer model of verified credentials."""

from __future__ import annotations

from purser.credentials.schemas.answers import CredentialAnswer
from purser.credentials.service import Verified
from purser.exchanges.model import ACCOUNT_TYPES
from purser.http.desk import Trouble, trouble
from purser.trading_accounts.schemas.answers import TradingAccountAnswer


class VerifiedAnswer(TradingAccountAnswer):
    """An account at the exchange, NEW until it is connected, and why the exchange could not answer."""

    error: Trouble | None


def verified_answer(verified: Verified) -> VerifiedAnswer:
    """Return a verified account on the wire."""
    credential, account = verified.credential, verified.account
    name = account.name if account else credential.nickname
    dated = account or credential
    return VerifiedAnswer(
        tradingAccountId=verified.id,
        externalTradingAccountId=verified.trade_type,
        userId=credential.user_id,
        venue=credential.venue,
        name=name,
        nickname=name,
        accountType=ACCOUNT_TYPES[verified.trade_type],
        externalAccountType=verified.trade_type,
        status=verified.status,
        credentials=[CredentialAnswer.model_validate(credential)],
        createdAt=dated.created_at,
        createdAtDateTime=dated.created_at,
        updatedAt=dated.updated_at,
        updatedAtDateTime=dated.updated_at,
        error=trouble(verified.error) if verified.error else None,
    )
