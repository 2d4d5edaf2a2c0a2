"""Audit entries: who did what to which thing, when, and by which request."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum

from purser.actor import Actor


class Action(StrEnum):
    """The kind of an act. ``_READ`` and ``_LIST`` are reads of other users' data by an administrator."""

    DEPOSIT = "DEPOSIT"
    WITHDRAWAL = "WITHDRAWAL"
    TRANSFER = "TRANSFER"
    REVERSAL = "REVERSAL"
    WALLET_CREATE = "WALLET_CREATE"
    WALLET_FREEZE = "WALLET_FREEZE"
    WALLET_UNFREEZE = "WALLET_UNFREEZE"
    WALLET_CLOSE = "WALLET_CLOSE"
    TRADING_ACCOUNT_DISCONNECT = "TRADING_ACCOUNT_DISCONNECT"
    PLAN_GRANT = "PLAN_GRANT"
    PLAN_REVOKE = "PLAN_REVOKE"
    STRATEGY_PUBLISH = "STRATEGY_PUBLISH"
    STRATEGY_CHANGE = "STRATEGY_CHANGE"
    RISK_PROFILE_PUBLISH = "RISK_PROFILE_PUBLISH"
    RISK_PROFILE_CHANGE = "RISK_PROFILE_CHANGE"
    RESULT_PUBLISH = "RESULT_PUBLISH"
    SIGNAL_SEND = "SIGNAL_SEND"
    STRATEGY_SECRET = "STRATEGY_SECRET"  # noqa: S105 - the name of an act
    STRATEGY_MODE = "STRATEGY_MODE"
    TRADING_MODE = "TRADING_MODE"
    USER_READ = "USER_READ"
    USER_LIST = "USER_LIST"
    WALLET_READ = "WALLET_READ"
    WALLET_LIST = "WALLET_LIST"
    TRANSACTION_LIST = "TRANSACTION_LIST"
    ENTRY_LIST = "ENTRY_LIST"
    ACCOUNT_READ = "ACCOUNT_READ"
    TRADING_ACCOUNT_READ = "TRADING_ACCOUNT_READ"
    TRADING_ACCOUNT_LIST = "TRADING_ACCOUNT_LIST"
    OPERATION_LIST = "OPERATION_LIST"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An act at ``at`` (Unix ms). ``target`` names the thing, such as ``wallet/<id>``; it contains no secret.

    ``user_ids`` are the users whose data it concerns. Purser's own acts have no ``request_id``.
    """

    id: str
    at: int
    actor_id: str
    action: Action
    target: str
    request_id: str | None
    user_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Selects audit entries by actor, by a user whom they concern, and by time (Unix ms, inclusive)."""

    actor_id: str | None = None
    user_id: str | None = None
    since: int | None = None
    until: int | None = None

    def admits(self, entry: AuditEntry) -> bool:
        """Return whether an entry is of the actor and concerns the user."""
        return self.actor_id in (None, entry.actor_id) and (self.user_id is None or self.user_id in entry.user_ids)


def audit_entry(actor: Actor, action: Action, target: str, at: int, *user_ids: str) -> AuditEntry:
    """Return a new audit entry, to be written together with its change."""
    return AuditEntry(str(uuid.uuid4()), at, actor.user_id, action, target, actor.request_id, frozenset(user_ids))
