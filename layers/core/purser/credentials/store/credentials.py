"""Credentials on DynamoDB, and their parts in the transactions of trading accounts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from purser.aws.tables import ConditionFailed, Item, Part, Table, Transaction, batch_get, setting
from purser.credentials.model import Credential, CredentialStatus, CredentialType, SealedCredential, StaleCredential
from purser.credentials.store.items import credential_item, described, stored_of
from purser.disconnecting.model import StillCancelling
from purser.errors import AlreadyConnected
from purser.exchanges.model import TradeType, Venue
from purser.keys_table import account_sk, cancelling_sk, claim_pk, credential_sk, user_pk, version_of
from purser.operations.model import Operation
from purser.operations.store import recording
from purser.trading_accounts.model import AccountValuation, ApiKeyStatus, StaleAccounts, TradingAccount
from purser.trading_accounts.store.items import account_of
from purser.trading_accounts.store.versions import VALIDATED, changing, next_version

STATUS = {"#status": "status"}
NOT_REVOKED = "attribute_exists(ciphertext)"
MOST = 10_000
"""The number of a user's credentials that a list reads."""


def joining(table: Table, account: TradingAccount, sealed: SealedCredential, *, stored: bool) -> Part:
    """Return the part that adds an account to a credential, which is new or ``stored`` with an unchanged secret.

    Its status and other accounts may have changed meanwhile.
    """
    if not stored:
        brought = Credential(
            id=sealed.id,
            user_id=sealed.user_id,
            venue=sealed.venue,
            type=CredentialType.API_KEY,
            nickname=account.name,
            status=CredentialStatus.ACTIVE,
            api_key=sealed.api_key,
            account_ids=frozenset({account.id}),
            created_at=sealed.created_at,
            updated_at=sealed.created_at,
        )
        return table.putting(credential_item(brought, sealed), condition="attribute_not_exists(PK)")
    return table.updating(
        user_pk(sealed.user_id),
        credential_sk(sealed.id),
        "ADD accountIds :id, version :one SET #status = :active, updatedAt = :now",
        {
            ":id": {account.id},
            ":one": 1,
            ":active": CredentialStatus.ACTIVE.value,
            ":now": account.created_at,
            ":read": sealed.ciphertext,
        },
        condition="ciphertext = :read",
        names=STATUS,
    )


def leaving(table: Table, credential: Item, account_ids: Iterable[str], now: int) -> Part:
    """Return the part that removes accounts from a credential as it was read, and the credential with the last."""
    pk, sk, version, leaves = credential["PK"], credential["SK"], version_of(credential), set(account_ids)
    if credential.get("accountIds", set()) <= leaves:
        return table.deleting(pk, sk, condition=NOT_REVOKED, at_version=version)
    expression = "DELETE accountIds :id SET updatedAt = :now ADD version :one"
    values = {":id": leaves, ":now": now, ":one": 1}
    return table.updating(pk, sk, expression, values, condition=NOT_REVOKED, at_version=version)


def revoking(table: Table, credential: Item, now: int) -> Part:
    """Return the part that revokes a credential as it was read, and deletes its secret and its accounts."""
    gone = {"ciphertext": None, "accountIds": None}
    revoked = {"status": CredentialStatus.REVOKED.value, "revokedAt": now, "updatedAt": now, **gone}
    return _changing(table, described(credential), revoked, NOT_REVOKED)


def met(table: Table, account: Item, now: int, *, refused: bool) -> list[Part]:
    """Return the parts that record that the exchange accepted or refused a credential for an account.

    It is EXPIRED when it is refused for every account, so the parts check the key status of the other accounts.
    """
    pk = account["PK"]
    credential = table.get(pk, credential_sk(account["credentialId"]))
    if credential is None:
        return []
    parts = []
    status = CredentialStatus.EXPIRED if refused else CredentialStatus.ACTIVE
    for other in credential.get("accountIds", set()) - {account["tradingAccountId"]} if refused else ():
        item = table.get(pk, account_sk(other))
        if item is None:
            continue
        values = {":read": item["apiKeyStatus"]}
        parts.append(table.checking(pk, account_sk(other), condition="apiKeyStatus = :read", values=values))
        if item["apiKeyStatus"] != ApiKeyStatus.UNAUTHORIZED:
            status = CredentialStatus.ACTIVE
    if described(credential).status is status:
        return parts
    return [*parts, _with_status(table, described(credential), status, now)]


def _with_status(table: Table, credential: Credential, status: CredentialStatus, now: int) -> Part:
    return _changing(table, credential, {"status": status.value, "updatedAt": now}, "attribute_exists(PK)")


def _changing(table: Table, known: Credential | SealedCredential, changes: dict[str, Any], condition: str) -> Part:
    """Return the part that changes attributes of a credential as it is known, to its next version."""
    expression, values, names = setting(changes)
    return table.updating(
        user_pk(known.user_id),
        credential_sk(known.id),
        f"{expression} ADD version :one",
        values | {":one": 1},
        condition=condition,
        names=names,
        at_version=known.version,
    )


def releasing(table: Table, venue: Venue, api_key: str, accounts: Sequence[TradingAccount]) -> Part:
    """Return the part that releases the accounts' claim of an API key, and deletes the claim with the last account."""
    pk, released = claim_pk(venue, api_key), {account.trade_type: account for account in accounts}
    claim = table.get(pk, "CLAIM") or {}
    remaining = [kind for kind in TradeType if kind not in released and kind.value in claim]
    names = {f"#{kind.value}": kind.value for kind in TradeType}
    values = {f":{kind.value}": account.id for kind, account in released.items()}
    conditions = [f"#{kind.value} = :{kind.value}" for kind in released]
    if remaining:
        removed = ", ".join(f"#{kind.value}" for kind in released)
        conditions += [f"attribute_exists(#{kind.value})" for kind in remaining]
        condition = " AND ".join(conditions)
        return table.updating(pk, "CLAIM", f"REMOVE {removed}", values, condition=condition, names=names)
    conditions += [f"attribute_not_exists(#{kind.value})" for kind in TradeType if kind not in released]
    return table.deleting(pk, "CLAIM", condition=" AND ".join(conditions), values=values, names=names)


def claiming(table: Table, venue: Venue, api_key: str, accounts: Sequence[TradingAccount]) -> Part:
    """Return the part that claims an API key for accounts of one user, if no other user or account has it."""
    names = {f"#{account.trade_type.value}": account.trade_type.value for account in accounts}
    values = {f":{account.trade_type.value}": account.id for account in accounts}
    given = ", ".join(f"#{account.trade_type.value} = :{account.trade_type.value}" for account in accounts)
    free = " AND ".join(f"attribute_not_exists({name})" for name in names)
    return table.updating(
        claim_pk(venue, api_key),
        "CLAIM",
        f"SET userId = :user, {given}",
        {":user": accounts[0].user_id, **values},
        names=names,
        condition=f"attribute_not_exists(PK) OR (userId = :user AND {free})",
    )


def not_cancelling(table: Table, sealed: SealedCredential, kind: TradeType) -> Part:
    """Return the check that no orders of the API key are to be cancelled. Its refusal is ``still_cancelling``."""
    pk = claim_pk(sealed.venue, sealed.api_key)
    return table.checking(pk, cancelling_sk(kind), condition="attribute_not_exists(PK)")


def still_cancelling(found: Item) -> StillCancelling:
    """Return the error for the account whose orders are still to be cancelled."""
    return StillCancelling(found["endedId"])


class DynamoCredentialStore:
    """The credential store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, credential: Credential, sealed: SealedCredential, version: int) -> bool:
        item = credential_item(credential, sealed)
        try:
            with Transaction() as write:
                write.add(self._table.putting(item, condition="attribute_not_exists(PK)"), refused=ConditionFailed)
                write.add(next_version(self._table, credential.user_id, version), refused=StaleAccounts)
        except ConditionFailed:
            return False
        return True

    def get(self, user_id: str, credential_id: str) -> tuple[Credential, SealedCredential | None] | None:
        item = self._table.get(user_pk(user_id), credential_sk(credential_id))
        return stored_of(item) if item else None

    def of(self, user_id: str) -> list[Credential]:
        values = {":pk": user_pk(user_id), ":prefix": credential_sk("")}
        items = self._table.query("PK = :pk AND begins_with(SK, :prefix)", values, limit=MOST, consistent=True)
        return sorted(map(described, items), key=lambda credential: (credential.created_at, credential.id))

    def owner_of(self, credential_id: str) -> str | None:
        """Return the owner of a credential, by one query of an index, which lags by moments."""
        keys = self._table.query("credentialId = :id", {":id": credential_id}, index="CredentialIndex")
        wanted = credential_sk(credential_id)
        return next((key["PK"].partition("#")[2] for key in keys if key["SK"] == wanted), None)

    def accounts_of(self, credential: Credential) -> list[TradingAccount]:
        pk, table = user_pk(credential.user_id), self._table.name
        found = batch_get({table: [(pk, account_sk(account_id)) for account_id in sorted(credential.account_ids)]})
        return [account_of(item) for _, item in sorted(found.items())]

    def mark(self, credential: Credential, status: CredentialStatus, now: int) -> None:
        if credential.account_ids:
            return
        with suppress(ConditionFailed), Transaction() as write:
            write.add(_with_status(self._table, credential, status, now), refused=ConditionFailed)

    def rotate(
        self,
        before: SealedCredential,
        after: SealedCredential,
        accounts: Sequence[tuple[TradingAccount, AccountValuation]],
        version: int,
        now: int,
        operations: Sequence[Operation],
    ) -> None:
        users = [account for account, _ in accounts]
        status = CredentialStatus.ACTIVE if accounts else CredentialStatus.CREATED
        key = {"apiKey": after.api_key, "ciphertext": after.ciphertext, "status": status.value, "updatedAt": now}
        rotating = _changing(self._table, before, key, NOT_REVOKED)
        with Transaction() as write:
            write.add(next_version(self._table, before.user_id, version), refused=StaleAccounts)
            write.add(rotating, refused=StaleCredential)
            if before.api_key != after.api_key and users:
                for account in users:
                    write.add(not_cancelling(self._table, after, account.trade_type), refused=still_cancelling)
                write.add(claiming(self._table, after.venue, after.api_key, users), refused=AlreadyConnected)
                write.add(releasing(self._table, before.venue, before.api_key, users), refused=StaleCredential)
            rekeyed = [self._rekeyed(account, valuation, after.api_key, now) for account, valuation in accounts]
            write.add(*rekeyed, refused=StaleCredential)
            write.add(*recording(self._table, *operations))

    def _rekeyed(self, account: TradingAccount, valuation: AccountValuation, api_key: str, now: int) -> Part:
        """Return the part that gives an account an accepted API key. It does not activate the account."""
        key = {"apiKey": api_key, "apiKeyStatus": ApiKeyStatus.AUTHORIZED.value}
        reading = {"readingUsd": valuation.total_usd, "readingAt": valuation.taken_at}
        dropped = {"refusedAt": None, "resumes": None}
        expression, values, names = setting({**key, **reading, **dropped, "updatedAt": now}, VALIDATED)
        return changing(self._table, account.user_id, account.id, expression, {**values, ":zero": 0}, names=names)
