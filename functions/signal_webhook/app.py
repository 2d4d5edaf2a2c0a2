"""SignalWebhook: receives the alerts of strategies. It loads no exchange, because TradingView waits only 3 s."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path

from purser.bootstrap.signals import prepare_to_receive, signals
from purser.errors import MalformedRequest, PayloadTooLarge, Unauthorized
from purser.http.app import entry_point, raw_body
from purser.http.customer import customer_app
from purser.http.wire import Uuid
from purser.settings import settings
from purser.signals.schemas.answers import ReceivedAnswer

app = customer_app()

SIGNATURE = "x-purser-signature"

if settings().strategies_table:
    # Loaded at init, where Lambda gives a whole processor, so that the first alert does not wait for it.
    prepare_to_receive()


@app.post("/v1/pub/webhook/signal/<strategyId>", refuses=(MalformedRequest, PayloadTooLarge, Unauthorized))
def receive_alert(strategyId: Annotated[Uuid, Path()]) -> ReceivedAnswer:
    """Receive an alert in the format of 3Commas' signal bots, with the strategy's secret in it or signed."""
    event = app.current_event
    signature = event.headers.get(SIGNATURE) or None
    return ReceivedAnswer.model_validate(signals().receive(strategyId, raw_body(event), signature))


handler = entry_point(app)
