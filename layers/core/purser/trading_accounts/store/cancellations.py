"""The cancellation store on DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

from purser.aws.tables import ConditionFailed, Table, TransactionRefused, transact
from purser.trading_accounts.model import Cancellation
from purser.trading_accounts.operations import OperationStatus
from purser.trading_accounts.store.items import (
    CANCELLATIONS,
    cancellation_of,
    cancelling_sk,
    claim_pk,
    disconnected_sk,
    user_pk,
)
from purser.trading_accounts.store.operations import settling


class DynamoCancellationStore:
    """The cancellation store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, trading_account_id: str) -> Cancellation | None:
        """A waiting cancellation, or None when it is done."""
        item = self._table.get(CANCELLATIONS, trading_account_id)
        return cancellation_of(item) if item else None

    def waiting(self) -> Iterator[Cancellation]:
        """All waiting cancellations, streamed."""
        return map(cancellation_of, self._table.query("PK = :pk", {":pk": CANCELLATIONS}, consistent=True))

    def claim(self, cancellation: Cancellation, now: int) -> bool:
        """Notes that it is queued now; False when it is done, or was queued by another since it was read.

        The SDK may send the write again when the answer is lost: having met itself, it has claimed all the same.
        """
        values = {":now": now, ":read": cancellation.queued_at, ":me": uuid4().hex}
        try:
            self._table.update(
                CANCELLATIONS,
                cancellation.trading_account_id,
                "SET queuedAt = :now, claimedBy = :me",
                values,
                condition="queuedAt = :read OR claimedBy = :me",
            )
        except ConditionFailed:
            return False
        return True

    def take_lease(self, trading_account_id: str, now: int, until: int) -> bool:
        """Lease the cancellation until then; False when it is done, or another attempt has the lease."""
        free = "attribute_exists(PK) AND (attribute_not_exists(heldUntil) OR heldUntil <= :now)"
        values = {":now": now, ":until": until}
        try:
            self._table.update(CANCELLATIONS, trading_account_id, "SET heldUntil = :until", values, condition=free)
        except ConditionFailed:
            return False
        return True

    def release_lease(self, trading_account_id: str, until: int) -> None:
        """End the lease that runs until then."""
        values = {":until": until}
        try:
            self._table.update(
                CANCELLATIONS, trading_account_id, "REMOVE heldUntil", values, condition="heldUntil = :until"
            )
        except ConditionFailed:
            return

    def remove(self, trading_account_id: str, outcome: str) -> None:
        """Destroy a cancellation with its credential, and record the outcome on the account and its operation, once."""
        cancellation = self.get(trading_account_id)
        if cancellation is None:
            return
        sealed = cancellation.credential
        parts = [
            # By another's hand it may be gone since, and its API key wait for a later cancellation.
            self._table.deleting(CANCELLATIONS, trading_account_id, condition="attribute_exists(PK)"),
            self._table.deleting(claim_pk(sealed.venue, sealed.api_key), cancelling_sk(cancellation.trade_type)),
            self._table.updating(
                user_pk(sealed.user_id),
                disconnected_sk(trading_account_id),
                "SET cancellation = :outcome",
                {":outcome": outcome},
            ),
            *settling(self._table, cancellation.operation, OperationStatus(outcome)),
        ]
        try:
            transact(parts)
        except TransactionRefused:
            return
