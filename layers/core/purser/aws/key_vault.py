"""Encryption of secrets with KMS."""

from __future__ import annotations

from collections.abc import Mapping

from purser.aws.clients import client, translated
from purser.aws.integrity import stored_data_refused


class KeyVault:
    """Encrypts and decrypts secrets of up to 4 KiB under one KMS key. Methods raise ``purser.errors.Unavailable``.

    Decrypting takes the context of the encryption, so a ciphertext that is moved to another user's item is worthless.
    """

    def __init__(self, key_id: str) -> None:
        self._key_id = key_id

    def encrypt(self, plaintext: str, context: Mapping[str, str]) -> bytes:
        """Return the ciphertext of a secret."""
        with translated():
            answer = client("kms").encrypt(
                KeyId=self._key_id, Plaintext=plaintext.encode(), EncryptionContext=dict(context)
            )
        ciphertext: bytes = answer["CiphertextBlob"]
        return ciphertext

    def decrypt(self, ciphertext: bytes, context: Mapping[str, str]) -> str:
        """Return the secret in a ciphertext.

        Raises:
            StoredDataRefused: KMS refuses the ciphertext or its context.
        """
        from botocore.exceptions import ClientError

        try:
            with translated():
                answer = client("kms").decrypt(
                    KeyId=self._key_id, CiphertextBlob=ciphertext, EncryptionContext=dict(context)
                )
        except ClientError as error:
            raise stored_data_refused(f"a secret could not be decrypted: {error.response['Error']['Code']}") from error
        plaintext: bytes = answer["Plaintext"]
        return plaintext.decode()
