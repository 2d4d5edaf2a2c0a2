"""TradingAccount: trading accounts at exchanges, and the operations on them."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query

from purser import errors as e
from purser.bootstrap.trading_accounts import desk
from purser.exchanges.model import Venue
from purser.http.app import entry_point
from purser.http.caller import Caller, SignedIn
from purser.http.desk import Envelope, ListEnvelope, desk_app, page, sliced
from purser.http.idempotency import IdempotencyKey, new_id, once
from purser.http.paging import TIME_POSITION, Cursor, Limit, Milliseconds, Offset, page_position
from purser.http.wire import Uuid
from purser.operations.model import OperationFilter, OperationType
from purser.settings import settings
from purser.trading_accounts.desk import AccountFilter
from purser.trading_accounts.model import AccountStatus
from purser.trading_accounts.schemas.accounts import AccountName, Connection, Renaming
from purser.trading_accounts.schemas.answers import OperationAnswer, TradingAccountAnswer

app = desk_app(invalid=-120001)

BASE = "/api/v3/tradingAccount"
CONNECT = "tradingAccount/connect"

CONNECTING = (*e.KEY_CHECK, e.CredentialNotFound, e.Forbidden, e.AlreadyConnected, e.CredentialRevoked)
CHANGING = (*e.TRADING_ACCOUNT, e.AlreadyDisconnected)

UserId = Annotated[str | None, Query(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_-]*$")]
AccountId = Annotated[Uuid | None, Query()]
TenantId = Annotated[None, Query()]
"""Refused if it is given, because there are no tenants to filter by."""


@app.post(f"{BASE}/connect", refuses=CONNECTING)
def connect(
    body: Connection, caller: SignedIn, idempotency_key: IdempotencyKey = None
) -> Envelope[TradingAccountAnswer]:
    """Connect a trading account."""

    def connected() -> TradingAccountAnswer:
        request = body.as_connection(new_id(caller, CONNECT, idempotency_key), caller.user_id)
        most = caller.quota(settings().keys_per_user)
        account = desk().connect(request, caller.actor, credential_id=body.credential_id, most=most)
        return TradingAccountAnswer.model_validate(account)

    return Envelope(data=once(caller, CONNECT, idempotency_key, body, connected, TradingAccountAnswer))


@app.get(f"{BASE}/list", refuses=(*e.TRADING_ACCOUNT, e.Forbidden))
def list_accounts(
    caller: SignedIn,
    tradingAccountId: AccountId = None,
    venue: Annotated[Venue | None, Query()] = None,
    accountStatus: Annotated[AccountStatus | None, Query()] = None,
    userId: UserId = None,
    tenantId: TenantId = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> ListEnvelope[TradingAccountAnswer]:
    """List the caller's trading accounts, oldest first, or those of another user for an admin."""
    filters = AccountFilter(tradingAccountId, venue, accountStatus, userId)
    found = desk().find(caller.actor, filters)
    return sliced([TradingAccountAnswer.model_validate(each) for each in found], limit, offset)


@app.post(f"{BASE}/update", refuses=CHANGING)
def update(body: Renaming, caller: SignedIn) -> Envelope[TradingAccountAnswer]:
    """Rename a trading account."""
    return _changed(body, caller, name=body.given_name)


@app.post(f"{BASE}/enable", refuses=(*CHANGING, *e.KEY_CHECK))
def enable(body: AccountName, caller: SignedIn) -> Envelope[TradingAccountAnswer]:
    """Enable a trading account, after a check of its key and of the plan's limits."""
    return _changed(body, caller, active=True)


@app.post(f"{BASE}/disable", refuses=CHANGING)
def disable(body: AccountName, caller: SignedIn) -> Envelope[TradingAccountAnswer]:
    """Disable a trading account: no new orders, no snapshots. Its positions stay."""
    return _changed(body, caller, active=False)


@app.post(f"{BASE}/disconnect", refuses=CHANGING)
def disconnect(body: AccountName, caller: SignedIn) -> Envelope[TradingAccountAnswer]:
    """Disconnect a trading account for good, and cancel its open orders. Its history stays."""
    disconnected = desk().disconnect(caller.actor, body.tradingAccountId)
    return Envelope(data=TradingAccountAnswer.model_validate(disconnected))


@app.get(f"{BASE}/operation/list", refuses=e.TRADING_ACCOUNT)
def list_operations(
    caller: SignedIn,
    tradingAccountId: AccountId = None,
    operationType: Annotated[OperationType | None, Query()] = None,
    startTime: Milliseconds = None,
    endTime: Milliseconds = None,
    limit: Limit = 50,
    offset: Offset = 0,
    cursor: Cursor = None,
) -> ListEnvelope[OperationAnswer]:
    """List operations on the caller's trading accounts, or on one account (any for an admin), newest first."""
    listed = f"operations:{tradingAccountId or caller.user_id}:{operationType}:{startTime}:{endTime}"
    filters = OperationFilter(operationType, startTime, endTime)
    position = page_position(listed, cursor, TIME_POSITION, "cursor")
    offset = 0 if position else offset
    rows, position = desk().operations(caller.actor, tradingAccountId, filters, limit, position, offset=offset)
    return page([OperationAnswer.model_validate(row) for row in rows], listed, limit, position, offset=offset)


def _changed(body: AccountName, caller: Caller, **change: Any) -> Envelope[TradingAccountAnswer]:
    changed = desk().update(caller.actor, body.tradingAccountId, **change)
    return Envelope(data=TradingAccountAnswer.model_validate(changed))


handler = entry_point(app)
