"""The identities that survive a restart, so that stored data stay usable: users, pool and client ids, KMS keys."""

from __future__ import annotations

import secrets
import string
import threading
import uuid
from pathlib import Path
from typing import Any

from local.cloud.account import REGION
from local.doubles.kit import files

ALPHABET = string.ascii_lowercase + string.digits


class Identity:
    """Kept in one file (0600), which every change replaces as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        saved = files.read(path) or {}
        self.ids: dict[str, str] = saved.get("ids", {})
        self.key_material: dict[str, str] = saved.get("keyMaterial", {})
        self.client_secrets: dict[str, str] = saved.get("clientSecrets", {})
        self.users: list[dict[str, Any]] = saved.get("users", [])

    def id_of(self, logical_id: str, kind: str) -> str:
        """Return the id of a resource of the template on this machine. It is made when it is first asked for."""
        return self.ids.setdefault(logical_id, _new_id(kind))

    def material_of(self, logical_id: str) -> bytes:
        """Return the key material of a KMS key."""
        return bytes.fromhex(self.key_material.setdefault(logical_id, secrets.token_hex(32)))

    def secret_of(self, logical_id: str) -> str:
        """Return the secret of a client, or one that Secrets Manager would generate."""
        return self.client_secrets.setdefault(logical_id, secrets.token_urlsafe(32))

    def save(self, users: list[dict[str, Any]] | None = None) -> None:
        """Write everything, with the current users. Do nothing if nothing has changed."""
        with self._lock:
            if users == self.users:
                return
            self.users = self.users if users is None else users
            content = {
                "ids": self.ids,
                "keyMaterial": self.key_material,
                "clientSecrets": self.client_secrets,
                "users": self.users,
            }
            files.write_private(self._path, content)


def _new_id(kind: str) -> str:
    match kind:
        case "AWS::Cognito::UserPool":
            return f"{REGION}_{''.join(secrets.choice(ALPHABET) for _ in range(9))}"
        case "AWS::Cognito::UserPoolClient":
            return "".join(secrets.choice(ALPHABET) for _ in range(26))
        case _:
            return str(uuid.uuid4())
