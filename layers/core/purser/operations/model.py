"""Operations: who changed what on a trading account or credential, when, and by which request."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum

from purser.actor import Actor


class OperationType(StrEnum):
    """The kind of a change to a trading account, or to the credential that it uses."""

    CONNECT = "CONNECT"
    DISCONNECT = "DISCONNECT"
    ENABLE = "ENABLE"
    DISABLE = "DISABLE"
    UPDATE = "UPDATE"
    CREDENTIAL_REVOKE = "CREDENTIAL_REVOKE"
    CREDENTIAL_ROTATE = "CREDENTIAL_ROTATE"


class OperationStatus(StrEnum):
    """PENDING while orders of a disconnected account are being cancelled, then the outcome. Otherwise SUCCESS."""

    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Operation:
    """A change that was made at ``created_at`` (Unix ms). ``user_id`` owns the trading account.

    For a credential that no trading account uses, ``trading_account_id`` is its own id.
    """

    id: str
    user_id: str
    trading_account_id: str
    type: OperationType
    status: OperationStatus
    actor: Actor
    created_at: int


@dataclass(frozen=True, slots=True)
class OperationFilter:
    """Selects operations by type and time (Unix ms, inclusive). A field that is None does not restrict."""

    type: OperationType | None = None
    since: int | None = None
    until: int | None = None


def operation(
    kind: OperationType,
    user_id: str,
    trading_account_id: str,
    actor: Actor,
    now: int,
    status: OperationStatus = OperationStatus.SUCCESS,
) -> Operation:
    """Return a new operation, to be written together with its change."""
    return Operation(str(uuid.uuid4()), user_id, trading_account_id, kind, status, actor, now)
