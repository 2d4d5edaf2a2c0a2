"""Snapshots, runs and jobs in the Snapshots table.

    PK                      SK                      what
    KEY#<account id>        <YYYY-MM-DD>            a snapshot; it never expires
    RUNS                    <run id>                a run and its counts; ids sort by time
    RUN#<run id>            JOB#<job id>            a job: its pending trading accounts
    VENUE#<venue>           HOLD                    until when the venue is not to be asked

All but snapshots expire (``expiresAt``).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from uuid import uuid4

from purser.aws.tables import ConditionFailed, Item, Table, TransactionRefused, batch_get, batch_put, transact
from purser.clock import now_ms
from purser.exchanges.model import Venue
from purser.snapshots.model import Counts, Job, Known, Run, Snapshot, Source, StaleJob
from purser.trading_accounts.model import AccountRef, SealedCredential, TradingAccount
from purser.trading_accounts.store.items import account_of, account_sk, credential_of, credential_sk, user_pk

RUNS = "RUNS"
OUTCOMES = ("stored", "skipped", "unauthorized", "failed")
COUNTED = (*OUTCOMES, "done")
LIFETIME_S = 35 * 24 * 3600
MOST_OPEN_RUNS = 50

Key = tuple[str, str]


def _expiry() -> int:
    return now_ms() // 1000 + LIFETIME_S


def _run_pk(run_id: str) -> str:
    return f"RUN#{run_id}"


def _job_sk(job_id: str) -> str:
    return f"JOB#{job_id}"


class DynamoRuns:
    """The run store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def begin(self, run: Run) -> None:
        """Keeps a new run."""
        item = {"PK": RUNS, "SK": run.id, "date": run.date, "startedAt": run.started_at, "expiresAt": _expiry()}
        # Its id is random: what is there already is the run itself, from a first try whose answer was lost.
        with suppress(ConditionFailed):
            self._table.put(item | dict.fromkeys(COUNTED, 0), condition="attribute_not_exists(PK)")

    def add_jobs(self, jobs: Sequence[Job]) -> None:
        """Keeps new jobs, 25 a request."""
        batch_put(self._table.name, map(_job_item, jobs))

    def set_planned(self, run_id: str, planned: int) -> None:
        """Notes how many trading accounts a run has."""
        self._table.update(RUNS, run_id, "SET planned = :planned", {":planned": planned})

    def job(self, run_id: str, job_id: str) -> Job | None:
        """A job as it is now, or None when it is gone."""
        item = self._table.get(_run_pk(run_id), _job_sk(job_id))
        return _job_of(item) if item else None

    def advance(self, job: Job, counts: Counts) -> None:
        """One transaction: the job's next version, the run's counts.

        Raises:
            StaleJob: the job is no longer at the version before.
        """
        kept = self._table.putting(_job_item(job), condition="version = :before", values={":before": job.version - 1})
        counted = self._table.updating(
            RUNS,
            job.run_id,
            "ADD " + ", ".join(f"#{name} :{name}" for name in COUNTED),
            {f":{name}": getattr(counts, name) for name in COUNTED},
            names={f"#{name}": name for name in COUNTED},
        )
        try:
            transact([kept, counted] if counts != Counts() else [kept])
        except TransactionRefused:
            raise StaleJob from None

    def close(self, run_id: str, now: int) -> Run | None:
        """Closes a run whose trading accounts are all accounted for; the run, to the one caller who did."""
        try:
            item = self._table.update(
                RUNS,
                run_id,
                "SET closedAt = :now, closedBy = :me",
                {":now": now, ":me": secrets.token_hex(8)},
                # A second try, when the first one's answer was lost, finds it closed by itself.
                condition="planned = done AND (attribute_not_exists(closedAt) OR closedBy = :me)",
            )
        except ConditionFailed:
            return None
        return _run_of(item)

    def open_runs(self, since: int) -> Iterator[Run]:
        """The runs begun since then that are not closed, newest first; of the newest 50 runs at most."""
        items = self._table.query(
            "PK = :pk AND SK >= :since",
            {":pk": RUNS, ":since": f"{since:013d}"},
            newest_first=True,
            limit=MOST_OPEN_RUNS,
            consistent=True,
        )
        return (_run_of(item) for item in items if "closedAt" not in item)

    def jobs(self, run_id: str) -> Iterator[Job]:
        """A run's jobs, streamed."""
        return map(_job_of, self._table.query("PK = :pk", {":pk": _run_pk(run_id)}))

    def claim(self, job: Job, due_at: int) -> bool:
        """Notes a new due time; False when the job's has changed since it was read."""
        try:
            self._table.update(
                _run_pk(job.run_id),
                _job_sk(job.id),
                "SET dueAt = :due, claimedBy = :me",
                {":due": due_at, ":read": job.due_at, ":me": uuid4().hex},
                # A second try, when the first one's answer was lost, finds itself.
                condition="dueAt = :read OR claimedBy = :me",
            )
        except ConditionFailed:
            return False
        return True


class DynamoHistory:
    """The history store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def page(self, trading_account_id: str, first: str, last: str, limit: int) -> list[Snapshot]:
        """At most ``limit`` snapshots of the days from ``first`` to ``last``, newest first, in one query."""
        items = self._table.query(
            "PK = :pk AND SK BETWEEN :first AND :last",
            {":pk": account_sk(trading_account_id), ":first": first, ":last": last},
            newest_first=True,
            limit=limit,
        )
        return list(map(_snapshot_of, items))


class DynamoSnapshots:
    """The snapshot store on DynamoDB; ``keys`` is the table of trading accounts."""

    def __init__(self, table: Table, keys: Table, venue: Venue = Venue.BINANCE) -> None:
        self._table = table
        self._keys = keys
        self._hold = (f"VENUE#{venue.value}", "HOLD")

    def known(self, job: Job) -> Known:
        """What is stored about a job's pending trading accounts: one request where, as usual, ids are shared.

        A credential that other trading accounts use too has an id of its own, which takes a second request.
        """
        refs = job.pending
        found = batch_get(
            {
                self._keys.name: [key for ref in refs for key in (_account_key(ref), _credential_key(ref, ref.id))],
                self._table.name: [self._hold, *((account_sk(ref.id), job.date) for ref in refs)],
            }
        )
        items = {ref: found.get((self._keys.name, *_account_key(ref))) for ref in refs}
        accounts = {ref: account_of(item) for ref, item in items.items() if item}
        days = (found.get((self._table.name, account_sk(ref.id), job.date)) for ref in refs)
        snapshots = [_snapshot_of(item) for item in days if item]
        return Known(
            accounts={ref.id: account for ref, account in accounts.items()},
            credentials=self._credentials(accounts, found),
            snapshots={snapshot.trading_account_id: snapshot for snapshot in snapshots},
            held_until=int(found.get((self._table.name, *self._hold), {}).get("heldUntil", 0)),
        )

    def _credentials(
        self, accounts: Mapping[AccountRef, TradingAccount], found: Mapping[tuple[str, str, str], Item]
    ) -> dict[str, SealedCredential]:
        keys = {ref.id: _credential_key(ref, account.credential_id) for ref, account in accounts.items()}
        missing = {key for key in keys.values() if (self._keys.name, *key) not in found}
        found = {**found, **batch_get({self._keys.name: sorted(missing)})}
        sealed = {account: found.get((self._keys.name, *key)) for account, key in keys.items()}
        return {account: credential_of(item) for account, item in sealed.items() if item}

    def keep(self, snapshot: Snapshot) -> Snapshot:
        """Keeps a snapshot unless the day has one. Returns the one that is kept."""
        item = _snapshot_item(snapshot)
        try:
            self._table.put(item, condition="attribute_not_exists(PK)")
        except ConditionFailed:
            kept = self._table.get(item["PK"], item["SK"])
            return _snapshot_of(kept) if kept else snapshot
        return snapshot

    def hold(self, until: int) -> None:
        """Tells all workers not to ask the venue before then; never shortens what was said before."""
        pk, sk = self._hold
        try:
            self._table.put(
                {"PK": pk, "SK": sk, "heldUntil": until, "expiresAt": _expiry()},
                condition="attribute_not_exists(PK) OR heldUntil < :until",
                values={":until": until},
            )
        except ConditionFailed:
            return


def _account_key(ref: AccountRef) -> Key:
    return user_pk(ref.user_id), account_sk(ref.id)


def _credential_key(ref: AccountRef, credential_id: str) -> Key:
    return user_pk(ref.user_id), credential_sk(credential_id)


def _snapshot_item(snapshot: Snapshot) -> Item:
    return {
        "PK": account_sk(snapshot.trading_account_id),
        "SK": snapshot.date,
        "totalUSD": snapshot.total_usd,
        "source": snapshot.source.value,
        "takenAt": snapshot.taken_at,
        "runId": snapshot.run_id,
    }


def _snapshot_of(item: Item) -> Snapshot:
    return Snapshot(
        trading_account_id=item["PK"].removeprefix(account_sk("")),
        date=item["SK"],
        total_usd=Decimal(item["totalUSD"]),
        source=Source(item["source"]),
        taken_at=int(item["takenAt"]),
        run_id=item.get("runId"),
    )


def _run_of(item: Item) -> Run:
    return Run(
        id=item["SK"],
        date=item["date"],
        started_at=int(item["startedAt"]),
        planned=int(item["planned"]) if "planned" in item else None,
        counts=Counts(**{name: int(item[name]) for name in OUTCOMES}),
    )


def _job_item(job: Job) -> Item:
    return {
        "PK": _run_pk(job.run_id),
        "SK": _job_sk(job.id),
        "date": job.date,
        "pending": [[ref.user_id, ref.id] for ref in job.pending],
        "dueAt": job.due_at,
        "dead": job.dead,
        "version": job.version,
        "expiresAt": _expiry(),
    }


def _job_of(item: Item) -> Job:
    return Job(
        run_id=item["PK"].removeprefix(_run_pk("")),
        id=item["SK"].removeprefix(_job_sk("")),
        date=item["date"],
        pending=tuple(AccountRef(*ref) for ref in item["pending"]),
        due_at=int(item["dueAt"]),
        dead=item["dead"],
        version=int(item["version"]),
    )
