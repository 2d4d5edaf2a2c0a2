"""The log lines of the reconciler of orders."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from purser.exchanges.model import ApiCredential
from purser.orders.intent_runner import IntentRunner
from purser.orders.intents import Intent, OrderLock
from purser.orders.placing import Placement
from purser.orders.reconciling import Reconciler
from purser.orders.telemetry import PowertoolsOrderTelemetry
from purser.trading_accounts.model import TradingAccount
from tests.support.crashes import Scissors
from tests.support.fakes import FakeClock
from tests.support.intents import FakeIntents
from tests.support.logs import logs


class BrokenAccess:
    def get(self, user_id: str, trading_account_id: str) -> tuple[TradingAccount, ApiCredential]:
        raise ValueError((user_id, trading_account_id))

    def recording_key_status(self, _: TradingAccount) -> AbstractContextManager[None]:
        return nullcontext()


def never(_: ApiCredential, intent: Intent) -> Placement:
    raise AssertionError(intent)


def test_the_lines_of_an_intent_have_the_id_of_the_request_that_began_it() -> None:
    clock, store = FakeClock(), FakeIntents(Scissors())
    for name, request in (("one", "a request"), ("two", "another request")):
        intent = Intent(name, "user", "account", name, created_at=clock(), updated_at=clock())
        lock = OrderLock("user", "account", name, name, due_at=clock(), correlation_id=request)
        store.begin(intent, lock)
    telemetry = PowertoolsOrderTelemetry("Purser")
    runner = IntentRunner(store, BrokenAccess(), never, telemetry, clock)
    with logs() as written:
        Reconciler(store, runner, telemetry, clock).run(1000)
    lines = [(line["intentId"], line["correlation_id"]) for line in written.lines if "intentId" in line]
    assert lines == [("one", "a request"), ("two", "another request")]
