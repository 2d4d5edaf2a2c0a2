"""The cancellation store on DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from purser.aws.tables import ConditionFailed, Table, Transaction
from purser.disconnecting.model import Cancellation
from purser.disconnecting.store.items import cancellation_of
from purser.keys_table import CANCELLATIONS, cancelling_sk, claim_pk, disconnected_sk, user_pk
from purser.operations.model import OperationStatus
from purser.operations.store import settling


class DynamoCancellationStore:
    """The cancellation store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, trading_account_id: str) -> Cancellation | None:
        """Return a waiting cancellation, or None if it is done."""
        item = self._table.get(CANCELLATIONS, trading_account_id)
        return cancellation_of(item) if item else None

    def waiting(self) -> Iterator[Cancellation]:
        """Return all waiting cancellations, streamed."""
        return map(cancellation_of, self._table.query("PK = :pk", {":pk": CANCELLATIONS}, consistent=True))

    def claim(self, cancellation: Cancellation, now: int) -> bool:
        """Record that it is queued now. Return False if it is done, or was queued since it was read."""
        queued, sk = {"queuedAt": now}, cancellation.trading_account_id
        return self._table.claim(CANCELLATIONS, sk, queued, at_version=cancellation.version) is not None

    def take_lease(self, trading_account_id: str, now: int, until: int) -> bool:
        """Lease a cancellation until then. Return False if it is done, or leased already."""
        free, lease = "attribute_not_exists(heldUntil) OR heldUntil <= :now", {"heldUntil": until}
        taken = self._table.claim(CANCELLATIONS, trading_account_id, lease, condition=free, values={":now": now})
        return taken is not None

    def release_lease(self, trading_account_id: str, until: int) -> None:
        """End the lease that runs until then."""
        values = {":until": until}
        with suppress(ConditionFailed):
            self._table.update(
                CANCELLATIONS, trading_account_id, "REMOVE heldUntil", values, condition="heldUntil = :until"
            )

    def remove(self, trading_account_id: str, outcome: str) -> None:
        """Destroy a cancellation with its credential, and record the outcome on the account and its operation, once."""
        cancellation = self.get(trading_account_id)
        if cancellation is None:
            return
        sealed = cancellation.credential
        # If it is gone since, the API key may have a later cancellation.
        destroyed = self._table.deleting(CANCELLATIONS, trading_account_id, condition="attribute_exists(PK)")
        released = self._table.deleting(claim_pk(sealed.venue, sealed.api_key), cancelling_sk(cancellation.trade_type))
        recorded = self._table.updating(
            user_pk(sealed.user_id),
            disconnected_sk(trading_account_id),
            "SET cancellation = :outcome",
            {":outcome": outcome},
        )
        with suppress(ConditionFailed), Transaction() as write:
            write.add(destroyed, refused=ConditionFailed)
            write.add(released, recorded, *settling(self._table, cancellation.operation, OperationStatus(outcome)))
