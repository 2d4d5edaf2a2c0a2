"""Validate API keys before they are stored."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from purser.errors import WithdrawalsAllowed
from purser.exchanges.model import ApiCredential, TradeType, value_usd
from purser.exchanges.port import ExchangeGateway
from purser.trading_accounts.model import AccountValuation


class KeyValidator:
    """Asks the exchange about an API key. ``now`` gives Unix ms; ``usdc_usd`` is what one USDC counts, in USD."""

    def __init__(self, gateway: ExchangeGateway, now: Callable[[], int], usdc_usd: Decimal) -> None:
        self._gateway = gateway
        self._now = now
        self._usdc_usd = usdc_usd

    def validate(self, credential: ApiCredential, trade_type: TradeType) -> AccountValuation:
        """Return what the account behind a credential is worth, if its key may be stored.

        Raises:
            ExchangeAuthorizationFailed: the exchange does not accept the key for this trade type.
            WithdrawalsAllowed: the key may withdraw.
            ExchangeError: the exchange refuses or fails otherwise.
        """
        check = self._gateway.check_key(credential, trade_type)
        if check.permissions.withdrawals:
            raise WithdrawalsAllowed
        worth = value_usd(check.balance, self._gateway.prices(), self._usdc_usd)
        return AccountValuation(worth.total_usd, self._now())
