"""Wallet: wallets, from creating to closing them."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from purser import errors as e
from purser.bootstrap.ledger import wallets
from purser.http.app import entry_point
from purser.http.caller import Admin, SignedIn
from purser.http.desk import Envelope, ListEnvelope, desk_app, page
from purser.http.idempotency import IdempotencyKey, new_id, once
from purser.http.paging import TIME_POSITION, Cursor, Limit, Offset, page_position
from purser.http.wire import Uuid
from purser.ledger.model import WalletStatus, WalletType
from purser.ledger.schemas.wallets import WalletAnswer, WalletBody, WalletName
from purser.settings import settings

app = desk_app(invalid=-140001)

BASE = "/api/v3/fermata/wallet"

STOPPED = (e.WalletClosed, e.WalletFrozen)


@app.post(f"{BASE}/create", refuses=(e.Forbidden, e.TooManyWallets))
def create(body: WalletBody, caller: SignedIn, idempotency_key: IdempotencyKey = None) -> Envelope[WalletAnswer]:
    """Create a wallet for the caller. An admin can name another owner and type."""
    if not body.is_ordinary_for(caller.user_id) and not caller.is_admin:
        raise e.Forbidden

    def create() -> WalletAnswer:
        new = body.as_wallet(new_id(caller, "wallet/create", idempotency_key), caller.user_id)
        most = caller.quota(settings().wallets_per_user)
        return WalletAnswer.model_validate(wallets().create(caller.actor, new, most=most))

    return Envelope(data=once(caller, "wallet/create", idempotency_key, body, create, WalletAnswer))


@app.get(f"{BASE}/get", refuses=(e.WalletNotFound, e.WalletForbidden))
def get(walletId: Annotated[Uuid, Query()], caller: SignedIn) -> Envelope[WalletAnswer]:
    """Return one of the caller's wallets, or any wallet to an admin."""
    return Envelope(data=WalletAnswer.model_validate(wallets().get(caller.actor, walletId)))


@app.get(f"{BASE}/list")
def list_wallets(
    caller: SignedIn,
    walletType: Annotated[WalletType | None, Query()] = None,
    status: Annotated[WalletStatus | None, Query()] = None,
    limit: Limit = 50,
    offset: Offset = 0,
    cursor: Cursor = None,
) -> ListEnvelope[WalletAnswer]:
    """List the caller's wallets, or all wallets for an admin, newest first."""
    listed = f"wallets:{'' if caller.is_admin else caller.user_id}:{walletType}:{status}"
    before = page_position(listed, cursor, TIME_POSITION, "cursor")
    offset = 0 if before else offset
    found = wallets().page(caller.actor, kind=walletType, status=status, limit=limit, offset=offset, before=before)
    total = offset + len(found.rows) if before is None and found.position is None else None
    rows = [WalletAnswer.model_validate(wallet) for wallet in found.rows]
    return page(rows, listed, limit, found.position, offset=offset, total=total)


@app.post(f"{BASE}/freeze", refuses=(e.WalletNotFound, e.WalletClosed, e.WalletAlreadyFrozen, e.WalletRequestRefused))
def freeze(body: WalletName, caller: Admin) -> Envelope[WalletAnswer]:
    """Freeze a wallet. The platform's ACCOUNTING wallet cannot be frozen."""
    return Envelope(data=WalletAnswer.model_validate(wallets().freeze(caller.actor, body.walletId)))


@app.post(f"{BASE}/unfreeze", refuses=(e.WalletNotFound, e.WalletClosed, e.WalletNotFrozen))
def unfreeze(body: WalletName, caller: Admin) -> Envelope[WalletAnswer]:
    """Unfreeze a wallet."""
    return Envelope(data=WalletAnswer.model_validate(wallets().unfreeze(caller.actor, body.walletId)))


@app.post(f"{BASE}/close", refuses=(e.WalletNotFound, e.WalletNotEmpty, *STOPPED))
def close(body: WalletName, caller: Admin) -> Envelope[WalletAnswer]:
    """Close an empty wallet for good."""
    return Envelope(data=WalletAnswer.model_validate(wallets().close(caller.actor, body.walletId)))


handler = entry_point(app)
