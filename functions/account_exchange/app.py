"""AccountExchange: a user's exchange keys, their balances and their balance history."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from purser import errors as e
from purser.bootstrap.snapshots import balance_history
from purser.bootstrap.trading_accounts import trading_accounts
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.customer import customer_app
from purser.http.idempotency import IdempotencyKey, new_id, once
from purser.http.paging import DAY_POSITION, Limit, NextToken, page_position, page_token
from purser.http.wire import Date, Uuid
from purser.lanes import addresses_of
from purser.settings import settings
from purser.snapshots.schemas import DayBalance, HistoryPage
from purser.trading_accounts.schemas.exchange_keys import (
    BalanceAnswer,
    KeyAnswer,
    KeyChange,
    KeyList,
    NewKey,
    TotalBalance,
    balance_answer,
)

app = customer_app()

CREATE_KEY = "POST /v1/priv/account/exchange/key"

KeyId = Annotated[Uuid, Path()]


@app.get("/v1/priv/account/exchange/whitelist/ip")
def whitelist_ips(caller: SignedIn) -> list[str]:
    """Return the addresses to which users should restrict their exchange keys."""
    return addresses_of(settings().egress_lanes)


@app.get("/v1/priv/account/exchange/balance")
def total_balance(caller: SignedIn) -> TotalBalance:
    """Return the total value of the active keys, by their latest valuations."""
    return TotalBalance(USD=trading_accounts().total_usd(caller.user_id))


@app.get("/v1/priv/account/exchange/key/list")
def list_keys(caller: SignedIn) -> KeyList:
    """List the caller's exchange keys."""
    return KeyList(items=[KeyAnswer.model_validate(account) for account in trading_accounts().of(caller.user_id)])


@app.post("/v1/priv/account/exchange/key", refuses=(*e.KEY_CHECK, e.AlreadyConnected))
def create_key(body: NewKey, caller: SignedIn, idempotency_key: IdempotencyKey = None) -> KeyAnswer:
    """Connect an exchange key."""

    def create() -> KeyAnswer:
        new = body.as_connection(new_id(caller, CREATE_KEY, idempotency_key), caller.user_id)
        most = caller.quota(settings().keys_per_user)
        return KeyAnswer.model_validate(trading_accounts().connect(new, caller.actor, most=most))

    return once(caller, CREATE_KEY, idempotency_key, body, create, KeyAnswer)


@app.put("/v1/priv/account/exchange/key/<id>", refuses=e.KEY_CHECK)
def update_key(id: KeyId, body: KeyChange, caller: SignedIn) -> KeyAnswer:
    """Rename, enable or disable a key, or change its limits for strategies."""
    changed = trading_accounts().update(
        caller.user_id, id, name=body.name, active=body.active, limits=body.limits, by=caller.actor
    )
    return KeyAnswer.model_validate(changed)


@app.delete("/v1/priv/account/exchange/key/<id>", status_code=204)
def delete_key(id: KeyId, caller: SignedIn) -> Response[Any]:
    """Disconnect a key for good."""
    trading_accounts().disconnect(caller.user_id, id, caller.actor)
    return Response(status_code=204, body="")


@app.get("/v1/priv/account/exchange/key/<id>/balance", refuses=(*e.EXCHANGE_CALL, e.TradingAccountInactive))
def key_balance(id: KeyId, caller: SignedIn) -> BalanceAnswer:
    """Return the live balance at the exchange."""
    return balance_answer(trading_accounts().balance(caller.user_id, id))


@app.get("/v1/priv/account/exchange/key/<id>/balance/history")
def key_balance_history(
    id: KeyId,
    caller: SignedIn,
    start: Annotated[Date | None, Query()] = None,
    limit: Limit = 100,
    nextToken: NextToken = None,
) -> HistoryPage:
    """List the snapshots of a key, also of a deleted one: at most one for each UTC day, newest first."""
    account = trading_accounts().known(caller.user_id, id)
    listed = f"balance-history:{account.id}:{start}"
    before = page_position(listed, nextToken, DAY_POSITION)
    rows, position = balance_history().page(account.id, start, limit, before)
    return HistoryPage(
        items=[DayBalance.model_validate(row) for row in rows],
        nextToken=page_token(listed, position) if position else None,
    )


handler = entry_point(app)
