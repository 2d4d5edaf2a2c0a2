"""Usages in the Keys table (``purser.keys_table``)."""

from __future__ import annotations

from collections.abc import Sequence

from purser.actor import SYSTEM
from purser.aws.tables import Part, Table, Transaction, setting
from purser.enforcement.model import Change, PlanUsage
from purser.follows.model import Follow
from purser.follows.store import follow_of, follow_sk
from purser.keys_table import active_shard, followed_by, user_pk
from purser.operations.model import OperationType, operation
from purser.operations.store import recording
from purser.trading_accounts.model import StaleAccounts
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
        with Transaction() as write:
            write.add(next_version(self._table, user_id, version), refused=StaleAccounts)
            for change in changes:
                write.add(*self._parts(user_id, change, now), refused=StaleAccounts)

    def _parts(self, user_id: str, change: Change, now: int) -> list[Part]:
        suspend, id = change.suspend, change.of.id
        state = {"active": not suspend, "suspended": (suspend and change.of.active) or None, "updatedAt": now}
        condition = "active = :on" if suspend else "suspended = :on"
        if isinstance(change.of, Follow):
            strategy_id = change.of.strategy_id
            expression, values, names = setting(
                state | {"followedBy": None if suspend else followed_by(strategy_id, id)}
            )
            values |= {":on": True, ":id": id, ":strategy": strategy_id}
            condition = f"followId = :id AND strategyId = :strategy AND {condition}"
            pk, sk = user_pk(user_id), follow_sk(change.of)
            return [self._table.updating(pk, sk, expression, values, condition=condition, names=names)]
        shard = None if suspend else active_shard(id)
        expression, values, names = setting(state | {"activeShard": shard, "resumes": None})
        values |= {":on": True}
        condition = "resumes = :on" if suspend and change.of.resumes else condition
        update = changing(self._table, user_id, id, expression, values, condition=condition, names=names)
        kind = OperationType.DISABLE if suspend else OperationType.ENABLE
        return [update, *recording(self._table, operation(kind, user_id, id, SYSTEM, now))]
