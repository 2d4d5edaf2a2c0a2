"""Executions and their jobs in the Orders table.

    PK                      SK                        what
    FOLLOW#<follow id>      EXECUTION#<signal id>     one signal for one follow; ids of signals sort by time
    EXECUTIONS#<shard>      <signal id>#<job id>      a job; deleted when it is done
    KEY#<account id>        ENTRIES                   how many entries it has begun under a limit of open trades

Executions expire (``expiresAt``) after a year. Their intents are those of orders (``purser.orders.store``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from purser.aws.shards import shard_of
from purser.aws.tables import ConditionFailed, Item, Part, Table, Transaction
from purser.errors import Contended
from purser.executions.model import (
    AccountStopped,
    EntriesChanged,
    Execution,
    ExecutionChanged,
    ExecutionExists,
    ExecutionJob,
    ExecutionStatus,
    FollowStopped,
    Outcome,
    SkipReason,
)
from purser.follows.model import Follower
from purser.keys_table import account_sk, follows_sk, user_pk
from purser.orders.intents import Intent, OrderLock
from purser.orders.store import DynamoIntentStore
from purser.retrying import until_fresh
from purser.signals.store import counting
from purser.trading_accounts.model import ApiKeyStatus
from purser.work.store import Attributes, DynamoWorkStore, Layout

LIFETIME_S = 365 * 24 * 3600
JOB_SHARDS = 16
NEW = "attribute_not_exists(PK)"
NAMES = Attributes()


def _key(follow_id: str, signal_id: str) -> tuple[str, str]:
    return f"FOLLOW#{follow_id}", f"EXECUTION#{signal_id}"


def _entries_key(trading_account_id: str) -> tuple[str, str]:
    return f"KEY#{trading_account_id}", "ENTRIES"


def _item(execution: Execution) -> Item:
    pk, sk = _key(execution.follow_id, execution.signal_id)
    return {
        "PK": pk,
        "SK": sk,
        "strategyId": execution.strategy_id,
        "userId": execution.user_id,
        "tradingAccountId": execution.trading_account_id,
        "symbol": execution.symbol,
        "jobId": execution.job_id,
        "status": execution.status.value,
        "reason": execution.reason.value if execution.reason else None,
        "detail": execution.detail,
        "amount": execution.amount,
        "leverage": execution.leverage,
        "worstPrice": execution.worst_price,
        "risk": execution.risk,
        "cappedBy": execution.capped_by,
        "tradeId": execution.trade_id,
        "counted": list(filter(None, execution.counted)) if execution.counted else None,
        "createdAt": execution.created_at,
        "updatedAt": execution.updated_at,
        "expiresAt": execution.created_at // 1000 + LIFETIME_S,
    }


def _execution_of(item: Item) -> Execution:
    def amount(name: str) -> Decimal | None:
        return Decimal(item[name]) if name in item else None

    return Execution(
        signal_id=item["SK"].removeprefix("EXECUTION#"),
        strategy_id=item["strategyId"],
        follow_id=item["PK"].removeprefix("FOLLOW#"),
        user_id=item["userId"],
        trading_account_id=item["tradingAccountId"],
        symbol=item["symbol"],
        created_at=int(item["createdAt"]),
        updated_at=int(item["updatedAt"]),
        job_id=item["jobId"],
        status=ExecutionStatus(item["status"]),
        reason=SkipReason(item["reason"]) if "reason" in item else None,
        detail=item.get("detail"),
        amount=amount("amount"),
        leverage=int(item["leverage"]) if "leverage" in item else None,
        worst_price=amount("worstPrice"),
        risk=amount("risk"),
        capped_by=item.get("cappedBy"),
        trade_id=item.get("tradeId"),
        counted=_outcome_of(item.get("counted")),
    )


def _outcome_of(counted: list[str] | None) -> Outcome | None:
    return (counted[0], counted[1] if len(counted) > 1 else None) if counted else None


class DynamoExecutionStore:
    """The execution store on DynamoDB.

    ``keys`` is the table of follows and trading accounts, ``strategies`` that of signals and their counts.
    """

    def __init__(self, table: Table, keys: Table, strategies: Table) -> None:
        self._table = table
        self._keys = keys
        self._strategies = strategies
        self._intents = DynamoIntentStore(table)

    def get(self, follow_id: str, signal_id: str) -> Execution | None:
        item = self._table.get(*_key(follow_id, signal_id))
        return _execution_of(item) if item else None

    def known(self, job: ExecutionJob) -> Mapping[str, Execution]:
        items = self._table.get_many([_key(each.follow_id, job.signal_id) for each in job.followers])
        executions = map(_execution_of, items)
        return {execution.follow_id: execution for execution in executions}

    def skip(self, execution: Execution) -> None:
        try:
            self._table.put(_item(execution), condition=NEW)
        except ConditionFailed:
            return

    def entries(self, trading_account_id: str) -> int:
        item = self._table.get(*_entries_key(trading_account_id))
        return int(item["version"]) if item else 0

    def begin(
        self,
        execution: Execution,
        intent: Intent,
        lock: OrderLock,
        replaced: Intent | None,
        entries: int | None = None,
    ) -> None:
        with Transaction() as write:
            write.add(self._table.putting(_item(execution), condition=NEW), refused=ExecutionExists)
            write.add(self._while_following(execution), refused=FollowStopped)
            write.add(self._while_active(execution), refused=AccountStopped)
            if entries is not None:
                write.add(self._next_entry(execution, entries), refused=EntriesChanged)
            self._intents.beginning(write, intent, lock, replaced)

    def _while_following(self, execution: Execution) -> Part:
        return self._keys.checking(
            user_pk(execution.user_id),
            f"{follows_sk(execution.trading_account_id)}{execution.symbol}",
            condition="followId = :id AND strategyId = :strategy AND active = :on",
            values={":id": execution.follow_id, ":strategy": execution.strategy_id, ":on": True},
        )

    def _while_active(self, execution: Execution) -> Part:
        return self._keys.checking(
            user_pk(execution.user_id),
            account_sk(execution.trading_account_id),
            condition="active = :on AND apiKeyStatus <> :dead",
            values={":on": True, ":dead": ApiKeyStatus.UNAUTHORIZED.value},
        )

    def _next_entry(self, execution: Execution, entries: int) -> Part:
        pk, sk = _entries_key(execution.trading_account_id)
        item = {"PK": pk, "SK": sk, "version": entries + 1, "expiresAt": execution.created_at // 1000 + LIFETIME_S}
        return self._table.putting(item, at_version=entries)

    def begin_closing(self, execution: Execution, trade: Intent, lock: OrderLock) -> None:
        with Transaction() as write:
            write.add(self._table.putting(_item(execution)))
            self._intents.keeping(write, trade, lock)

    def keep(self, trade: Intent, lock: OrderLock) -> None:
        self._intents.keep(trade, lock)

    def settle(self, execution: Execution) -> None:
        before, after = execution.counted, execution.outcome
        if before is None:
            self._table.put(_item(execution), condition="attribute_not_exists(counted)", refused=Contended)
            return
        item, condition = _item(replace(execution, counted=after)), "counted = :before"
        values = {":before": list(filter(None, before))}
        with Transaction() as write:
            write.add(self._table.putting(item, condition=condition, values=values), refused=Contended)
            if before != after:
                write.add(counting(self._strategies, execution.signal_id, execution.id, {before: -1, after: 1}))

    def count(self, write: Transaction, job: ExecutionJob, failed: Sequence[Execution] = ()) -> None:
        """Add to a transaction the counts of the executions that a job began, and of those that have ``failed``.

        Those that may still change note as what they are counted. A follower may be in several jobs, if the planner was
        killed.
        """
        begun = [each for each in self.known(job).values() if each.job_id == job.id]
        for execution in failed:
            item = _item(replace(execution, counted=execution.outcome))
            write.add(self._table.putting(item, condition=NEW), refused=ExecutionChanged)
        for execution in begun:
            if execution.may_change:
                write.add(self._counted(execution), refused=ExecutionChanged)
        if counts := Counter(each.outcome for each in (*begun, *failed)):
            write.add(counting(self._strategies, job.signal_id, job.id, counts))

    def _counted(self, execution: Execution) -> Part:
        pk, sk = _key(execution.follow_id, execution.signal_id)
        values = {":counted": list(filter(None, execution.outcome)), ":status": execution.status.value}
        condition, names = "#status = :status AND attribute_not_exists(counted)", {"#status": "status"}
        return self._table.updating(pk, sk, "SET counted = :counted", values, condition=condition, names=names)

    def open_symbols(self, trading_account_id: str) -> Sequence[str]:
        return self._intents.open_symbols(trading_account_id)

    def lock(self, trading_account_id: str, symbol: str) -> OrderLock | None:
        return self._intents.locks.get(trading_account_id, symbol)

    def intent(self, trading_account_id: str, intent_id: str) -> Intent | None:
        return self._intents.get(trading_account_id, intent_id)

    def newest(self, follow_id: str, before: str | None, limit: int) -> Sequence[Execution]:
        pk, first = _key(follow_id, "")
        last = f"{first}{before}" if before else f"{first}~"
        items = self._table.query(
            "PK = :pk AND SK BETWEEN :first AND :last",
            {":pk": pk, ":first": first, ":last": last},
            newest_first=True,
            limit=limit + (1 if before else 0),
        )
        return [each for each in map(_execution_of, items) if each.signal_id != before][:limit]


def _job_key(signal_id: str, job_id: str) -> tuple[str, str]:
    name = f"{signal_id}#{job_id}"
    return f"EXECUTIONS#{shard_of(name, JOB_SHARDS)}", name


def _job_item(job: ExecutionJob) -> dict[str, Any]:
    pk, sk = _job_key(*job.key)
    return {
        "PK": pk,
        "SK": sk,
        "strategyId": job.strategy_id,
        "followers": [[each.user_id, each.trading_account_id, each.follow_id] for each in job.followers],
        "price": job.price,
        "createdAt": job.created_at,
        "counted": job.counted or None,
        **NAMES.write(job),
        "version": job.version,
    }


def _job_of(item: Item) -> ExecutionJob:
    signal_id, _, job_id = item["SK"].partition("#")
    return ExecutionJob(
        signal_id=signal_id,
        id=job_id,
        strategy_id=item["strategyId"],
        followers=tuple(Follower(*each) for each in item["followers"]),
        price=Decimal(item["price"]) if "price" in item else None,
        created_at=int(item["createdAt"]),
        counted=item.get("counted", False),
        **NAMES.read(item),
    )


LAYOUT = Layout(_job_key, _job_of, tuple(f"EXECUTIONS#{shard}" for shard in range(JOB_SHARDS)), NAMES)


class DynamoJobStore(DynamoWorkStore[ExecutionJob]):
    """The job store on DynamoDB."""

    def __init__(self, table: Table, executions: DynamoExecutionStore) -> None:
        super().__init__(table, LAYOUT)
        self._executions = executions

    def add(self, jobs: Sequence[ExecutionJob]) -> None:
        with Transaction() as write:
            write.add(*(self._table.putting(_job_item(job)) for job in jobs))

    def finish(self, item: ExecutionJob) -> bool:
        """Delete a job that is done, and count the executions that it began by status and reason."""

        def attempt() -> None:
            pk, sk = _job_key(*item.key)
            with Transaction() as write:
                write.add(self._table.deleting(pk, sk, at_version=item.version), refused=ConditionFailed)
                if not item.counted:
                    self._executions.count(write, item)

        try:
            until_fresh(attempt, stale=ExecutionChanged)
        except ConditionFailed:
            return False
        return True

    def give_up(self, job: ExecutionJob, failed: Sequence[Execution]) -> None:
        pk, sk = _job_key(*job.key)
        counted = self._table.updating(
            pk,
            sk,
            "SET counted = :yes",
            {":yes": True},
            condition="attribute_not_exists(counted)",
            at_version=job.version,
        )
        try:
            with Transaction() as write:
                write.add(counted, refused=Contended)
                self._executions.count(write, job, failed)
        except ExecutionChanged:
            raise Contended from None
