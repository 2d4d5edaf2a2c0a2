"""The use cases of wallets, except those that move their balances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from purser.actor import SYSTEM, Actor
from purser.audit.model import Action, AuditEntry, audit_entry
from purser.errors import FieldError, InvalidInput, WalletNotFound, WalletRequestRefused
from purser.ledger.model import (
    ACCOUNTING_WALLET_ID,
    PLATFORM,
    Wallet,
    WalletStatus,
    WalletType,
    must_be_closable,
    must_be_freezable,
    must_be_frozen,
    users_of,
)
from purser.ledger.ports import NoSuchCustomer, StaleWallet, WalletExists, WalletStore
from purser.pages import Page, cut
from purser.ports import Audit
from purser.retrying import until_fresh

KNOWN_WALLETS = 4096


@dataclass(frozen=True, slots=True)
class NewWallet:
    """The wallet that a request asks for."""

    id: str
    owner_id: str
    type: WalletType = WalletType.CLIENT
    allow_negative: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    account_id: str | None = None


class Wallets:
    """The use cases of wallets. Every method raises ``purser.errors.Unavailable`` in an outage.

    ``has_user`` tells whether there is a user with an id.
    """

    def __init__(
        self, store: WalletStore, audit: Audit, now: Callable[[], int], has_user: Callable[[str], bool]
    ) -> None:
        self._store = store
        self._audit = audit
        self._now = now
        self._has_user = has_user
        self._known: dict[str, Wallet] = {}

    def create(self, actor: Actor, new: NewWallet, *, most: int | None = None) -> Wallet:
        """Create a wallet, or return it if the same one was created before. Its owner may have ``most`` open ones.

        Raises:
            TooManyWallets: the owner has as many.
            WalletRequestRefused: the id is another wallet's, or the owner has no such active account.
            InvalidInput: the owner is no user.
        """
        if new.owner_id != actor.user_id and not self._has_user(new.owner_id):
            raise InvalidInput([FieldError(("userId",), "must be an existing user", value=new.owner_id)])
        return self._create(actor, new, most)

    def _create(self, actor: Actor, new: NewWallet, most: int | None = None) -> Wallet:
        wallet = self._wallet_of(new)
        try:
            self._store.create(wallet, _audit_entry(actor, Action.WALLET_CREATE, wallet, wallet.created_at), most)
        except WalletExists:
            return self._same(new)
        except NoSuchCustomer:
            raise WalletRequestRefused("accountID must be an active account of the wallet's owner") from None
        return wallet

    def _wallet_of(self, new: NewWallet) -> Wallet:
        now = self._now()
        return Wallet(
            id=new.id,
            owner_id=new.owner_id,
            type=new.type,
            status=WalletStatus.ACTIVE,
            allow_negative=new.allow_negative,
            metadata=new.metadata,
            created_at=now,
            updated_at=now,
            account_id=new.account_id,
        )

    def _same(self, new: NewWallet) -> Wallet:
        existing = self.existing(new.id)
        facts = existing.owner_id, existing.type, existing.allow_negative, existing.metadata, existing.account_id
        if NewWallet(existing.id, *facts) != new:
            raise WalletRequestRefused
        return existing

    def get(self, actor: Actor, wallet_id: str, action: Action = Action.WALLET_READ) -> Wallet:
        """Return one of the actor's wallets (any for an admin, recorded as ``action``).

        Raises:
            WalletNotFound, WalletForbidden.
        """
        wallet = self.existing(wallet_id)
        wallet.must_be_open_to(actor)
        self._audit.read(actor, action, _target(wallet), wallet.owner_id)
        return wallet

    def existing(self, wallet_id: str) -> Wallet:
        """Return a wallet as it is now, in one read. Raises ``WalletNotFound``."""
        wallet = self._store.get(wallet_id)
        if wallet is None:
            raise WalletNotFound(f"Wallet not found: {wallet_id}")
        return wallet

    def page(
        self,
        actor: Actor,
        *,
        kind: WalletType | None = None,
        status: WalletStatus | None = None,
        limit: int,
        offset: int = 0,
        before: str | None = None,
    ) -> Page[Wallet]:
        """Return the actor's wallets (all for an admin), newest first."""
        if actor.is_admin:
            self._audit.read(actor, Action.WALLET_LIST, "wallets")
        rows = self._store.listed(None if actor.is_admin else actor.user_id, before, limit + offset + 1)
        return cut(
            rows,
            lambda wallet: (kind is None or wallet.type is kind) and (status is None or wallet.status is status),
            limit,
            offset,
            size=lambda wallet: wallet.size,
        )

    def balances(self, wallet: Wallet) -> dict[str, Decimal]:
        """Return a wallet's balances that are not zero."""
        return _nonzero(self._store.balances(wallet))

    def balances_of(self, wallets: Sequence[Wallet]) -> dict[str, dict[str, Decimal]]:
        """Return the balances of many wallets that are not zero, by wallet id."""
        found = self._store.balances_of(wallets)
        return {wallet_id: _nonzero(balances) for wallet_id, balances in found.items()}

    def known(self, wallet_ids: Sequence[str]) -> dict[str, Wallet]:
        """Return wallets by id, of which only the facts that never change are current.

        A process reads each wallet once. The platform's ACCOUNTING wallet is created when it is first used.

        Raises:
            WalletNotFound: a wallet does not exist.
        """
        missing = [wallet_id for wallet_id in wallet_ids if wallet_id not in self._known]
        if missing:
            found = self._store.find(missing)
            if len(self._known) > KNOWN_WALLETS:
                self._known = {}
            self._known |= {wallet_id: found.get(wallet_id) or self._absent(wallet_id) for wallet_id in missing}
        return {wallet_id: self._known[wallet_id] for wallet_id in wallet_ids}

    def _absent(self, wallet_id: str) -> Wallet:
        if wallet_id != ACCOUNTING_WALLET_ID:
            raise WalletNotFound(f"Wallet not found: {wallet_id}")
        return self._create(SYSTEM, NewWallet(wallet_id, PLATFORM, WalletType.ACCOUNTING, allow_negative=True))

    def freeze(self, actor: Actor, wallet_id: str) -> Wallet:
        """Freeze a wallet. Once this returns, it neither sends nor receives.

        Raises:
            WalletNotFound, WalletAlreadyFrozen, WalletClosed, WalletRequestRefused (the ACCOUNTING wallet), Contended.
        """
        return self._change(actor, Action.WALLET_FREEZE, wallet_id, must_be_freezable, self._store.freeze)

    def unfreeze(self, actor: Actor, wallet_id: str) -> Wallet:
        """Make a frozen wallet active again.

        Raises:
            WalletNotFound, WalletNotFrozen, WalletClosed, Contended.
        """
        return self._change(actor, Action.WALLET_UNFREEZE, wallet_id, must_be_frozen, self._store.unfreeze)

    def close(self, actor: Actor, wallet_id: str) -> Wallet:
        """Close an empty wallet for good.

        Raises:
            WalletNotFound, WalletNotEmpty, WalletClosed, WalletRequestRefused (the ACCOUNTING wallet), Contended.
        """
        return self._change(actor, Action.WALLET_CLOSE, wallet_id, must_be_closable, self._store.close)

    def _change(
        self,
        actor: Actor,
        action: Action,
        wallet_id: str,
        rule: Callable[[Wallet, int], None],
        change: Callable[[Wallet, int, AuditEntry], Wallet],
    ) -> Wallet:

        def attempt() -> Wallet:
            wallet, now = self.existing(wallet_id), self._now()
            rule(wallet, now)
            return change(wallet, now, _audit_entry(actor, action, wallet, now))

        return until_fresh(attempt, stale=StaleWallet)


def _target(wallet: Wallet) -> str:
    return f"wallet/{wallet.id}"


def _audit_entry(actor: Actor, action: Action, wallet: Wallet, now: int) -> AuditEntry:
    return audit_entry(actor, action, _target(wallet), now, *users_of([wallet]))


def _nonzero(balances: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {asset: balance for asset, balance in balances.items() if balance}
