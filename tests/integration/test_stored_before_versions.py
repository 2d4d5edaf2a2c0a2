"""Test items that were stored before they had a version: they are read as version 0 and change like others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import uuid4

import pytest

from purser.aws.tables import Item, Table
from purser.credentials.model import Credential, CredentialStatus, SealedCredential, StaleCredential
from purser.credentials.store.credentials import DynamoCredentialStore
from purser.disconnecting.model import Cancellation
from purser.disconnecting.store.cancellations import DynamoCancellationStore
from purser.errors import Contended, SymbolFollowed
from purser.exchanges.model import TradeType, Venue
from purser.follows.model import Follow
from purser.follows.store import DynamoFollowStore
from purser.keys_table import claim_pk
from purser.snapshots.model import Backfill
from purser.snapshots.store.backfills import DynamoBackfillStore
from purser.trading_accounts.model import AccountRef, AccountValuation, ApiKeyStatus, StaleAccounts, TradingAccount
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from purser.work.worker import lease
from tests.support.aws import Aws
from tests.support.functions import forget_process

NOW = 1_700_000_000_000


@dataclass
class Earlier:
    """A user with a connected trading account, stored by an earlier release."""

    table: Table
    user_id: str
    id: str
    api_key: str

    @property
    def store(self) -> DynamoTradingAccountStore:
        return DynamoTradingAccountStore(self.table)

    @property
    def credentials(self) -> DynamoCredentialStore:
        return DynamoCredentialStore(self.table)

    def item(self, sk: str) -> Item:
        item = self.table.get(f"USER#{self.user_id}", sk)
        assert item is not None
        return item

    def account(self) -> TradingAccount:
        account = self.store.get(self.user_id, self.id)
        assert account is not None
        return account

    def credential(self) -> tuple[Credential, SealedCredential]:
        found = self.credentials.get(self.user_id, self.id)
        assert found is not None
        assert found[1] is not None
        return found[0], found[1]

    def cancellation(self) -> Cancellation:
        return Cancellation(self.id, TradeType.SPOT, self.credential()[1], NOW, due_at=NOW)

    def follow(self, symbol: str) -> Follow:
        return Follow(str(uuid4()), self.user_id, self.id, symbol, "strategy", "risk", True, NOW, NOW)


@pytest.fixture
def earlier(aws: Aws) -> Iterator[Earlier]:
    forget_process()
    it = Earlier(Table(aws.tables["KEYS_TABLE"]), str(uuid4()), str(uuid4()), uuid4().hex)
    pk = f"USER#{it.user_id}"
    for item in (
        {"PK": pk, "SK": "USER", "version": 1},
        {
            "PK": pk,
            "SK": f"KEY#{it.id}",
            "tradingAccountId": it.id,
            "userId": it.user_id,
            "venue": "BINANCE",
            "tradeType": "SPOT",
            "strategyType": "MANUAL",
            "name": "Default",
            "active": True,
            "activeShard": "3",
            "apiKeyStatus": "AUTHORIZED",
            "apiKey": it.api_key,
            "credentialId": it.id,
            "createdAt": NOW,
            "updatedAt": NOW,
            "readingUsd": Decimal(5),
            "readingAt": NOW,
            "followsBegun": 1,
        },
        {
            "PK": pk,
            "SK": f"CREDENTIAL#{it.id}",
            "credentialId": it.id,
            "userId": it.user_id,
            "venue": "BINANCE",
            "apiKey": it.api_key,
            "ciphertext": b"sealed",
            "createdAt": NOW,
            "credentialType": "API_KEY",
            "nickname": "Default",
            "status": "ACTIVE",
            "accountIds": {it.id},
            "updatedAt": NOW,
        },
        {"PK": claim_pk(Venue.BINANCE, it.api_key), "SK": "CLAIM", "userId": it.user_id, "SPOT": it.id},
        {"PK": "BACKFILLS", "SK": it.id, "userId": it.user_id, "requestedAt": NOW, "dueAt": NOW},
        {
            "PK": pk,
            "SK": f"FOLLOW#{it.id}#BTC/USDT",
            "followId": "follow",
            "followerId": it.id,
            "symbol": "BTC/USDT",
            "strategyId": "strategy",
            "riskProfileId": "risk",
            "active": True,
            "createdAt": NOW,
            "updatedAt": NOW,
        },
    ):
        it.table.put(item)
    yield it
    it.table.delete("BACKFILLS", it.id)
    it.table.delete("CANCELLATIONS", it.id)
    forget_process()


def test_a_trading_account_is_read_and_changed(earlier: Earlier) -> None:
    account = earlier.account()
    assert (account.version, account.name, account.valuation) == (0, "Default", AccountValuation(Decimal(5), NOW))
    renamed = earlier.store.rename(earlier.user_id, earlier.id, "Renamed", NOW)
    assert renamed == replace(account, name="Renamed", version=1)
    assert earlier.store.refuse(account, NOW) is not None


def test_a_trading_account_is_deactivated_at_version_0(earlier: Earlier) -> None:
    stored = earlier.account()
    off = earlier.store.refuse(stored, NOW + 1)
    assert off == replace(
        stored, active=False, resumes=True, api_key_status=ApiKeyStatus.UNAUTHORIZED, updated_at=NOW + 1, version=1
    )
    assert earlier.credential()[0].status is CredentialStatus.EXPIRED


def test_a_disconnected_account_is_not_written_again(earlier: Earlier) -> None:
    stored = earlier.account()
    assert earlier.store.disconnect(stored, earlier.cancellation(), NOW)
    assert earlier.store.refuse(stored, NOW) is None
    assert earlier.store.get(earlier.user_id, earlier.id) is None
    assert not earlier.store.disconnect(
        stored, Cancellation(earlier.id, TradeType.SPOT, sealed_of(earlier), NOW, due_at=NOW), NOW
    )


def sealed_of(earlier: Earlier) -> SealedCredential:
    return SealedCredential(earlier.id, earlier.user_id, Venue.BINANCE, earlier.api_key, b"sealed", NOW)


def test_disconnecting_removes_follows_credential_and_claim(earlier: Earlier) -> None:
    follows = DynamoFollowStore(earlier.table)
    follows.add(earlier.follow("ETH/USDT"))
    with pytest.raises(SymbolFollowed):
        follows.add(earlier.follow("BTC/USDT"))
    assert earlier.store.disconnect(earlier.account(), earlier.cancellation(), NOW)
    assert follows.of_account(earlier.user_id, earlier.id) == []
    assert earlier.item(f"ENDED#{earlier.id}")["disconnectedAt"] == NOW
    assert earlier.credentials.get(earlier.user_id, earlier.id) is None
    assert earlier.table.get(claim_pk(Venue.BINANCE, earlier.api_key), "CLAIM") is None


def test_disconnecting_removes_a_follow_that_begins_meanwhile(
    earlier: Earlier, monkeypatch: pytest.MonkeyPatch
) -> None:
    from purser.aws.tables import Transaction

    write, late = Transaction._commit, iter([earlier.follow("ETH/USDT")])

    def follow_first(transaction: Transaction) -> None:
        if follow := next(late, None):
            DynamoFollowStore(earlier.table).add(follow)
        write(transaction)

    monkeypatch.setattr(Transaction, "_commit", follow_first)
    assert earlier.store.disconnect(earlier.account(), earlier.cancellation(), NOW)
    assert DynamoFollowStore(earlier.table).of_account(earlier.user_id, earlier.id) == []


def test_a_credential_is_rotated_once_at_version_0(earlier: Earlier) -> None:
    account, (credential, before) = earlier.account(), earlier.credential()
    assert (credential.version, before.version) == (0, 0)
    after = replace(before, api_key=uuid4().hex, ciphertext=b"rotated")
    using = [(account, AccountValuation(Decimal(6), NOW + 1))]
    earlier.credentials.rotate(before, after, using, 1, NOW + 1, [])
    assert earlier.credential()[1] == replace(after, version=1)
    assert earlier.account().api_key == after.api_key
    with pytest.raises(StaleAccounts):
        earlier.credentials.rotate(before, after, using, 1, NOW + 1, [])
    with pytest.raises(StaleCredential):
        earlier.credentials.rotate(before, after, using, 2, NOW + 1, [])


def test_a_credential_is_shared_and_revoked(earlier: Earlier) -> None:
    loaded, sealed = earlier.credential()
    second = replace(earlier.account(), id=str(uuid4()), trade_type=TradeType.FUTURES, version=1)
    earlier.store.connect(second, sealed, 1, stored=True)
    with pytest.raises(StaleCredential):
        earlier.store.revoke(loaded, [earlier.cancellation()], [], NOW)
    joined, sealed = earlier.credential()
    assert joined.account_ids == {earlier.id, second.id}
    endings = [earlier.cancellation(), Cancellation(second.id, TradeType.FUTURES, sealed, NOW, due_at=NOW)]
    earlier.store.revoke(joined, endings, [], NOW)
    revoked = earlier.credentials.get(earlier.user_id, earlier.id)
    assert revoked is not None
    assert (revoked[0].status, revoked[1]) == (CredentialStatus.REVOKED, None)
    assert earlier.store.connected(earlier.user_id).accounts == ()
    earlier.table.delete("CANCELLATIONS", second.id)
    earlier.table.delete("BACKFILLS", second.id)


def test_a_revoked_credential_cannot_be_shared(earlier: Earlier) -> None:
    _, sealed = earlier.credential()
    earlier.table.update(
        f"USER#{earlier.user_id}",
        f"CREDENTIAL#{earlier.id}",
        "SET #status = :revoked REMOVE ciphertext",
        {":revoked": "REVOKED"},
        names={"#status": "status"},
    )
    second = replace(earlier.account(), id=str(uuid4()), trade_type=TradeType.FUTURES)
    with pytest.raises(StaleCredential):
        earlier.store.connect(second, sealed, 1, stored=True)


def test_a_cancellation_is_queued_once_leased_and_removed(earlier: Earlier) -> None:
    store = DynamoCancellationStore(earlier.table)
    sealed = {name: value for name, value in earlier.item(f"CREDENTIAL#{earlier.id}").items() if name in SEALED}
    earlier.table.put(earlier.item(f"KEY#{earlier.id}") | {"SK": f"ENDED#{earlier.id}"})
    earlier.table.put(
        {
            "PK": "CANCELLATIONS",
            "SK": earlier.id,
            "tradeType": "SPOT",
            "credential": sealed,
            "requestedAt": NOW,
            "queuedAt": NOW,
            "heldUntil": NOW + 5,
        }
    )
    stored = store.get(earlier.id)
    assert stored is not None
    assert (stored.version, stored.credential.ciphertext) == (0, b"sealed")
    queued = stored.queued(NOW + 1)
    assert store.advance(queued)
    assert not store.advance(queued)
    assert store.get(earlier.id) == replace(stored, due_at=NOW + 1, version=1)
    with pytest.raises(Contended):
        lease(store, queued, NOW + 4, NOW + 9)
    leased = lease(store, queued, NOW + 5, NOW + 9)
    assert store.finish(leased)
    assert store.get(earlier.id) is None
    assert not store.advance(stored.queued(NOW + 2))


SEALED = {"credentialId", "userId", "venue", "apiKey", "ciphertext", "createdAt"}


def test_a_backfill_is_claimed_requested_again_and_finished(earlier: Earlier) -> None:
    store = DynamoBackfillStore(earlier.table)
    stored = store.get(earlier.id)
    assert stored == Backfill(AccountRef(earlier.user_id, earlier.id), NOW, due_at=NOW)
    assert store.advance(stored.queued(NOW + 5))
    assert not store.advance(stored.queued(NOW + 5))
    claimed = store.get(earlier.id)
    assert claimed == replace(stored, due_at=NOW + 5, version=1)
    store.add(replace(stored, requested_at=NOW + 9, due_at=NOW + 9))
    store.finish(claimed)
    again = store.get(earlier.id)
    assert again == replace(stored, requested_at=NOW + 9, due_at=NOW + 9, version=2)
    store.finish(again)
    assert store.get(earlier.id) is None


def test_a_backfill_that_was_not_claimed_dies_and_is_finished(earlier: Earlier) -> None:
    store = DynamoBackfillStore(earlier.table)
    stored = store.get(earlier.id)
    assert stored is not None
    assert store.advance(stored.exhausted(NOW))
    dead = store.get(earlier.id)
    assert dead == replace(stored, dead=True, version=1)
    store.finish(dead)
    assert store.get(earlier.id) is None
