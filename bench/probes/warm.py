"""Send the same two requests through Purser's handler and through FastAPI with Mangum, in turns.

Both use the same models and the same service. Read ``{"fastapi": path of the other app, "events": {name: event},
"pairs", "requests"}``, and print ``{name: [[purser, fastapi], …]}``, in CPU seconds a request.
"""

import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import app
from function import Context

from purser.exchanges.model import TradeType, Venue
from purser.trading_accounts.model import ApiKeyStatus, StrategyType, TradingAccount

Handler = Callable[[Any, Any], dict[str, Any]]


def account(number: int) -> TradingAccount:
    """Return a trading account as the store returns it."""
    return TradingAccount(
        id=f"63d3aa7c-0000-4000-8000-{number:012d}",
        user_id="5b8d6a0e-7a4c-4f5e-9b1d-0c2f4a6e8d10",
        venue=Venue.BINANCE,
        trade_type=TradeType.FUTURES,
        strategy_type=StrategyType.MANUAL,
        name=f"Key {number}",
        active=True,
        api_key_status=ApiKeyStatus.AUTHORIZED,
        api_key="vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
        credential_id="c",
        created_at=1_767_346_200_000 + number,
        updated_at=1_767_346_200_000 + number,
    )


class Service:
    """A service that answers at once, for both."""

    accounts = tuple(account(number) for number in range(5))

    def of(self, user_id: str) -> tuple[TradingAccount, ...]:
        """Return the user's accounts, like the real service."""
        return self.accounts

    def connect(self, new: Any, by: Any = None, *, most: int | None = None) -> TradingAccount:
        """Connect an account, like the real service."""
        return self.accounts[0]


class ServiceOfBaseline:
    """The same service, as the FastAPI app calls it."""

    def list(self, user_id: str) -> list[Any]:
        """Return a user's keys."""
        return [app.KeyAnswer.model_validate(found) for found in service.of(user_id)]

    def connect(self, user_id: str, body: Any) -> Any:
        """Connect a key."""
        new = body.as_connection("63d3aa7c-0000-4000-8000-000000000000", user_id)
        return app.KeyAnswer.model_validate(service.connect(new))


service = Service()


def baseline(path: str) -> Handler:
    """Return the FastAPI app with Purser's models."""
    spec = importlib.util.spec_from_file_location("baseline", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Handler = module.create(app.NewKey, app.KeyAnswer, app.KeyList, ServiceOfBaseline())
    return handler


def cpu(handler: Handler, event: Any, requests: int) -> float:
    """Return the CPU seconds of one request."""
    context = Context(time.monotonic() + 60)
    began = time.process_time()
    for _ in range(requests):
        handler(event, context)
    return (time.process_time() - began) / requests


def pairs(purser: Handler, fastapi: Handler, event: Any, count: int, requests: int) -> list[list[float]]:
    """Measure both in turns, after a warm-up in which both must give the same answer."""
    answers = [handler(event, Context(time.monotonic() + 60)) for handler in (purser, fastapi)]
    assert [answer["statusCode"] for answer in answers] == [200, 200], answers
    assert json.loads(answers[0]["body"]) == json.loads(answers[1]["body"]), answers
    for handler in (purser, fastapi):
        cpu(handler, event, requests)
    return [[cpu(purser, event, requests), cpu(fastapi, event, requests)] for _ in range(count)]


def main() -> None:
    """Run the measurement."""
    given = json.load(sys.stdin)
    app.trading_accounts = lambda: service
    fastapi = baseline(given["fastapi"])
    measured = {
        name: pairs(app.handler, fastapi, event, given["pairs"], given["requests"])
        for name, event in given["events"].items()
    }
    print(json.dumps(measured), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
