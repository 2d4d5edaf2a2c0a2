"""Test each condition of the stores of trading accounts and credentials on DynamoDB Local."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from purser.aws.tables import Part, Table, Transaction
from purser.credentials.model import CredentialStatus, SealedCredential, StaleCredential
from purser.disconnecting.model import StillCancelling
from purser.errors import AlreadyConnected, Contended, IdempotencyKeyReused
from purser.exchanges.model import TradeType, Venue
from purser.keys_table import claim_pk
from purser.trading_accounts.model import ApiKeyStatus, CustomerNotActive, StaleAccounts, TradingAccount
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from tests.support.aws import Aws
from tests.support.functions import forget_process
from tests.support.stored_keys import FUTURES, NOW, SPOT, VALUATION, Keys

DEAD = ApiKeyStatus.UNAUTHORIZED


@pytest.fixture(scope="module")
def table(aws: Aws) -> Iterator[Table]:
    forget_process()
    table = Table(aws.tables["KEYS_TABLE"])
    yield table
    for pk in ("CANCELLATIONS", "BACKFILLS"):
        for item in list(table.query("PK = :pk", {":pk": pk})):
            table.delete(pk, item["SK"])
    forget_process()


@pytest.fixture
def keys(table: Table) -> Keys:
    return Keys(table)


@pytest.fixture
def other(table: Table) -> Keys:
    """Return the keys of another user."""
    return Keys(table)


Meanwhile = Callable[..., None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Return a function that makes one change before each of the next transactions is written."""
    commit = Transaction._commit

    def make(*changes: Callable[[], Any]) -> None:
        pending = iter(changes)

        def late(transaction: Transaction) -> None:
            if change := next(pending, None):
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(Transaction, "_commit", commit)
                    change()
            commit(transaction)

        monkeypatch.setattr(Transaction, "_commit", late)

    return make


def refused(keys: Keys, error: type[Exception], write: Callable[[], Any]) -> Exception:
    """Assert that a write fails and changes nothing, and return its error."""
    before = keys.items()
    with pytest.raises(error) as caught:
        write()
    assert keys.items() == before
    return caught.value


def test_connecting_needs_the_version_of_the_set(keys: Keys) -> None:
    keys.connected()
    for version in (0, 2):
        refused(keys, StaleAccounts, lambda: keys.store.connect(*keys.new(), version))  # noqa: B023


def test_connecting_needs_a_free_id(keys: Keys) -> None:
    account, sealed = keys.connected(), keys.stored()
    same, _ = keys.new(FUTURES, sealed.api_key, id=account.id, credential_id=sealed.id)
    refused(keys, StaleAccounts, lambda: keys.store.connect(same, sealed, keys.version, stored=True))


def test_connecting_needs_an_api_key_that_is_not_connected(keys: Keys, other: Keys) -> None:
    account = keys.connected()
    refused(other, AlreadyConnected, lambda: other.store.connect(*other.new(FUTURES, account.api_key), 0))
    refused(keys, AlreadyConnected, lambda: keys.store.connect(*keys.new(SPOT, account.api_key), 1))
    keys.store.connect(*keys.new(FUTURES, account.api_key), 1)
    assert keys.version == 2


def test_connecting_with_a_new_credential_needs_a_free_credential_id(keys: Keys) -> None:
    sealed = keys.stored()
    account, brought = keys.new(credential_id=sealed.id)
    refused(keys, StaleAccounts, lambda: keys.store.connect(account, brought, keys.version))


def test_connecting_needs_a_stored_credential_with_the_secret_that_was_read(keys: Keys) -> None:
    sealed = keys.stored()
    account, _ = keys.new(SPOT, sealed.api_key, credential_id=sealed.id)
    keys.rotate(sealed, replace(sealed, ciphertext=b"rotated"), version=keys.version)
    refused(keys, StaleCredential, lambda: keys.store.connect(account, sealed, keys.version, stored=True))
    read = keys.sealed(sealed.id)
    keys.revoke(keys.credential(sealed.id))
    refused(keys, StaleCredential, lambda: keys.store.connect(account, read, keys.version, stored=True))
    unknown = replace(sealed, id=str(uuid4()))
    refused(keys, StaleCredential, lambda: keys.store.connect(account, unknown, keys.version, stored=True))


def test_connecting_allows_other_changes_of_a_stored_credential(keys: Keys) -> None:
    sealed = keys.stored()
    spot, _ = keys.new(SPOT, sealed.api_key, credential_id=sealed.id)
    futures, _ = keys.new(FUTURES, sealed.api_key, credential_id=sealed.id)
    for account in (spot, futures):
        keys.store.connect(account, sealed, keys.version, stored=True)
    assert keys.credential(sealed.id).account_ids == {spot.id, futures.id}


def test_connecting_needs_an_id_that_was_never_disconnected(keys: Keys) -> None:
    account = keys.connected()
    keys.disconnect(account)
    assert keys.cancellations.finish(keys.waiting(account))
    again, sealed = keys.new(id=account.id)
    refused(keys, IdempotencyKeyReused, lambda: keys.store.connect(again, sealed, 2))


def test_connecting_needs_an_active_customer(keys: Keys) -> None:
    def never(user_id: str, customer_id: str) -> Part:
        return keys.table.checking("CUSTOMER", customer_id, condition="attribute_exists(PK)")

    account, sealed = keys.new(customer_id="customer")
    store = DynamoTradingAccountStore(keys.table, never)
    refused(keys, CustomerNotActive, lambda: store.connect(account, sealed, 0))
    refused(keys, CustomerNotActive, lambda: keys.store.connect(account, sealed, 0))


def test_connecting_is_refused_while_orders_of_the_key_are_being_cancelled(keys: Keys) -> None:
    account = keys.connected()
    keys.disconnect(account)
    waiting = refused(keys, StillCancelling, lambda: keys.store.connect(*keys.new(SPOT, account.api_key), 2))
    assert isinstance(waiting, StillCancelling)
    assert waiting.trading_account_id == account.id
    assert keys.cancellations.finish(keys.waiting(account))
    keys.store.connect(*keys.new(SPOT, account.api_key), 2)


def test_of_several_failed_conditions_the_first_in_order_of_precedence_is_raised(keys: Keys, other: Keys) -> None:
    # The order is: version, API key, credential, id, customer, orders.
    waiting = keys.connected()
    keys.disconnect(waiting)
    sealed = replace(keys.stored(), ciphertext=b"rotated since")
    account, _ = keys.new(SPOT, waiting.api_key, id=waiting.id, credential_id=sealed.id, customer_id="nobody")
    sealed = replace(sealed, api_key=waiting.api_key)
    taken = other.connected()

    def gone(user_id: str, customer_id: str) -> Part:
        return keys.table.checking("CUSTOMER", customer_id, condition="attribute_exists(PK)")

    def connect(account: TradingAccount, sealed: SealedCredential, version: int) -> None:
        DynamoTradingAccountStore(keys.table, gone).connect(account, sealed, version, stored=True)

    version = keys.version
    claimed = replace(account, api_key=taken.api_key)
    refused(keys, StaleAccounts, lambda: connect(claimed, sealed, version - 1))
    refused(keys, AlreadyConnected, lambda: connect(claimed, sealed, version))
    refused(keys, StaleCredential, lambda: connect(account, sealed, version))
    fresh = replace(sealed, ciphertext=keys.sealed(sealed.id).ciphertext)
    refused(keys, IdempotencyKeyReused, lambda: connect(account, fresh, version))
    unused = replace(account, id=str(uuid4()))
    refused(keys, CustomerNotActive, lambda: connect(unused, fresh, version))
    free = replace(unused, customer_id=None)
    refused(keys, StillCancelling, lambda: connect(free, fresh, version))


def test_rotating_needs_the_versions_of_set_and_credential_that_were_read(keys: Keys) -> None:
    account = keys.connected()
    before, read = keys.sealed(account.id), keys.read(account)
    after = replace(before, ciphertext=b"rotated")
    refused(keys, StaleAccounts, lambda: keys.rotate(before, after, read, version=0))
    stale = replace(before, version=before.version - 1)
    refused(keys, StaleCredential, lambda: keys.rotate(stale, after, read, version=1))
    keys.rotate(before, after, read, version=1)
    assert keys.sealed(account.id) == replace(after, version=before.version + 1)
    refused(keys, StaleCredential, lambda: keys.rotate(before, after, read, version=2))


def test_a_revoked_credential_is_not_rotated(keys: Keys) -> None:
    sealed = keys.stored()
    keys.revoke(keys.credential(sealed.id))
    for version in (sealed.version, sealed.version + 1):
        revoked = replace(sealed, version=version)
        refused(keys, StaleCredential, lambda: keys.rotate(revoked, sealed, version=keys.version))  # noqa: B023


def test_rotating_needs_a_free_api_key(keys: Keys, other: Keys) -> None:
    account, taken, waiting = keys.connected(), other.connected(), other.connected(FUTURES)
    before, version = keys.sealed(account.id), keys.version
    other.disconnect(waiting)
    claimed = replace(before, api_key=taken.api_key)
    refused(keys, AlreadyConnected, lambda: keys.rotate(before, claimed, account, version=version))
    kind = replace(account, trade_type=FUTURES)
    cancelling = replace(before, api_key=waiting.api_key)
    told = refused(keys, StillCancelling, lambda: keys.rotate(before, cancelling, kind, version=version))
    assert isinstance(told, StillCancelling)
    assert told.trading_account_id == waiting.id


def test_rotating_moves_only_the_claim_of_the_account(keys: Keys, other: Keys) -> None:
    account = keys.connected()
    before, version = keys.sealed(account.id), keys.version
    after = replace(before, api_key=uuid4().hex)
    stranger = replace(account, id=str(uuid4()))
    refused(keys, StaleCredential, lambda: keys.rotate(before, after, stranger, version=version))
    keys.rotate(before, after, account, version=version)
    other.store.connect(*other.new(SPOT, before.api_key), 0)
    refused(other, AlreadyConnected, lambda: other.store.connect(*other.new(FUTURES, after.api_key), 1))


def test_rotating_does_not_restore_a_disconnected_account(keys: Keys) -> None:
    account = keys.connected()
    before = keys.sealed(account.id)
    gone = replace(account, id=str(uuid4()))
    after = replace(before, ciphertext=b"rotated")
    refused(keys, StaleCredential, lambda: keys.rotate(before, after, gone, version=1))


def test_revoking_needs_the_version_of_the_credential_that_was_read(keys: Keys, meanwhile: Meanwhile) -> None:
    sealed = keys.stored()
    read = keys.credential(sealed.id)
    account = keys.joined(sealed, SPOT)
    refused(keys, StaleCredential, lambda: keys.revoke(read))
    read = keys.credential(sealed.id)
    meanwhile(lambda: keys.joined(sealed, FUTURES))
    with pytest.raises(StaleCredential):
        keys.revoke(read, account)
    assert len(keys.store.connected(keys.user_id).accounts) == 2
    assert keys.sealed(sealed.id).ciphertext == sealed.ciphertext


def test_an_unused_credential_that_is_rotated_meanwhile_is_not_revoked(keys: Keys, meanwhile: Meanwhile) -> None:
    sealed = keys.stored()
    read = keys.credential(sealed.id)
    version = keys.version
    meanwhile(lambda: keys.rotate(sealed, replace(sealed, ciphertext=b"rotated"), version=version))
    with pytest.raises(StaleCredential):
        keys.revoke(read)
    assert keys.sealed(sealed.id).ciphertext == b"rotated"


def test_revoking_needs_the_versions_of_its_accounts_that_were_read(keys: Keys, meanwhile: Meanwhile) -> None:
    account = keys.connected()
    read = keys.credential(account.id)
    meanwhile(lambda: keys.store.rename(keys.user_id, account.id, "Renamed", NOW))
    with pytest.raises(StaleCredential):
        keys.revoke(read, account)
    assert keys.read(account).name == "Renamed"


def test_a_credential_is_revoked_once(keys: Keys) -> None:
    account = keys.connected()
    read = keys.credential(account.id)
    cancellation = keys.cancellation(account)
    keys.store.revoke(read, [cancellation], [], NOW)
    refused(keys, StaleCredential, lambda: keys.store.revoke(read, [], [], NOW))
    refused(keys, StaleCredential, lambda: keys.store.revoke(keys.credential(account.id), [], [], NOW))


def test_disconnecting_keeps_a_concurrent_change_of_the_account(keys: Keys, meanwhile: Meanwhile) -> None:
    account = keys.connected()
    meanwhile(lambda: keys.store.rename(keys.user_id, account.id, "Renamed", NOW))
    keys.disconnect(account)
    found = keys.store.known(keys.user_id, account.id)
    assert found is not None
    assert (found.name, found.disconnected_at) == ("Renamed", NOW)


def test_an_account_is_disconnected_once(keys: Keys, meanwhile: Meanwhile) -> None:
    account = keys.connected()
    cancellation = keys.cancellation(account)
    meanwhile(lambda: keys.store.disconnect(account, cancellation, NOW))
    assert not keys.store.disconnect(account, cancellation, NOW + 1)
    found = keys.store.known(keys.user_id, account.id)
    assert found is not None
    assert found.disconnected_at == NOW


def test_a_credential_stays_when_another_account_joins_it_while_the_only_one_leaves(
    keys: Keys, meanwhile: Meanwhile
) -> None:
    sealed = keys.stored()
    account = keys.joined(sealed, SPOT)
    meanwhile(lambda: keys.joined(sealed, FUTURES))
    keys.disconnect(account)
    (left,) = keys.store.connected(keys.user_id).accounts
    assert keys.credential(sealed.id).account_ids == {left.id}
    assert keys.sealed(sealed.id).ciphertext == b"sealed"


def test_a_rotation_while_one_of_two_accounts_leaves_is_kept(keys: Keys, meanwhile: Meanwhile) -> None:
    sealed = keys.stored()
    account, other = keys.joined(sealed, SPOT), keys.joined(sealed, FUTURES)
    before = keys.sealed(sealed.id)
    after = replace(before, ciphertext=b"rotated")
    meanwhile(lambda: keys.rotate(before, after, account, other, version=keys.version))
    keys.disconnect(account)
    assert keys.waiting(account).credential.ciphertext == b"rotated"
    assert keys.credential(sealed.id).account_ids == {other.id}


@pytest.mark.parametrize("users", [[SPOT], [SPOT, FUTURES]])
def test_a_cancellation_gets_the_current_credential(keys: Keys, meanwhile: Meanwhile, users: list[TradeType]) -> None:
    sealed = keys.stored()
    account, *_ = [keys.joined(sealed, kind) for kind in users]
    pk, sk = f"USER#{keys.user_id}", f"CREDENTIAL#{sealed.id}"
    values = {":rotated": b"rotated", ":one": 1}
    # Only the credential changes, so no version of account or claim shows it.
    meanwhile(lambda: keys.table.update(pk, sk, "SET ciphertext = :rotated ADD version :one", values))
    keys.disconnect(account)
    assert keys.waiting(account).credential.ciphertext == b"rotated"


def test_disconnecting_does_not_release_the_claim_of_another_account(keys: Keys) -> None:
    account = keys.connected()
    pk = claim_pk(Venue.BINANCE, account.api_key)
    keys.table.update(pk, "CLAIM", "SET SPOT = :other", {":other": "another account"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("purser.retrying.backoff", lambda _: None)
        with pytest.raises(Contended):
            keys.disconnect(account)
    assert keys.read(account) == account


def test_a_refusal_does_not_disable_an_account_whose_credential_was_accepted_since(keys: Keys) -> None:
    account = keys.connected()
    changes: tuple[Callable[[], object], ...] = (
        lambda: keys.store.activate(keys.read(account), VALUATION, NOW, keys.version),
        lambda: keys.rotate(keys.sealed(account.id), keys.sealed(account.id), account, version=keys.version),
    )
    for change in changes:
        read = keys.read(account)
        change()
        assert keys.store.refuse(read, NOW) is None
        assert keys.read(account).version == read.version + 1
    dead = keys.store.refuse(keys.read(account), NOW)
    assert dead is not None
    assert dead.api_key_status is DEAD


def test_a_refusal_is_recorded_whatever_else_has_changed(keys: Keys) -> None:
    account = keys.connected()
    read = keys.read(account)
    keys.store.rename(keys.user_id, account.id, "Renamed", NOW)
    keys.store.record_valuation(keys.user_id, account.id, VALUATION)
    keys.store.mark(keys.read(account), ApiKeyStatus.FAILED, NOW)
    dead = keys.store.refuse(read, NOW)
    assert dead is not None
    assert dead.api_key_status is DEAD
    assert keys.credential(account.credential_id).status is CredentialStatus.EXPIRED


def test_a_disconnected_account_does_not_change(keys: Keys) -> None:
    account = keys.connected()
    keys.disconnect(account)
    before = keys.items()
    assert keys.store.rename(keys.user_id, account.id, "Renamed", NOW) is None
    assert keys.store.refuse(account, NOW) is None
    assert keys.store.disable(keys.user_id, account.id, NOW) is None
    assert keys.store.activate(account, VALUATION, NOW, keys.version) is None
    keys.store.mark(account, ApiKeyStatus.FAILED, NOW)
    keys.store.record_valuation(keys.user_id, account.id, VALUATION)
    assert keys.items() == before


def test_activating_needs_the_version_of_the_set(keys: Keys) -> None:
    account = keys.connected()
    refused(keys, StaleAccounts, lambda: keys.store.activate(account, VALUATION, NOW, 0))


def test_a_credential_expires_only_when_all_its_accounts_are_refused(keys: Keys, meanwhile: Meanwhile) -> None:
    sealed = keys.stored()
    spot, futures = keys.joined(sealed, SPOT), keys.joined(sealed, FUTURES)
    keys.store.refuse(spot, NOW)
    meanwhile(lambda: keys.store.mark(keys.read(spot), ApiKeyStatus.AUTHORIZED, NOW))
    keys.store.refuse(futures, NOW)
    assert keys.credential(sealed.id).status is CredentialStatus.ACTIVE
    keys.store.refuse(spot, NOW)
    assert keys.credential(sealed.id).status is CredentialStatus.EXPIRED


def test_a_credential_that_is_joined_while_its_only_user_is_refused_does_not_expire(
    keys: Keys, meanwhile: Meanwhile
) -> None:
    sealed = keys.stored()
    account = keys.joined(sealed, SPOT)
    meanwhile(lambda: keys.joined(sealed, FUTURES))
    keys.store.refuse(account, NOW)
    assert keys.credential(sealed.id).status is CredentialStatus.ACTIVE


def test_a_status_is_recorded_only_at_the_version_of_an_unused_credential(keys: Keys) -> None:
    sealed = keys.stored()
    read = keys.credential(sealed.id)
    keys.joined(sealed, SPOT)
    keys.credentials.mark(read, CredentialStatus.EXPIRED, NOW)
    assert keys.credential(sealed.id).status is CredentialStatus.ACTIVE
    keys.credentials.mark(keys.credential(sealed.id), CredentialStatus.EXPIRED, NOW)
    assert keys.credential(sealed.id).status is CredentialStatus.ACTIVE
    unused = keys.stored()
    keys.credentials.mark(keys.credential(unused.id), CredentialStatus.EXPIRED, NOW)
    assert keys.credential(unused.id).status is CredentialStatus.EXPIRED


def test_a_cancellation_is_removed_once(keys: Keys, meanwhile: Meanwhile) -> None:
    account = keys.connected()
    keys.disconnect(account)
    waiting = keys.waiting(account)
    meanwhile(lambda: keys.cancellations.finish(waiting))
    keys.cancellations.expire(waiting)
    item = keys.table.get(f"USER#{keys.user_id}", f"ENDED#{account.id}")
    assert item is not None
    assert item["cancellation"] == "SUCCESS"
