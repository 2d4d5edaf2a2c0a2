"""Usages in the Keys table (``purser.keys_table``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from purser.actor import SYSTEM
from purser.aws.tables import Part, Table, Transaction
from purser.enforcement.model import Change, PlanUsage
from purser.follows.model import Follow
from purser.follows.store import follow_of, follow_sk
from purser.keys_table import active_shard, user_pk
from purser.operations.model import OperationType, operation
from purser.operations.store import recording
from purser.trading_accounts.model import StaleAccounts, TradingAccount
from purser.trading_accounts.store.items import account_of
from purser.trading_accounts.store.versions import changing, next_version


class DynamoPlanUsageStore:
    """The plan usage store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def of(self, user_id: str) -> PlanUsage:
        """Read version, connected accounts and follows in one query, the version first."""
        version, accounts, follows = 0, [], []
        items = self._table.query(
            "PK = :pk AND SK BETWEEN :first AND :last",
            {":pk": user_pk(user_id), ":first": "FOLLOW#", ":last": "USER"},
            consistent=True,
            newest_first=True,
        )
        for item in items:
            if item["SK"] == "USER":
                version = int(item["version"])
            elif item["SK"].startswith("KEY#"):
                accounts.append(account_of(item))
            else:
                follows.append(follow_of(user_id, item))
        accounts.sort(key=lambda account: (account.created_at, account.id))
        return PlanUsage(version, tuple(accounts), tuple(follows))

    def apply(self, user_id: str, changes: Sequence[Change], version: int, now: int) -> None:
        """Write version, accounts, their operations, and follows in one transaction."""
        with Transaction() as write:
            write.add(next_version(self._table, user_id, version), refused=StaleAccounts)
            for change in changes:
                write.add(*self._parts(user_id, change, now), refused=StaleAccounts)

    def _parts(self, user_id: str, change: Change, now: int) -> list[Part]:
        if isinstance(change.of, Follow):
            return [self._of_follow(user_id, change.of, now, suspend=change.suspend)]
        kind = OperationType.DISABLE if change.suspend else OperationType.ENABLE
        audit_entry = operation(kind, user_id, change.of.id, SYSTEM, now)
        update = self._of_account(user_id, change.of, now, suspend=change.suspend)
        return [update, *recording(self._table, audit_entry)]

    def _of_account(self, user_id: str, account: TradingAccount, now: int, *, suspend: bool) -> Part:
        values: dict[str, Any] = {":on": True, ":now": now}
        if suspend:
            expression = "SET active = :off, suspended = :on, updatedAt = :now REMOVE activeShard"
            condition, values[":off"] = "active = :on", False
        else:
            expression = "SET active = :on, activeShard = :shard, updatedAt = :now REMOVE suspended"
            condition, values[":shard"] = "suspended = :on", active_shard(account.id)
        return changing(self._table, user_id, account.id, expression, values, condition=condition)

    def _of_follow(self, user_id: str, follow: Follow, now: int, *, suspend: bool) -> Part:
        values: dict[str, Any] = {":on": True, ":now": now, ":id": follow.id}
        if suspend:
            expression = "SET active = :off, suspended = :on, updatedAt = :now"
            condition, values[":off"] = "followId = :id AND active = :on", False
        else:
            expression = "SET active = :on, updatedAt = :now REMOVE suspended"
            condition = "followId = :id AND suspended = :on"
        return self._table.updating(user_pk(user_id), follow_sk(follow), expression, values, condition=condition)
