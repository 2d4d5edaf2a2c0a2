"""SignalAdmin: administrators send signals, see what became of them, give out secrets, and set the modes."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from purser.bootstrap.signals import modes, signal_secrets, signals
from purser.clock import now_ms
from purser.http.app import entry_point
from purser.http.caller import Admin
from purser.http.customer import customer_app
from purser.http.idempotency import IdempotencyKey, new_id, once
from purser.http.paging import NextToken, page_position, page_token
from purser.http.wire import Uuid
from purser.signals.model import Source
from purser.signals.schemas.answers import ReceivedAnswer
from purser.signals.schemas.managing import (
    ModeAnswer,
    ModeBody,
    NewSignalBody,
    NoBody,
    SecretAnswer,
    SignalList,
    signal_answer,
)
from purser.signals.service import Issued, NewSignal

app = customer_app()

SEND_SIGNAL = "POST /v1/admin/strategy/{}/signal"
ISSUE = "POST /v1/admin/strategy/{}/secret"

StrategyId = Annotated[Uuid, Path()]
SignalLimit = Annotated[int, Query(ge=1, le=100)]

SIGNAL_POSITION = r"[0-9a-f-]{36}"


@app.post("/v1/admin/strategy/<id>/signal")
def send_signal(
    id: StrategyId, body: NewSignalBody, caller: Admin, idempotency_key: IdempotencyKey = None
) -> ReceivedAnswer:
    """Send a signal of a strategy to its followers."""
    route = SEND_SIGNAL.format(id)

    def send() -> ReceivedAnswer:
        # Without an id of its own, a signal is a repeat only if its request is.
        key = f"id:{body.id}" if body.id else f"request:{new_id(caller, route, idempotency_key)}"
        new = NewSignal(key, Source.ADMIN, body.order(now_ms()))
        return ReceivedAnswer.model_validate(signals().send(caller.actor, id, new))

    return once(caller, route, idempotency_key, body, send, ReceivedAnswer)


@app.get("/v1/admin/strategy/<id>/signal/list")
def list_signals(id: StrategyId, caller: Admin, limit: SignalLimit = 50, nextToken: NextToken = None) -> SignalList:
    """List the signals of a strategy with what became of them, newest first, and the modes."""
    listed = f"signals:{id}"
    found = signals().newest(id, page_position(listed, nextToken, SIGNAL_POSITION), limit)
    return SignalList(
        mode=found.state.mode,
        tradingMode=found.trading,
        openSide=found.state.direction,
        items=[signal_answer(signal, found.counts.get(signal.id, {})) for signal in found.page.rows],
        nextToken=page_token(listed, found.page.position) if found.page.position else None,
    )


@app.post("/v1/admin/strategy/<id>/secret")
def issue_secret(id: StrategyId, caller: Admin, idempotency_key: IdempotencyKey = None) -> SecretAnswer:
    """Give a strategy a new secret for its webhook. The one before it stays valid, and older ones do not."""
    route = ISSUE.format(id)
    issued: list[Issued] = []

    def issue() -> SecretAnswer:
        issued.append(signal_secrets().issue(caller.actor, id))
        # The answer that is stored for repeats must not have the secret.
        return SecretAnswer(secret=None, signingKey=None, createdAt=issued[0].created_at)

    answer = once(caller, route, idempotency_key, NoBody(), issue, SecretAnswer)
    for new in issued:
        answer = SecretAnswer(secret=new.secret, signingKey=new.signing_key, createdAt=new.created_at)
    return answer


@app.put("/v1/admin/strategy/<id>/mode")
def set_mode(id: StrategyId, body: ModeBody, caller: Admin) -> ModeAnswer:
    """Set what a strategy may do: anything, only close, or nothing."""
    modes().set(caller.actor, id, body.mode)
    return ModeAnswer(mode=body.mode)


@app.put("/v1/admin/trading/mode")
def set_trading_mode(body: ModeBody, caller: Admin) -> ModeAnswer:
    """Set what all strategies together may do. The modes of single strategies stay as they are."""
    modes().set_all(caller.actor, body.mode)
    return ModeAnswer(mode=body.mode)


handler = entry_point(app)
