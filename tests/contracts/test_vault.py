"""The contract of the vault, which encrypts exchange secrets and personal identifiers."""

from __future__ import annotations

import pytest

from purser.aws.key_vault import KeyVault
from purser.errors import StoredDataRefused
from purser.ports import Vault
from tests.support.aws import Aws
from tests.support.fakes import FakeVault, OtherContext

SECRET = "a secret: \N{SNOWMAN}"
CONTEXT = {"userId": "user", "keyId": "key"}


@pytest.fixture
def vault(request: pytest.FixtureRequest, tables: dict[str, str] | None) -> Vault:
    if tables is None:
        return FakeVault()
    aws: Aws = request.getfixturevalue("aws")
    return KeyVault(aws.credential_key_id)


def test_a_secret_is_decrypted_with_the_context_of_its_encryption(vault: Vault) -> None:
    ciphertext = vault.encrypt(SECRET, CONTEXT)
    assert SECRET.encode() not in ciphertext
    assert vault.decrypt(ciphertext, dict(reversed(CONTEXT.items()))) == SECRET


@pytest.mark.parametrize(
    "context",
    [
        {**CONTEXT, "userId": "another"},
        {**CONTEXT, "keyId": "another"},
        {"userId": "key", "keyId": "user"},
        {**CONTEXT, "more": "more"},
        {"userId": "user"},
        {},
    ],
)
def test_a_secret_is_not_decrypted_with_another_context(vault: Vault, context: dict[str, str]) -> None:
    ciphertext = vault.encrypt(SECRET, CONTEXT)
    with pytest.raises((StoredDataRefused, OtherContext)):
        vault.decrypt(ciphertext, context)


def test_no_two_ciphertexts_are_the_same(vault: Vault) -> None:
    assert len({vault.encrypt(SECRET, CONTEXT) for _ in range(5)}) == 5
