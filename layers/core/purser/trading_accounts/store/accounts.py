"""The trading account store on DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from purser.aws.tables import (
    ConditionFailed,
    Item,
    Table,
    TransactionRefused,
    batch_get,
    showing,
    transact,
)
from purser.errors import AlreadyConnected, Contended, IdempotencyKeyReused
from purser.exchanges.model import TradeType, Venue
from purser.trading_accounts.model import (
    ACTIVE_SHARDS,
    AccountRef,
    ApiKeyStatus,
    Cancellation,
    ConnectedAccounts,
    Reading,
    SealedCredential,
    StaleAccounts,
    StillCancelling,
    TradingAccount,
    active_shard,
)
from purser.trading_accounts.store.items import (
    account_item,
    account_of,
    account_sk,
    archived,
    backfill_item,
    cancellation_item,
    cancelling_sk,
    claim_pk,
    credential_attributes,
    credential_of,
    credential_sk,
    ended_sk,
    follows_sk,
    user_pk,
)

RELEASE_TRIES = 4
FOLLOWS_A_TRANSACTION = 90
"""Follows that end in one transaction with their account: it takes 100 writes, of which the account needs seven."""


def next_version(table: Table, user_id: str, version: int | None) -> dict[str, Any]:
    """A part of a transaction that moves the version of a user's set on, from ``version`` where one is given."""
    values: dict[str, Any] = {":one": 1, ":zero": 0}
    condition = None
    if version is not None:
        values[":version"] = version
        condition = "version = :version" if version else "attribute_not_exists(version)"
        if not version:
            del values[":version"]
    expression = "SET version = if_not_exists(version, :zero) + :one"
    return table.updating(user_pk(user_id), "USER", expression, values, condition=condition)


class DynamoTradingAccounts:
    """The trading account store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def connected(self, user_id: str) -> ConnectedAccounts:
        """One query: the user's version and connected accounts, oldest first."""
        items = self._table.query(
            "PK = :pk AND SK BETWEEN :first AND :last",
            {":pk": user_pk(user_id), ":first": "KEY#", ":last": "USER"},
            consistent=True,
            # The version comes before the accounts: what connects between two pages makes it stale, and so is found
            # out. In the other order an old set would carry the new version.
            newest_first=True,
        )
        version, accounts = 0, []
        for item in items:
            if item["SK"] == "USER":
                version = int(item["version"])
            else:
                accounts.append(account_of(item))
        return ConnectedAccounts(version, tuple(sorted(accounts, key=lambda a: (a.created_at, a.id))))

    def get(self, user_id: str, trading_account_id: str) -> TradingAccount | None:
        """One of the user's connected trading accounts."""
        item = self._table.get(user_pk(user_id), account_sk(trading_account_id))
        return account_of(item) if item else None

    def owner_of(self, trading_account_id: str) -> str | None:
        """Whose connected trading account this is; None when nobody's. One query of an index, moments behind."""
        values = {":id": trading_account_id}
        keys = self._table.query("tradingAccountId = :id", values, index="TradingAccountIndex")
        wanted = account_sk(trading_account_id)
        return next((key["PK"].partition("#")[2] for key in keys if key["SK"] == wanted), None)

    def with_credential(self, user_id: str, trading_account_id: str) -> tuple[TradingAccount, SealedCredential] | None:
        """One of the user's connected trading accounts with its credential.

        One request where the credential came with the account, which has its id; else two.
        """
        pk, table = user_pk(user_id), self._table.name
        sks = (account_sk(trading_account_id), credential_sk(trading_account_id))
        found = batch_get({table: [(pk, sk) for sk in sks]})
        item = found.get((table, pk, sks[0]))
        if item is None:
            return None
        account = account_of(item)
        sealed = found.get((table, pk, credential_sk(account.credential_id)))
        sealed = sealed or self._table.get(pk, credential_sk(account.credential_id))
        return (account, credential_of(sealed)) if sealed else None

    def is_claimed(self, user_id: str, venue: Venue, api_key: str, trade_type: TradeType) -> bool:
        """Whether the API key is connected by another user, or by this one for this trade type."""
        claim = self._table.get(claim_pk(venue, api_key), "CLAIM")
        return claim is not None and (claim["userId"] != user_id or trade_type.value in claim)

    def connect(self, account: TradingAccount, credential: SealedCredential, version: int) -> None:
        """One transaction: version, claim, account, credential, backfill; nothing ended or to be cancelled."""
        pk, claim = user_pk(account.user_id), claim_pk(account.venue, account.api_key)
        parts = [
            next_version(self._table, account.user_id, version),
            self._table.updating(
                claim,
                "CLAIM",
                "SET userId = :user, #type = :id",
                {":user": account.user_id, ":id": account.id},
                names={"#type": account.trade_type.value},
                condition="attribute_not_exists(PK) OR (userId = :user AND attribute_not_exists(#type))",
            ),
            self._table.putting(account_item(account), condition="attribute_not_exists(PK)"),
            self._table.putting(
                {"PK": pk, "SK": credential_sk(credential.id), **credential_attributes(credential)},
                condition="attribute_not_exists(PK)",
            ),
            self._absent(pk, ended_sk(account.id)),
            showing(self._absent(claim, cancelling_sk(account.trade_type))),
            self._table.putting(backfill_item(account.user_id, account.id, account.created_at, account.created_at)),
        ]
        try:
            transact(parts)
        except TransactionRefused as refused:
            if refused.failed & {0, 2, 3}:
                raise StaleAccounts from None
            if 1 in refused.failed:
                raise AlreadyConnected from None
            if 4 in refused.failed:
                raise IdempotencyKeyReused from None
            raise StillCancelling(refused.items[5]["endedId"]) from None

    def _absent(self, pk: str, sk: str) -> dict[str, Any]:
        """A part of a transaction that writes nothing, on condition that nothing is there."""
        return self._table.checking(pk, sk, condition="attribute_not_exists(PK)")

    def rename(self, user_id: str, trading_account_id: str, name: str, now: int) -> TradingAccount | None:
        """Gives a new name; None when there is no such account."""
        expression, values = "SET #name = :name, updatedAt = :now", {":name": name, ":now": now}
        return self._update(user_id, trading_account_id, expression, values, names={"#name": "name"})

    def deactivate(
        self,
        user_id: str,
        trading_account_id: str,
        now: int,
        status: ApiKeyStatus | None = None,
        *,
        unchanged_since: int | None = None,
    ) -> TradingAccount | None:
        """Makes an account inactive and takes it from the active index, with a new key status where one is given.

        None when there is none, or it is no longer as it was ``unchanged_since`` (its ``updated_at``).
        """
        expression: str = "SET active = :off"
        values: dict[str, Any] = {":off": False}
        if status is not None:
            expression += ", apiKeyStatus = :status"
            values[":status"] = status.value
        condition = "attribute_exists(PK)"
        if unchanged_since is not None:
            condition = "updatedAt = :since"
            values[":since"] = unchanged_since
        expression += ", updatedAt = :now REMOVE activeShard, suspended"
        return self._update(user_id, trading_account_id, expression, values | {":now": now}, condition=condition)

    def mark(self, account: TradingAccount, status: ApiKeyStatus, now: int) -> None:
        """Notes how the exchange met the credential, unless that was noted otherwise since the account was read."""
        values = {":status": status.value, ":was": account.api_key_status.value, ":now": now}
        expression, condition = "SET apiKeyStatus = :status, updatedAt = :now", "apiKeyStatus = :was"
        self._update(account.user_id, account.id, expression, values, condition=condition)

    def note_reading(self, user_id: str, trading_account_id: str, reading: Reading) -> None:
        """Notes what an active account is worth, unless a later reading is noted; its key is AUTHORIZED."""
        try:
            self._table.update(
                user_pk(user_id),
                account_sk(trading_account_id),
                "SET readingUsd = :value, readingAt = :at, apiKeyStatus = :status",
                {
                    ":value": reading.total_usd,
                    ":at": reading.taken_at,
                    ":status": ApiKeyStatus.AUTHORIZED.value,
                    ":on": True,
                },
                condition="active = :on AND (attribute_not_exists(readingAt) OR readingAt < :at)",
            )
        except ConditionFailed:
            return

    def active(self) -> Iterator[AccountRef]:
        """All active trading accounts, streamed from the index shard by shard."""
        for shard in range(ACTIVE_SHARDS):
            items = self._table.query("activeShard = :shard", {":shard": str(shard)}, index="ActiveIndex")
            for item in items:
                yield AccountRef(item["userId"], item["tradingAccountId"])

    def _update(
        self,
        user_id: str,
        trading_account_id: str,
        expression: str,
        values: dict[str, Any],
        *,
        condition: str = "attribute_exists(PK)",
        names: dict[str, str] | None = None,
    ) -> TradingAccount | None:
        pk, sk = user_pk(user_id), account_sk(trading_account_id)
        try:
            item = self._table.update(pk, sk, expression, values, condition=condition, names=names)
        except ConditionFailed:
            return None
        return account_of(item)

    def activate(self, account: TradingAccount, reading: Reading, now: int, version: int) -> TradingAccount | None:
        """One transaction: version, account."""
        values = {
            ":on": True,
            ":status": ApiKeyStatus.AUTHORIZED.value,
            ":shard": active_shard(account.id),
            ":value": reading.total_usd,
            ":at": reading.taken_at,
            ":now": now,
        }
        update = self._table.updating(
            user_pk(account.user_id),
            account_sk(account.id),
            "SET active = :on, apiKeyStatus = :status, activeShard = :shard, "
            "readingUsd = :value, readingAt = :at, updatedAt = :now REMOVE suspended",
            values,
            condition="attribute_exists(PK)",
        )
        try:
            transact([next_version(self._table, account.user_id, version), update])
        except TransactionRefused as refused:
            if 1 in refused.failed:
                return None
            raise StaleAccounts from None
        return self.get(account.user_id, account.id)

    def end(self, account: TradingAccount, cancellation: Cancellation, now: int) -> bool:
        """One transaction: version, account to its archive, credential to the cancellation, claim released, follows.

        It writes what it reads: who changes the credential meanwhile refuses it, and it is tried anew.
        """
        pk = user_pk(account.user_id)
        for attempt in range(RELEASE_TRIES):
            item = self._table.get(pk, account_sk(account.id))
            if item is None:
                return False
            credential = self._table.get(pk, credential_sk(item["credentialId"]))
            if credential is None:
                continue
            waiting = replace(cancellation, credential=credential_of(credential))
            try:
                transact(
                    [
                        *self._removing(item),
                        next_version(self._table, account.user_id, None),
                        self._table.putting(archived(item, now)),
                        *self._moving(credential, waiting),
                        self._release(account_of(item), last=attempt % 2 == 0),
                    ]
                )
                return True
            except TransactionRefused:
                continue
        raise Contended

    def _moving(self, credential: Item, waiting: Cancellation) -> list[dict[str, Any]]:
        """Moves a credential as it was read to a cancellation, for which its API key waits from now on."""
        sealed = waiting.credential
        mark = {
            "PK": claim_pk(sealed.venue, sealed.api_key),
            "SK": cancelling_sk(waiting.trade_type),
            "endedId": waiting.trading_account_id,
        }
        read = {":read": sealed.ciphertext}
        return [
            self._table.deleting(credential["PK"], credential["SK"], condition="ciphertext = :read", values=read),
            self._table.putting(cancellation_item(waiting)),
            self._table.putting(mark),
        ]

    def _removing(self, item: Item) -> list[dict[str, Any]]:
        """Removes an account as it was read and all that it follows: a follow that begins meanwhile refuses it."""
        pk = item["PK"]
        values = {":pk": pk, ":account": follows_sk(item["tradingAccountId"])}
        follows = list(self._table.query("PK = :pk AND begins_with(SK, :account)", values, consistent=True))
        for follow in follows[FOLLOWS_A_TRANSACTION:]:
            self._table.delete(pk, follow["SK"])
        begun = {":begun": item["followsBegun"]} if "followsBegun" in item else None
        unchanged = "followsBegun = :begun" if begun else "attribute_not_exists(followsBegun)"
        condition = f"attribute_exists(PK) AND {unchanged}"
        return [
            self._table.deleting(pk, item["SK"], condition=condition, values=begun),
            *(self._table.deleting(pk, follow["SK"]) for follow in follows[:FOLLOWS_A_TRANSACTION]),
        ]

    def _release(self, account: TradingAccount, *, last: bool) -> dict[str, Any]:
        """Releases the API key: the whole claim when this was its last trade type, else this trade type."""
        pk = claim_pk(account.venue, account.api_key)
        other = next(t for t in TradeType if t is not account.trade_type)
        names = {"#mine": account.trade_type.value, "#other": other.value}
        if last:
            part = self._table.deleting(
                pk, "CLAIM", condition="#mine = :id AND attribute_not_exists(#other)", values={":id": account.id}
            )
            part["Delete"]["ExpressionAttributeNames"] = names
            return part
        return self._table.updating(
            pk,
            "CLAIM",
            "REMOVE #mine",
            {":id": account.id},
            condition="#mine = :id AND attribute_exists(#other)",
            names=names,
        )
