"""Items of credentials in the Keys table."""

from __future__ import annotations

from purser.aws.integrity import identity
from purser.aws.tables import Item
from purser.credentials.model import Credential, CredentialStatus, CredentialType, SealedCredential
from purser.exchanges.model import Venue
from purser.keys_table import credential_sk, user_pk, version_of


def credential_of(item: Item | None) -> SealedCredential | None:
    """Return the credential in an item with its secret, or None if it is missing or revoked."""
    return sealed_of(item) if item and "ciphertext" in item else None


def stored_of(item: Item) -> tuple[Credential, SealedCredential | None]:
    """Return the credential in an item, with its secret unless it is revoked."""
    return described(item), credential_of(item)


def sealed_of(item: Item) -> SealedCredential:
    """Return the credential in an item with its secret."""
    identity(item, "SK", "credentialId")
    identity(item, "PK", "userId")
    return sealed_attributes(item)


def sealed_attributes(item: Item) -> SealedCredential:
    """Return the credential in ``credential_attributes``, whose identity the caller checks."""
    return SealedCredential(
        id=item["credentialId"],
        user_id=item["userId"],
        venue=Venue(item["venue"]),
        api_key=item["apiKey"],
        ciphertext=item["ciphertext"],
        created_at=int(item["createdAt"]),
        version=version_of(item),
    )


def described(item: Item) -> Credential:
    """Return the credential in an item without its secret."""
    created_at = int(item["createdAt"])
    return Credential(
        id=identity(item, "SK", "credentialId"),
        user_id=identity(item, "PK", "userId"),
        venue=Venue(item["venue"]),
        type=CredentialType(item.get("credentialType", CredentialType.API_KEY)),
        nickname=item.get("nickname", ""),
        status=CredentialStatus(item.get("status", CredentialStatus.ACTIVE)),
        api_key=item["apiKey"],
        account_ids=frozenset(item.get("accountIds", ())),
        created_at=created_at,
        updated_at=int(item.get("updatedAt", created_at)),
        revoked_at=int(item["revokedAt"]) if "revokedAt" in item else None,
        version=version_of(item),
    )


def credential_item(credential: Credential, sealed: SealedCredential) -> Item:
    """Return a credential as an item."""
    return {
        "PK": user_pk(credential.user_id),
        "SK": credential_sk(credential.id),
        **credential_attributes(sealed),
        "credentialType": credential.type.value,
        "nickname": credential.nickname,
        "status": credential.status.value,
        "accountIds": set(credential.account_ids) or None,
        "updatedAt": credential.updated_at,
    }


def credential_attributes(credential: SealedCredential) -> Item:
    """Return a credential with its secret as attributes of an item."""
    return {
        "credentialId": credential.id,
        "userId": credential.user_id,
        "venue": credential.venue.value,
        "apiKey": credential.api_key,
        "ciphertext": credential.ciphertext,
        "createdAt": credential.created_at,
        "version": credential.version,
    }
