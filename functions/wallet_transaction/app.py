"""WalletTransaction: transactions between wallets, and the entries that they leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel

from purser import errors as e
from purser.bootstrap.ledger import ledger
from purser.http.app import entry_point
from purser.http.caller import Admin, Caller, SignedIn
from purser.http.desk import Envelope, ListEnvelope, desk_app, page
from purser.http.idempotency import IdempotencyKey, new_id
from purser.http.paging import Cursor, Limit, Milliseconds, page_position
from purser.http.wire import Uuid
from purser.ledger.model import EntryFilter, Transaction
from purser.ledger.schemas.transactions import (
    Asset,
    EntryAnswer,
    Movement,
    ReversalBody,
    TransactionAnswer,
    TransferBody,
    Transferred,
)
from purser.pages import Page

A = TypeVar("A", bound=BaseModel)

app = desk_app(invalid=-140001)

BASE = "/api/v3/fermata/wallet"

WALLET = (e.WalletNotFound, e.WalletForbidden)
STOPPED = (e.WalletClosed, e.WalletFrozen)
BOOKS = (e.WalletRequestRefused, e.InsufficientBalance, e.BalanceOutOfRange, e.IdempotencyKeyReused)
MOVING = (*WALLET, *STOPPED, *BOOKS)

WalletId = Annotated[Uuid, Query()]
AssetFilter = Annotated[Asset | None, Query()]

POSITION = r"\d{13}\.\d{6}#[^#]+#\d+"
"""The form of positions: the sequence and id of a transaction, and the number of an entry."""


@app.post(f"{BASE}/deposit", refuses=MOVING)
def deposit(body: Movement, caller: Admin, idempotency_key: IdempotencyKey = None) -> Envelope[TransactionAnswer]:
    """Deposit an amount from the platform's ACCOUNTING wallet."""
    key_id = _key_id(caller, "wallet/deposit", idempotency_key)
    transaction = ledger().deposit(caller.actor, body.walletId, body.asset, body.amount, body.externalRef, key_id)
    return Envelope(data=_answer(transaction))


@app.post(f"{BASE}/withdraw", refuses=MOVING)
def withdraw(body: Movement, caller: SignedIn, idempotency_key: IdempotencyKey = None) -> Envelope[TransactionAnswer]:
    """Withdraw an amount to the platform's ACCOUNTING wallet."""
    key_id = _key_id(caller, "wallet/withdraw", idempotency_key)
    transaction = ledger().withdraw(caller.actor, body.walletId, body.asset, body.amount, body.externalRef, key_id)
    return Envelope(data=_answer(transaction))


@app.post(f"{BASE}/transfer", refuses=MOVING)
def transfer(body: TransferBody, caller: SignedIn, idempotency_key: IdempotencyKey = None) -> Transferred:
    """Transfer an amount from a wallet of the caller to another wallet."""
    key_id = _key_id(caller, "wallet/transfer", idempotency_key)
    transaction = ledger().transfer(
        caller.actor, body.sourceWalletId, body.destWalletId, body.asset, body.amount, key_id
    )
    return Transferred(data="ok", details=_answer(transaction))


@app.post(f"{BASE}/transaction/reverse", refuses=MOVING)
def reverse(body: ReversalBody, caller: Admin, idempotency_key: IdempotencyKey = None) -> Envelope[TransactionAnswer]:
    """Reverse a transaction, once, by a new one."""
    key_id = _key_id(caller, "wallet/transaction/reverse", idempotency_key)
    return Envelope(data=_answer(ledger().reverse(caller.actor, body.transactionId, body.reason, key_id)))


@app.get(f"{BASE}/transaction/list", refuses=WALLET)
def list_transactions(
    walletId: WalletId,
    caller: SignedIn,
    asset: AssetFilter = None,
    startTime: Milliseconds = None,
    endTime: Milliseconds = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ListEnvelope[TransactionAnswer]:
    """List a wallet's transactions, newest first."""
    filters = EntryFilter(asset, startTime, endTime)
    return _page("transactions", ledger().transactions, TransactionAnswer, caller, walletId, filters, limit, cursor)


@app.get(f"{BASE}/entry/list", refuses=WALLET)
def list_entries(
    walletId: WalletId,
    caller: SignedIn,
    asset: AssetFilter = None,
    startTime: Milliseconds = None,
    endTime: Milliseconds = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ListEnvelope[EntryAnswer]:
    """List a wallet's entries, newest first."""
    filters = EntryFilter(asset, startTime, endTime)
    return _page("entries", ledger().entries, EntryAnswer, caller, walletId, filters, limit, cursor)


def _page(
    name: str,
    read: Callable[..., Page[Any]],
    answer: type[A],
    caller: Caller,
    wallet_id: str,
    filters: EntryFilter,
    limit: int,
    cursor: str | None,
) -> ListEnvelope[A]:
    """Return the page of a wallet's list that follows ``cursor``."""
    listed = f"{name}:{wallet_id}:{filters.asset}:{filters.since}:{filters.until}"
    before = page_position(listed, cursor, POSITION, "cursor")
    found = read(caller.actor, wallet_id, filters, limit=limit, before=before)
    return page([answer.model_validate(row) for row in found.rows], listed, limit, found.position)


def _key_id(caller: Caller, route: str, key: str | None) -> str | None:
    return new_id(caller, route, key) if key is not None else None


def _answer(transaction: Transaction) -> TransactionAnswer:
    return TransactionAnswer.model_validate(transaction)


handler = entry_point(app)
