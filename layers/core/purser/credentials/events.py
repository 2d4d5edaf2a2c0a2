"""Events about credentials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from purser.credentials.model import CredentialStatus, CredentialType

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


def changed(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of a credential's item. A new ciphertext is a rotation. Revoking removes the ciphertext."""
    if after is None:
        if before is not None:
            yield "credential.removed", _ids(before)
        return
    status = _status(after)
    data = {
        **_ids(after),
        "credentialType": after.get("credentialType", CredentialType.API_KEY),
        "status": status,
        "createdAt": int(after["createdAt"]),
    }
    if before is None:
        yield "credential.created", data
        return
    if "ciphertext" in before and "ciphertext" in after and before["ciphertext"] != after["ciphertext"]:
        yield "credential.rotated", data
    if _status(before) is not status:
        yield f"credential.{STATUS_CHANGES[status]}", data


def _ids(item: Mapping[str, Any]) -> dict[str, Any]:
    user_id, credential_id = (item[key].partition("#")[2] for key in ("PK", "SK"))
    return {"credentialId": credential_id, "userId": user_id, "venue": item["venue"]}


def _status(item: Mapping[str, Any]) -> CredentialStatus:
    return CredentialStatus(item.get("status", CredentialStatus.ACTIVE))
