"""A client of the desk's wallets that validates every answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Context, Inexact
from typing import Any
from uuid import uuid4

import requests

from tests.support.desk_client import Client, Transaction, Wallet, parsed
from tests.support.samples import ACCOUNTS, WALLETS

EXACT = Context(prec=60, traps=[Inexact])
Refusal = tuple[int, int, str]


def movement(wallet: Wallet, amount: Any, asset: str = "USDT", ref: str | None = None) -> dict[str, Any]:
    """Return the body of deposit and withdraw."""
    return {"walletId": wallet.walletId, "asset": asset, "amount": amount, "externalRef": ref or str(uuid4())}


def transfer(source: Wallet, destination: Wallet, amount: Any, asset: str = "USDT") -> dict[str, Any]:
    """Return the body of transfer."""
    ids = {"sourceWalletId": source.walletId, "destWalletId": destination.walletId}
    return ids | {"asset": asset, "amount": amount}


class WalletClient(Client):
    """A client of wallets for one user or admin."""

    def create(self, key: str | None = None, **body: Any) -> Wallet:
        """Create a wallet."""
        created: Wallet = self.done("create", body, key)
        return created

    def get(self, wallet: Wallet) -> Wallet:
        """Return a wallet as it is now."""
        found: Wallet = self.list(f"{WALLETS}/get", walletId=wallet.walletId)
        return found

    def done(self, act: str, body: Any, key: str | None = None) -> Any:
        """Send a POST that must succeed, and return the data."""
        status, answer = self.post_wallet(act, body, key)
        assert status == 200, answer
        return answer.data

    def transferred(self, body: Any, key: str | None = None) -> Transaction:
        """Make a transfer that must succeed, and return its transaction."""
        status, answer = self.post_wallet("transfer", body, key)
        assert status == 200, answer
        details: Transaction = answer.details
        return details

    def transfer_number(self, body: dict[str, Any], amount: str, key: str | None = None) -> Transaction:
        """Make a transfer with the amount as a JSON number of exactly these digits."""
        path, text = f"{WALLETS}/transfer", json.dumps(body | {"amount": None}).replace("null", amount)
        headers = self.headers | {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        answer = requests.post(self.url + path, data=text, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        details: Transaction = parsed(path, answer.status_code, answer.text).details
        return details

    def post_wallet(self, act: str, body: Any, key: str | None = None) -> tuple[int, Any]:
        """Send a POST, with an idempotency key if given, and return status and answer."""
        return self.send("POST", f"{WALLETS}/{act}", body, headers={"Idempotency-Key": key} if key else {})

    def refuses(self, act: str, body: Any, key: str | None = None) -> Refusal:
        """Send a POST that must be refused, and return status, errno and text."""
        status, answer = self.post_wallet(act, body, key)
        assert status >= 400, answer
        return status, answer.errno, answer.error

    def refuses_to_show(self, what: str, **query: Any) -> Refusal:
        """Send a GET that must be refused, and return status, errno and text."""
        status, answer = self.send("GET", f"{WALLETS}/{what}", params=query)
        assert status >= 400, answer
        return status, answer.errno, answer.error

    def pages(self, what: str, **query: Any) -> Iterator[list[Any]]:
        """Return the pages of a list, following its cursor."""
        cursor = None
        while True:
            status, answer = self.send("GET", f"{WALLETS}/{what}", params={**query, "cursor": cursor})
            assert status == 200, answer
            assert len(answer.data) <= answer.pagination.limit
            yield answer.data
            cursor = answer.pagination.cursor
            assert answer.pagination.hasNext is (cursor is not None)
            if cursor is None:
                return

    def balances(self, wallet: Wallet) -> dict[str, str]:
        """Return the balances in the portfolio of a wallet, which must be the sum of its entries."""
        (portfolio,) = self.list(f"{ACCOUNTS}/portfolio/list", tradingAccountId=wallet.walletId)
        balances = {balance.securitySymbol: balance.total for balance in portfolio.balances}
        assert balances == self._replayed(wallet)
        return balances

    def _replayed(self, wallet: Wallet) -> dict[str, str]:
        totals: dict[str, Any] = {}
        for page in self.pages("entry/list", walletId=wallet.walletId, limit=1000):
            for entry in page:
                before = totals.get(entry.asset, EXACT.create_decimal(0))
                totals[entry.asset] = EXACT.add(before, EXACT.create_decimal(entry.amount))
        return {asset: f"{EXACT.normalize(total):f}" for asset, total in totals.items() if total}
