"""The trading accounts and credentials of a user on DynamoDB, through their stores."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

from purser.aws.tables import Table
from purser.credentials.model import Credential, CredentialStatus, CredentialType, SealedCredential
from purser.credentials.store.credentials import DynamoCredentialStore
from purser.disconnecting.model import Cancellation
from purser.disconnecting.store.cancellations import DynamoCancellationStore
from purser.exchanges.model import TradeType, Venue
from purser.trading_accounts.model import AccountValuation, TradingAccount
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from tests.support.accounts import sealed_credential, trading_account

NOW = 1_700_000_000_000
SPOT, FUTURES = TradeType.SPOT, TradeType.FUTURES
VALUATION = AccountValuation(Decimal(5), NOW)


@dataclass
class Keys:
    """The accounts and credentials of one user."""

    table: Table
    user_id: str = field(default_factory=lambda: str(uuid4()))

    def __post_init__(self) -> None:
        self.store = DynamoTradingAccountStore(self.table)
        self.credentials = DynamoCredentialStore(self.table)
        self.cancellations = DynamoCancellationStore(self.table)

    @property
    def version(self) -> int:
        return self.store.connected(self.user_id).version

    def new(self, kind: TradeType = SPOT, api_key: str = "", **given: Any) -> tuple[TradingAccount, SealedCredential]:
        """Return a new account and its credential, which are not stored."""
        facts = {"trade_type": kind, "api_key": api_key or uuid4().hex, "created_at": NOW, "updated_at": NOW}
        account = replace(trading_account(str(uuid4()), self.user_id, **facts), **given)
        return account, sealed_credential(account)

    def connected(self, kind: TradeType = SPOT) -> TradingAccount:
        """Connect an account, and return it."""
        account, sealed = self.new(kind)
        self.store.connect(account, sealed, self.version)
        return account

    def stored(self) -> SealedCredential:
        """Store a credential that no account uses."""
        _, sealed = self.new()
        credential = Credential(
            id=sealed.id,
            user_id=self.user_id,
            venue=Venue.BINANCE,
            type=CredentialType.API_KEY,
            nickname="",
            status=CredentialStatus.CREATED,
            api_key=sealed.api_key,
            account_ids=frozenset(),
            created_at=NOW,
            updated_at=NOW,
        )
        assert self.credentials.create(credential, sealed, self.version)
        return sealed

    def joined(self, sealed: SealedCredential, kind: TradeType) -> TradingAccount:
        """Connect an account with a stored credential."""
        account, _ = self.new(kind, sealed.api_key, credential_id=sealed.id)
        self.store.connect(account, self.sealed(sealed.id), self.version, stored=True)
        return account

    def read(self, account: TradingAccount) -> TradingAccount:
        found = self.store.get(self.user_id, account.id)
        assert found is not None
        return found

    def credential(self, credential_id: str) -> Credential:
        found = self.credentials.get(self.user_id, credential_id)
        assert found is not None
        return found[0]

    def sealed(self, credential_id: str) -> SealedCredential:
        found = self.credentials.get(self.user_id, credential_id)
        assert found is not None
        assert found[1] is not None
        return found[1]

    def cancellation(self, account: TradingAccount) -> Cancellation:
        return Cancellation(account.id, account.trade_type, self.sealed(account.credential_id), NOW, due_at=NOW)

    def waiting(self, account: TradingAccount) -> Cancellation:
        """Return the stored cancellation of an account."""
        found = self.cancellations.get(account.id)
        assert found is not None
        return found

    def disconnect(self, account: TradingAccount) -> None:
        assert self.store.disconnect(account, self.cancellation(account), NOW)

    def rotate(self, before: SealedCredential, after: SealedCredential, *users: TradingAccount, version: int) -> None:
        self.credentials.rotate(before, after, [(user, VALUATION) for user in users], version, NOW, [])

    def revoke(self, credential: Credential, *users: TradingAccount) -> None:
        self.store.revoke(credential, [self.cancellation(user) for user in users], [], NOW)

    def items(self) -> list[tuple[str, dict[str, Any]]]:
        """Return all items of the user."""
        return [(item["SK"], item) for item in self.table.query("PK = :pk", {":pk": f"USER#{self.user_id}"})]
