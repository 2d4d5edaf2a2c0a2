"""The trading account store on DynamoDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from purser.audit.model import AuditEntry
from purser.audit.store import Recording
from purser.aws.integrity import identity
from purser.aws.tables import ConditionFailed, Part, Table, Transaction, batch_get, setting
from purser.credentials.model import Credential, SealedCredential, StaleCredential
from purser.credentials.store.credentials import claiming, joining, met, not_cancelling, still_cancelling
from purser.credentials.store.items import credential_of
from purser.disconnecting.model import Cancellation
from purser.errors import AlreadyConnected, IdempotencyKeyReused, StoredDataRefused
from purser.exchanges.model import TradeType, Venue
from purser.keys_table import (
    ACTIVE_SHARDS,
    account_sk,
    active_shard,
    claim_pk,
    credential_sk,
    disconnected_sk,
    refusals_pk,
    user_pk,
)
from purser.operations.model import Operation
from purser.operations.store import recording
from purser.retrying import until_fresh
from purser.trading_accounts.key_status import CONFIRMING_MS, WIDESPREAD
from purser.trading_accounts.model import (
    AccountRef,
    AccountValuation,
    ApiKeyStatus,
    ConnectedAccounts,
    CustomerNotActive,
    StaleAccounts,
    TradingAccount,
)
from purser.trading_accounts.store.customer_links import linking
from purser.trading_accounts.store.disconnecting import DynamoDisconnections
from purser.trading_accounts.store.items import LIMITS, account_item, account_of, backfill_item
from purser.trading_accounts.store.versions import VALIDATED, changing, next_version

MOST_DISCONNECTED = 10_000
REFUSALS_LIFETIME_S = 7 * 24 * 3600
"""The time for which refusals are kept, longer than ``LONGEST_BAN_MS``."""


class DynamoTradingAccountStore:
    """The trading account store on DynamoDB.

    ``while_active`` returns the transaction part that requires an owner's customer to be active. Without it no account
    can be connected to a customer. Without ``recording`` no admin can disconnect a user's account.
    """

    def __init__(
        self,
        table: Table,
        while_active: Callable[[str, str], Part] | None = None,
        recording: Recording | None = None,
    ) -> None:
        self._table = table
        self._while_active = while_active
        self._recording = recording

    def connected(self, user_id: str) -> ConnectedAccounts:
        items = self._table.query(
            "PK = :pk AND SK BETWEEN :first AND :last",
            {":pk": user_pk(user_id), ":first": "KEY#", ":last": "USER"},
            consistent=True,
            # The version comes first: an account that connects between two pages makes it stale. In the other order
            # an old set would carry the new version.
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
        item = self._table.get(user_pk(user_id), account_sk(trading_account_id))
        return account_of(item) if item else None

    def disconnected(self, user_id: str) -> list[TradingAccount]:
        values = {":pk": user_pk(user_id), ":prefix": disconnected_sk("")}
        items = self._table.query(
            "PK = :pk AND begins_with(SK, :prefix)", values, limit=MOST_DISCONNECTED, consistent=True
        )
        return sorted(map(account_of, items), key=lambda a: (a.created_at, a.id))

    def known(self, user_id: str, trading_account_id: str) -> TradingAccount | None:
        pk = user_pk(user_id)
        items = self._table.get_many([(pk, account_sk(trading_account_id)), (pk, disconnected_sk(trading_account_id))])
        return next(map(account_of, items), None)

    def owner_of(self, trading_account_id: str, *, disconnected: bool = False) -> str | None:
        """Query the index of accounts, which is eventually consistent."""
        values = {":id": trading_account_id}
        keys = self._table.query("tradingAccountId = :id", values, index="TradingAccountIndex")
        wanted = {account_sk(trading_account_id)} | ({disconnected_sk(trading_account_id)} if disconnected else set())
        return next((key["PK"].partition("#")[2] for key in keys if key["SK"] in wanted), None)

    def with_credential(self, user_id: str, trading_account_id: str) -> tuple[TradingAccount, SealedCredential] | None:
        """Make one request if the credential has the account's id, as usual, else two."""
        pk, table = user_pk(user_id), self._table.name
        sks = (account_sk(trading_account_id), credential_sk(trading_account_id))
        found = batch_get({table: [(pk, sk) for sk in sks]})
        item = found.get((table, pk, sks[0]))
        if item is None:
            return None
        account = account_of(item)
        sealed = found.get((table, pk, credential_sk(account.credential_id)))
        sealed = sealed or self._table.get(pk, credential_sk(account.credential_id))
        credential = credential_of(sealed)
        return (account, credential) if credential else None

    def is_claimed(self, user_id: str, venue: Venue, api_key: str, trade_type: TradeType) -> bool:
        claim = self._table.get(claim_pk(venue, api_key), "CLAIM")
        return claim is not None and (claim["userId"] != user_id or trade_type.value in claim)

    def connect(
        self,
        account: TradingAccount,
        credential: SealedCredential,
        version: int,
        operation: Operation | None = None,
        *,
        stored: bool = False,
    ) -> None:
        table, new = self._table, "attribute_not_exists(PK)"
        earlier = table.checking(user_pk(account.user_id), disconnected_sk(account.id), condition=new)
        joined = joining(table, account, credential, stored=stored)
        with Transaction() as write:
            write.add(next_version(table, account.user_id, version), refused=StaleAccounts)
            write.add(table.putting(account_item(account), condition=new), refused=StaleAccounts)
            write.add(claiming(table, account.venue, account.api_key, [account]), refused=AlreadyConnected)
            write.add(joined, refused=StaleCredential if stored else StaleAccounts)
            write.add(earlier, refused=IdempotencyKeyReused)
            write.add(*self._customer(account), refused=CustomerNotActive)
            write.add(not_cancelling(table, credential, account.trade_type), refused=still_cancelling)
            write.add(*linking(table, account), *recording(table, operation))
            write.add(table.putting(backfill_item(account.user_id, account.id, account.created_at)))

    def _customer(self, account: TradingAccount) -> list[Part]:
        if account.customer_id is None:
            return []
        if self._while_active is None:
            raise CustomerNotActive
        return [self._while_active(account.user_id, account.customer_id)]

    def rename(
        self, user_id: str, trading_account_id: str, name: str, now: int, operation: Operation | None = None
    ) -> TradingAccount | None:
        expression, values = "SET #name = :name, updatedAt = :now", {":name": name, ":now": now}
        update = changing(self._table, user_id, trading_account_id, expression, values, names={"#name": "name"})
        return self._change(user_id, trading_account_id, update, operation)

    def limit(
        self,
        user_id: str,
        trading_account_id: str,
        limits: Mapping[str, Any],
        now: int,
        operation: Operation | None = None,
    ) -> TradingAccount | None:
        changes = {LIMITS[name]: value for name, value in limits.items()}
        expression, values, names = setting(changes | {"updatedAt": now})
        update = changing(self._table, user_id, trading_account_id, expression, values, names=names)
        return self._change(user_id, trading_account_id, update, operation)

    def disable(
        self, user_id: str, trading_account_id: str, now: int, operation: Operation | None = None
    ) -> TradingAccount | None:
        expression = "SET active = :off, updatedAt = :now REMOVE activeShard, suspended, refusedAt, resumes"
        update = changing(self._table, user_id, trading_account_id, expression, {":off": False, ":now": now})
        return self._change(user_id, trading_account_id, update, operation)

    def refuse(self, account: TradingAccount, now: int, operation: Operation | None = None) -> TradingAccount | None:
        # The value of ``active`` is the one from before the update.
        expression = "SET resumes = active, active = :off, apiKeyStatus = :dead, updatedAt = :now "
        expression += "REMOVE activeShard, suspended, refusedAt"
        values: dict[str, Any] = {":off": False, ":dead": ApiKeyStatus.UNAUTHORIZED.value, ":now": now}
        condition = "attribute_exists(PK) AND NOT (active = :off AND apiKeyStatus = :dead) AND "
        condition += "validations = :validations" if account.validations else "attribute_not_exists(validations)"
        values |= {":validations": account.validations} if account.validations else {}
        update = changing(self._table, account.user_id, account.id, expression, values, condition=condition)
        return self._meet(account.user_id, account.id, update, operation, now, refused=True)

    def mark(self, account: TradingAccount, status: ApiKeyStatus, now: int, operation: Operation | None = None) -> None:
        changes: dict[str, Any] = {"apiKeyStatus": status.value, "updatedAt": now}
        condition, resumes = "apiKeyStatus = :was", account.resumes and status is ApiKeyStatus.AUTHORIZED
        if status is ApiKeyStatus.AUTHORIZED:
            changes["refusedAt"] = None
        if resumes:
            changes |= {"active": True, "activeShard": active_shard(account.id), "resumes": None}
            condition += " AND resumes = :active"
        expression, values, names = setting(changes)
        values[":was"] = account.api_key_status.value
        update = changing(
            self._table, account.user_id, account.id, expression, values, condition=condition, names=names
        )
        if account.api_key_status is not ApiKeyStatus.UNAUTHORIZED:
            self._change(account.user_id, account.id, update, operation)
        else:
            self._meet(account.user_id, account.id, update, operation, now, refused=False)

    def suspect(self, account: TradingAccount, now: int) -> int:
        users = self._users_refused(account, now)
        if account.refused_at is None:
            self._doubt(account, now)
        return users

    def _doubt(self, account: TradingAccount, now: int) -> None:
        """Note the first ambiguous refusal of a credential, unless the user has had another accepted since."""
        failed, dead = ApiKeyStatus.FAILED.value, ApiKeyStatus.UNAUTHORIZED.value
        values: dict[str, Any] = {":now": now, ":failed": failed, ":dead": dead}
        condition = "attribute_not_exists(refusedAt) AND apiKeyStatus <> :dead AND "
        condition += "validations = :validations" if account.validations else "attribute_not_exists(validations)"
        values |= {":validations": account.validations} if account.validations else {}
        expression = "SET refusedAt = :now, apiKeyStatus = :failed, updatedAt = :now"
        update = changing(self._table, account.user_id, account.id, expression, values, condition=condition)
        self._change(account.user_id, account.id, update, None)

    def _users_refused(self, account: TradingAccount, now: int) -> int:
        """Record that a user's credential was refused now, and count the users as the port says.

        An item holds the users of ten minutes, and no more of them than matter.
        """
        pk, current = refusals_pk(account.venue), now // CONFIRMING_MS
        values = {":user": {account.user_id}, ":most": WIDESPREAD, ":expires": now // 1000 + REFUSALS_LIFETIME_S}
        condition = "attribute_not_exists(userIds) OR size(userIds) < :most"
        with suppress(ConditionFailed):
            self._table.update(
                pk, str(current), "SET expiresAt = :expires ADD userIds :user", values, condition=condition
            )
        first = (account.refused_at or now) // CONFIRMING_MS
        spans = {first - 1, first, first + 1, current - 1, current}
        items = self._table.get_many([(pk, str(span)) for span in spans])
        users = {user for item in items for user in item["userIds"]} | {account.user_id}
        return min(len(users), WIDESPREAD)

    def _change(
        self, user_id: str, trading_account_id: str, update: Part, operation: Operation | None, met: Sequence[Part] = ()
    ) -> TradingAccount | None:
        """Update an account and record the operation; return None when the update's condition does not hold."""
        try:
            with Transaction() as write:
                write.add(update, refused=ConditionFailed)
                write.add(*met, refused=StaleCredential)
                write.add(*recording(self._table, operation))
        except ConditionFailed:
            return None
        return self.get(user_id, trading_account_id)

    def _meet(
        self,
        user_id: str,
        trading_account_id: str,
        update: Part,
        operation: Operation | None,
        now: int,
        *,
        refused: bool,
    ) -> TradingAccount | None:
        """Update an account and its credential, which the exchange has refused or accepted."""

        def attempt() -> TradingAccount | None:
            item = self._table.get(user_pk(user_id), account_sk(trading_account_id))
            if item is None:
                return None
            parts = met(self._table, item, now, refused=refused)
            if not refused and item.get("resumes"):
                # Enforcement, which counts active accounts, must then read them again.
                parts.append(next_version(self._table, user_id, None))
            return self._change(user_id, trading_account_id, update, operation, parts)

        return until_fresh(attempt, stale=StaleCredential)

    def record_valuation(self, user_id: str, trading_account_id: str, valuation: AccountValuation) -> None:
        try:
            self._table.update(
                user_pk(user_id),
                account_sk(trading_account_id),
                "SET readingUsd = :value, readingAt = :at, apiKeyStatus = :status REMOVE refusedAt ADD version :one",
                {
                    ":one": 1,
                    ":value": valuation.total_usd,
                    ":at": valuation.taken_at,
                    ":status": ApiKeyStatus.AUTHORIZED.value,
                    ":on": True,
                },
                condition="active = :on AND (attribute_not_exists(readingAt) OR readingAt < :at)",
            )
        except ConditionFailed:
            return

    def active(self, after: str | None = None) -> Iterator[AccountRef]:
        first = int(active_shard(after)) if after else 0
        for shard in range(first, ACTIVE_SHARDS):
            condition, values = "activeShard = :shard", {":shard": str(shard)}
            if after and shard == first:
                condition, values = f"{condition} AND tradingAccountId > :after", {**values, ":after": after}
            for item in self._table.query(condition, values, index="ActiveIndex"):
                # An item that contradicts itself has raised the alarm. It must not delay the others.
                with suppress(StoredDataRefused):
                    yield AccountRef(identity(item, "PK", "userId"), identity(item, "SK", "tradingAccountId"))

    def activate(
        self,
        account: TradingAccount,
        valuation: AccountValuation,
        now: int,
        version: int,
        operation: Operation | None = None,
    ) -> TradingAccount | None:
        values = {
            ":on": True,
            ":status": ApiKeyStatus.AUTHORIZED.value,
            ":shard": active_shard(account.id),
            ":value": valuation.total_usd,
            ":at": valuation.taken_at,
            ":now": now,
            ":zero": 0,
        }
        update = changing(
            self._table,
            account.user_id,
            account.id,
            "SET active = :on, apiKeyStatus = :status, activeShard = :shard, "
            f"readingUsd = :value, readingAt = :at, updatedAt = :now, {VALIDATED} "
            "REMOVE suspended, refusedAt, resumes",
            values,
        )
        try:
            with Transaction() as write:
                write.add(update, refused=ConditionFailed)
                write.add(next_version(self._table, account.user_id, version), refused=StaleAccounts)
                if account.api_key_status is ApiKeyStatus.UNAUTHORIZED:
                    item = {"PK": user_pk(account.user_id), "credentialId": account.credential_id}
                    write.add(*met(self._table, item, now, refused=False), refused=StaleAccounts)
                write.add(*recording(self._table, operation))
        except ConditionFailed:
            return None
        return self.get(account.user_id, account.id)

    def disconnect(
        self, account: TradingAccount, cancellation: Cancellation, now: int, entry: AuditEntry | None = None
    ) -> bool:
        recorded: Sequence[Part] = ()
        if entry is not None:
            if self._recording is None:
                raise TypeError("an act of an admin cannot be recorded")
            recorded = self._recording(entry)
        return DynamoDisconnections(self._table).disconnect(account, cancellation, now, recorded)

    def revoke(
        self, credential: Credential, cancellations: Sequence[Cancellation], operations: Sequence[Operation], now: int
    ) -> None:
        DynamoDisconnections(self._table).revoke(credential, cancellations, operations, now)
