"""The snapshot and history stores on DynamoDB."""

from __future__ import annotations

from collections.abc import Mapping

from purser.aws.tables import ConditionFailed, Item, Table, batch_get
from purser.credentials.model import SealedCredential
from purser.credentials.store.items import credential_of
from purser.keys_table import account_sk, credential_sk, user_pk
from purser.snapshots.model import Job, Known, Snapshot, Source, day_before
from purser.snapshots.store.items import BACKFILLED, UNLESS_LIVE, snapshot_item, snapshot_of
from purser.trading_accounts.model import AccountRef, TradingAccount
from purser.trading_accounts.store.items import account_of

Key = tuple[str, str]


class DynamoBalanceHistoryStore:
    """The history store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def page(self, trading_account_id: str, first: str, last: str, limit: int) -> list[Snapshot]:
        if last < first:
            return []
        items = self._table.query(
            "PK = :pk AND SK BETWEEN :first AND :last",
            {":pk": account_sk(trading_account_id), ":first": first, ":last": last},
            newest_first=True,
            limit=limit,
        )
        return list(map(snapshot_of, items))


class DynamoSnapshotStore:
    """The snapshot store on DynamoDB. ``keys`` is the table of trading accounts."""

    def __init__(self, table: Table, keys: Table) -> None:
        self._table = table
        self._keys = keys

    def known(self, job: Job) -> Known:
        """Make one request, or two if a credential does not share its account's id."""
        refs, yesterday = job.pending, day_before(job.date)
        found = batch_get(
            {
                self._keys.name: [key for ref in refs for key in (_account_key(ref), _credential_key(ref, ref.id))],
                self._table.name: [(account_sk(ref.id), day) for ref in refs for day in (job.date, yesterday)],
            }
        )
        items = {ref: found.get((self._keys.name, *_account_key(ref))) for ref in refs}
        accounts = {ref: account_of(item) for ref, item in items.items() if item}
        days = (found.get((self._table.name, account_sk(ref.id), job.date)) for ref in refs)
        snapshots = [snapshot_of(item) for item in days if item]
        return Known(
            accounts={ref.id: account for ref, account in accounts.items()},
            credentials=self._credentials(accounts, found),
            snapshots={snapshot.trading_account_id: snapshot for snapshot in snapshots},
            unbroken=frozenset(r.id for r in refs if (self._table.name, account_sk(r.id), yesterday) in found),
        )

    def _credentials(
        self, accounts: Mapping[AccountRef, TradingAccount], found: Mapping[tuple[str, str, str], Item]
    ) -> dict[str, SealedCredential]:
        keys = {ref.id: _credential_key(ref, account.credential_id) for ref, account in accounts.items()}
        missing = {key for key in keys.values() if (self._keys.name, *key) not in found}
        found = {**found, **batch_get({self._keys.name: sorted(missing)})}
        sealed = {account: credential_of(found.get((self._keys.name, *key))) for account, key in keys.items()}
        return {account: credential for account, credential in sealed.items() if credential}

    def keep(self, snapshot: Snapshot) -> Snapshot:
        item = snapshot_item(snapshot)
        try:
            if snapshot.source is Source.LIVE:
                self._table.put(item, values=BACKFILLED, **UNLESS_LIVE)
            else:
                self._table.put(item, condition="attribute_not_exists(PK)")
        except ConditionFailed:
            kept = self._table.get(item["PK"], item["SK"])
            return snapshot_of(kept) if kept else snapshot
        return snapshot


def _account_key(ref: AccountRef) -> Key:
    return user_pk(ref.user_id), account_sk(ref.id)


def _credential_key(ref: AccountRef, credential_id: str) -> Key:
    return user_pk(ref.user_id), credential_sk(credential_id)
