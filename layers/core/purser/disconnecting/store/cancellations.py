"""The cancellation store on DynamoDB."""

from __future__ import annotations

from purser.aws.integrity import stored_data_refused
from purser.aws.tables import ConditionFailed, Table, Transaction
from purser.disconnecting.model import Cancellation
from purser.disconnecting.store.items import NAMES, cancellation_of
from purser.keys_table import CANCELLATIONS, cancelling_sk, claim_pk, disconnected_sk, user_pk
from purser.operations.model import OperationStatus
from purser.operations.store import recording_outcome
from purser.work.store import DynamoWorkStore, Layout

LAYOUT = Layout(
    lambda trading_account_id: (CANCELLATIONS, trading_account_id), cancellation_of, (CANCELLATIONS,), NAMES
)


class DynamoCancellationStore(DynamoWorkStore[Cancellation]):
    """The cancellation store on DynamoDB, in the Keys table.

    The end of a cancellation destroys its credential, and is recorded on its account and operation, once.
    """

    def __init__(self, keys: Table) -> None:
        super().__init__(keys, LAYOUT)

    def get(self, *key: str) -> Cancellation | None:
        """Return a waiting cancellation, whose credential must be that of its disconnected account."""
        found = super().get(*key)
        if found is None:
            return None
        sealed = found.credential
        account = self._table.get(user_pk(sealed.user_id), disconnected_sk(found.trading_account_id))
        if account is None or account.get("credentialId") != sealed.id:
            raise stored_data_refused("a cancellation holds a credential of another account")
        return found

    def finish(self, item: Cancellation) -> bool:
        return self._end(item, OperationStatus.SUCCESS, item.version)

    def fail(self, item: Cancellation) -> bool:
        return self._end(item, OperationStatus.FAILED, item.version)

    def expire(self, item: Cancellation) -> bool:
        """End an expired cancellation, even if it has changed since it was read. Return False if it has ended."""
        return self._end(item, OperationStatus.FAILED)

    def _end(self, item: Cancellation, outcome: OperationStatus, at_version: int | None = None) -> bool:
        sealed = item.credential
        pk, sk = LAYOUT.key(*item.key)
        # If it is gone by now, the API key may have a later cancellation.
        destroyed = self._table.deleting(pk, sk, condition="attribute_exists(PK)", at_version=at_version)
        released = self._table.deleting(claim_pk(sealed.venue, sealed.api_key), cancelling_sk(item.trade_type))
        recorded = self._table.updating(
            user_pk(sealed.user_id),
            disconnected_sk(item.trading_account_id),
            "SET cancellation = :outcome",
            {":outcome": outcome.value},
        )
        try:
            with Transaction() as write:
                write.add(destroyed, refused=ConditionFailed)
                write.add(released, recorded, *recording_outcome(self._table, item.operation, outcome))
        except ConditionFailed:
            return False
        return True
