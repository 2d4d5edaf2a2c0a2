"""The account's secret key and its endpoint's signing secret. A state folder keeps them, readable by its owner only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local.doubles.kit import files
from local.doubles.stripe.account import new_id


@dataclass(frozen=True)
class Keys:
    """The keys with which Purser calls the double and checks its webhooks."""

    api_key: str
    webhook_secret: str

    @property
    def secret(self) -> dict[str, str]:
        """Return the secret in the form that Purser has in Secrets Manager."""
        return {"apiKey": self.api_key, "webhookSecret": self.webhook_secret}


def keys_of(folder: Path | None) -> Keys:
    """Return the keys of a state folder, created on first use, or new ones without a folder."""
    saved = files.read(folder / "keys.json") if folder else None
    if saved:
        return Keys(saved["apiKey"], saved["webhookSecret"])
    keys = Keys(new_id("sk_test", 40), new_id("whsec", 32))
    if folder:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.write_private(folder / "keys.json", keys.secret)
    return keys
