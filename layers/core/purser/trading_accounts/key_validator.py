"""Validate API keys before they are stored."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from purser.errors import WithdrawalsAllowed
from purser.exchanges.model import ApiCredential, TradeType
from purser.exchanges.port import ExchangeGateway
from purser.exchanges.valuation import value_usd
from purser.trading_accounts.model import AccountValuation


class KeyValidator:
    """Validates API keys at the exchange. ``now`` gives Unix ms, ``usdc_usd`` the value of one USDC in USD."""

    def __init__(self, gateway: ExchangeGateway, now: Callable[[], int], usdc_usd: Decimal) -> None:
        self._gateway = gateway
        self._now = now
        self._usdc_usd = usdc_usd

    def validate(self, credential: ApiCredential, trade_type: TradeType) -> AccountValuation:
        """Return the value of the account behind a credential, if its key may be stored.

        Raises:
            ExchangeAuthorizationFailed: the exchange refuses the key for this trade type.
            WithdrawalsAllowed: the key may withdraw.
            ExchangeError: the exchange refuses or fails otherwise.
        """
        check = self._gateway.check_key(credential, trade_type)
        if check.may_withdraw:
            raise WithdrawalsAllowed
        worth = value_usd(check.balance, self._gateway.prices(), self._usdc_usd)
        return AccountValuation(worth.total_usd, self._now())
