"""Events about credentials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from purser.credentials.model import Credential, CredentialStatus, SealedCredential

STATUS_CHANGES = {
    CredentialStatus.CREATED: "unverified",
    CredentialStatus.ACTIVE: "activated",
    CredentialStatus.EXPIRED: "expired",
    CredentialStatus.REVOKED: "revoked",
}
TYPES = (
    "credential.created",
    "credential.rotated",
    *(f"credential.{change}" for change in STATUS_CHANGES.values()),
    "credential.removed",
)

Stored = tuple[Credential, SealedCredential | None]


def changed(before: Stored | None, after: Stored | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the events of a change. A new ciphertext is a rotation. Revoking removes the ciphertext."""
    if after is None:
        if before is not None:
            yield "credential.removed", _ids(before[0])
        return
    credential, sealed = after
    data = {
        **_ids(credential),
        "credentialType": credential.type,
        "status": credential.status,
        "createdAt": credential.created_at,
    }
    if before is None:
        yield "credential.created", data
        return
    earlier, sealed_before = before
    if sealed and sealed_before and sealed.ciphertext != sealed_before.ciphertext:
        yield "credential.rotated", data
    if earlier.status is not credential.status:
        yield f"credential.{STATUS_CHANGES[credential.status]}", data


def _ids(credential: Credential) -> dict[str, Any]:
    return {"credentialId": credential.id, "userId": credential.user_id, "venue": credential.venue}
