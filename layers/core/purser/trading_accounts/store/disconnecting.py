"""Disconnect trading accounts on DynamoDB: one account, or all accounts of a credential that is revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from purser.aws.tables import Item, Table, TransactionRefused, transact
from purser.errors import Contended
from purser.trading_accounts.model import Cancellation, Credential, TradingAccount
from purser.trading_accounts.operations import Operation
from purser.trading_accounts.store.credentials import leaving, releasing, revoking
from purser.trading_accounts.store.customer_links import unlinking
from purser.trading_accounts.store.items import (
    account_of,
    account_sk,
    cancellation_item,
    cancelling_sk,
    claim_pk,
    credential_sk,
    disconnected_item,
    follows_sk,
    sealed_of,
    user_pk,
)
from purser.trading_accounts.store.operations import recording
from purser.trading_accounts.store.versions import next_version

RELEASE_TRIES = 4
FOLLOWS_A_TRANSACTION = 80
"""Follows that end in one transaction with their account: it takes 100 writes, of which an account needs nine."""

FOLLOWS_EACH = 20
"""Follows of each account where all of a credential are disconnected: each may need thirteen writes more."""


class DynamoDisconnections:
    """Disconnects trading accounts on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def disconnect(self, account: TradingAccount, cancellation: Cancellation, now: int) -> bool:
        """One transaction: version, account item moved, credential, claim, follows, link, cancellation, operation.

        It writes what it reads: who changes the credential meanwhile refuses it, and it is tried anew.
        """
        pk = user_pk(account.user_id)
        for _ in range(RELEASE_TRIES):
            item = self._table.get(pk, account_sk(account.id))
            if item is None:
                return False
            credential = self._table.get(pk, credential_sk(item["credentialId"]))
            if credential is None or "ciphertext" not in credential:  # left or revoked since the account was read
                continue
            stored = account_of(item)
            parts = [
                next_version(self._table, account.user_id, None),
                *self._disconnecting(item, credential, cancellation, now, FOLLOWS_A_TRANSACTION),
                leaving(self._table, credential, [account.id], now),
                releasing(self._table, stored.venue, stored.api_key, [stored]),
                *recording(self._table, cancellation.operation),
            ]
            try:
                transact(parts)
                return True
            except TransactionRefused:
                continue
        raise Contended

    def revoke(
        self, credential: Credential, cancellations: Sequence[Cancellation], operations: Sequence[Operation], now: int
    ) -> bool:
        """One transaction: a credential loses its secret, and every account that uses it is disconnected.

        Returns:
            False when it, or who uses it, is no longer as it was read; nothing is written then.
        """
        pk = user_pk(credential.user_id)
        item = self._table.get(pk, credential_sk(credential.id))
        if item is None or "ciphertext" not in item or item.get("accountIds", set()) != credential.account_ids:
            return False
        accounts: list[TradingAccount] = []
        parts = [revoking(self._table, item, now)]
        for cancellation in cancellations:
            account = self._table.get(pk, account_sk(cancellation.trading_account_id))
            if account is None:
                return False
            accounts.append(account_of(account))
            parts += self._disconnecting(account, item, cancellation, now, FOLLOWS_EACH)
        if accounts:
            parts.append(next_version(self._table, credential.user_id, None))
            parts.append(releasing(self._table, accounts[0].venue, item["apiKey"], accounts))
        disconnects = [cancellation.operation for cancellation in cancellations]
        try:
            transact([*parts, *recording(self._table, *disconnects, *operations)])
        except TransactionRefused:
            return False
        return True

    def _disconnecting(
        self, account: Item, credential: Item, cancellation: Cancellation, now: int, follows: int
    ) -> list[dict[str, Any]]:
        """Return the parts that disconnect an account: item moved, customer unlinked, orders to be cancelled.

        The cancellation holds the credential as it was read, and the API key waits for it from now on.
        """
        sealed = sealed_of(credential)
        mark = {
            "PK": claim_pk(sealed.venue, sealed.api_key),
            "SK": cancelling_sk(cancellation.trade_type),
            "endedId": cancellation.trading_account_id,
        }
        return [
            *self._deleting(account, follows),
            self._table.putting(disconnected_item(account, now)),
            *unlinking(self._table, account_of(account)),
            self._table.putting(cancellation_item(replace(cancellation, credential=sealed))),
            self._table.putting(mark),
        ]

    def _deleting(self, item: Item, at_once: int) -> list[dict[str, Any]]:
        """Removes an account as it was read and all that it follows: a follow that begins meanwhile refuses it."""
        pk = item["PK"]
        values = {":pk": pk, ":account": follows_sk(item["tradingAccountId"])}
        follows = list(self._table.query("PK = :pk AND begins_with(SK, :account)", values, consistent=True))
        for follow in follows[at_once:]:
            self._table.delete(pk, follow["SK"])
        begun = {":begun": item["followsBegun"]} if "followsBegun" in item else None
        unchanged = "followsBegun = :begun" if begun else "attribute_not_exists(followsBegun)"
        condition = f"attribute_exists(PK) AND {unchanged}"
        return [
            self._table.deleting(pk, item["SK"], condition=condition, values=begun),
            *(self._table.deleting(pk, follow["SK"]) for follow in follows[:at_once]),
        ]
