"""Secrets at rest: encrypted by KMS, bound to whose they are."""

from __future__ import annotations

from collections.abc import Mapping

from purser.aws.clients import client, translated


class KeyVault:
    """Encrypts and decrypts short secrets (up to 4 KiB) under one KMS key.

    The encryption context is not secret; a ciphertext can only be decrypted with the context it was
    encrypted with, so that one that is moved to another user's item is worthless.
    """

    def __init__(self, key_id: str) -> None:
        self._key_id = key_id

    def encrypt(self, plaintext: str, context: Mapping[str, str]) -> bytes:
        """The ciphertext of a secret.

        Raises:
            purser.errors.Unavailable: KMS is down or throttles.
        """
        with translated():
            answer = client("kms").encrypt(
                KeyId=self._key_id, Plaintext=plaintext.encode(), EncryptionContext=dict(context)
            )
        ciphertext: bytes = answer["CiphertextBlob"]
        return ciphertext

    def decrypt(self, ciphertext: bytes, context: Mapping[str, str]) -> str:
        """The secret in a ciphertext.

        Raises:
            purser.errors.Unavailable: KMS is down or throttles.
        """
        with translated():
            answer = client("kms").decrypt(
                KeyId=self._key_id, CiphertextBlob=ciphertext, EncryptionContext=dict(context)
            )
        plaintext: bytes = answer["Plaintext"]
        return plaintext.decode()
