"""Trading accounts and credentials, as the stores keep them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from purser.credentials.model import SealedCredential
from purser.exchanges.model import TradeType, Venue
from purser.trading_accounts.model import ApiKeyStatus, StrategyType, TradingAccount


def trading_account(id: str, user_id: str, **given: Any) -> TradingAccount:
    """Return an active spot account for manual trading. Its API key and credential have its id too."""
    account = TradingAccount(
        id=id,
        user_id=user_id,
        venue=Venue.BINANCE,
        trade_type=TradeType.SPOT,
        strategy_type=StrategyType.MANUAL,
        name="Default",
        active=True,
        api_key_status=ApiKeyStatus.AUTHORIZED,
        api_key=id,
        credential_id=id,
        created_at=1,
        updated_at=1,
    )
    return replace(account, **given)


def sealed_credential(account: TradingAccount, ciphertext: bytes = b"sealed") -> SealedCredential:
    """Return the credential of an account."""
    return SealedCredential(
        account.credential_id, account.user_id, account.venue, account.api_key, ciphertext, account.created_at
    )
