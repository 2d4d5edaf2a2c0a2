"""Disconnect trading accounts on DynamoDB: one account, or all accounts of a credential that is revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from purser.aws.tables import Item, Part, Table, Transaction
from purser.credentials.model import Credential, StaleCredential
from purser.credentials.store.credentials import leaving, releasing, revoking
from purser.credentials.store.items import sealed_of
from purser.disconnecting.model import Cancellation
from purser.disconnecting.store.items import cancellation_item
from purser.keys_table import account_sk, cancelling_sk, claim_pk, credential_sk, follows_sk, user_pk, version_of
from purser.operations.model import Operation
from purser.operations.store import recording
from purser.retrying import until_fresh
from purser.trading_accounts.model import TradingAccount
from purser.trading_accounts.store.customer_links import unlinking
from purser.trading_accounts.store.items import account_of, disconnected_item
from purser.trading_accounts.store.versions import next_version

FOLLOWS_A_TRANSACTION = 80
"""The follows that end in one transaction with their account. It takes 100 writes, and the account needs nine."""

FOLLOWS_EACH = 20
"""The same for each account of a revoked credential, which may need thirteen more writes."""


class DynamoDisconnections:
    """Disconnects trading accounts on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def disconnect(
        self, account: TradingAccount, cancellation: Cancellation, now: int, more: Sequence[Part] = ()
    ) -> bool:
        """Move the account, end its claim and follows, take its credential, store the cancellation: all or nothing.

        ``more`` are further parts of the transaction. A concurrent change of the account or credential refuses it, and
        it starts anew.
        """
        return until_fresh(lambda: self._disconnect(account, cancellation, now, more), stale=StaleCredential)

    def _disconnect(self, account: TradingAccount, cancellation: Cancellation, now: int, more: Sequence[Part]) -> bool:
        pk = user_pk(account.user_id)
        item = self._table.get(pk, account_sk(account.id))
        if item is None:
            return False
        credential = self._table.get(pk, credential_sk(item["credentialId"]))
        if credential is None or "ciphertext" not in credential:  # left or revoked since the account was read
            raise StaleCredential
        read = account_of(item)
        with Transaction() as write:
            write.add(next_version(self._table, account.user_id, None))
            parts = self._disconnecting(item, credential, cancellation, now, FOLLOWS_A_TRANSACTION)
            write.add(*parts, refused=StaleCredential)
            write.add(leaving(self._table, credential, [account.id], now), refused=StaleCredential)
            write.add(releasing(self._table, read.venue, read.api_key, [read]), refused=StaleCredential)
            write.add(*recording(self._table, cancellation.operation), *more)
        return True

    def revoke(
        self, credential: Credential, cancellations: Sequence[Cancellation], operations: Sequence[Operation], now: int
    ) -> None:
        pk = user_pk(credential.user_id)
        item = self._table.get(pk, credential_sk(credential.id))
        if item is None or "ciphertext" not in item or version_of(item) != credential.version:
            raise StaleCredential
        found = [self._table.get(pk, account_sk(each.trading_account_id)) for each in cancellations]
        accounts = [account for account in found if account]
        if len(accounts) < len(found):
            raise StaleCredential
        with Transaction() as write:
            write.add(revoking(self._table, item, now), refused=StaleCredential)
            for account, cancellation in zip(accounts, cancellations, strict=True):
                parts = self._disconnecting(account, item, cancellation, now, FOLLOWS_EACH)
                write.add(*parts, *recording(self._table, cancellation.operation), refused=StaleCredential)
            if users := list(map(account_of, accounts)):
                write.add(next_version(self._table, credential.user_id, None))
                released = releasing(self._table, users[0].venue, item["apiKey"], users)
                write.add(released, refused=StaleCredential)
            write.add(*recording(self._table, *operations))

    def _disconnecting(
        self, account: Item, credential: Item, cancellation: Cancellation, now: int, follows: int
    ) -> list[Part]:
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

    def _deleting(self, item: Item, at_once: int) -> list[Part]:
        """Delete all but ``at_once`` of an account's follows; return the parts that delete the account and the others.

        A follow that begins meanwhile refuses the transaction.
        """
        pk = item["PK"]
        values = {":pk": pk, ":account": follows_sk(item["tradingAccountId"])}
        follows = list(self._table.query("PK = :pk AND begins_with(SK, :account)", values, consistent=True))
        for follow in follows[at_once:]:
            self._table.delete(pk, follow["SK"])
        return [
            self._table.deleting(pk, item["SK"], condition="attribute_exists(PK)", at_version=version_of(item)),
            *(self._table.deleting(pk, follow["SK"]) for follow in follows[:at_once]),
        ]
