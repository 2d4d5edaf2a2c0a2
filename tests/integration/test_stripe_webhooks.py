"""Test webhooks, faults, outages and restarts of the Stripe double."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from local.doubles.stripe import ControlRefused, Served, StripeControl, StripeDouble
from local.doubles.stripe.keys import keys_of
from tests.support.local_system import eventually
from tests.support.stripe import Endpoint, Stripe, endpoint

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hook() -> Iterator[Endpoint]:
    with endpoint() as opened:
        yield opened


@pytest.fixture
def stripe_double(hook: Endpoint) -> Iterator[Stripe]:
    with StripeDouble() as double, double.serve() as served:
        hook.secret = double.keys.webhook_secret
        double.send_events_to(hook.url)
        yield Stripe(served)


def test_every_event_is_sent_with_a_signature(stripe_double: Stripe, hook: Endpoint) -> None:
    subscription = stripe_double.subscribe()
    assert stripe_double.control.flush()
    sent_events = stripe_double.events()
    assert sorted(event.id for event in hook.taken) == sorted(event.id for event in sent_events)
    assert {event.pending_webhooks for event in sent_events} == {0}
    created = next(event for event in hook.taken if event.type == "customer.subscription.created")
    assert (created.data.object.id, created.api_version) == (subscription.id, stripe.api_version)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(hook.came[0].body + b" ", hook.came[0].signature, hook.secret)


def test_an_event_has_the_id_and_idempotency_key_of_its_request(stripe_double: Stripe, hook: Endpoint) -> None:
    customer: Any = stripe_double.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "key-1"})
    stripe_double.control.advance(days=1)
    event: Any
    (event,) = stripe_double.events("customer.created")
    assert (event.request.id, event.request.idempotency_key) == (customer.last_response.request_id, "key-1")


def test_an_event_that_is_not_acknowledged_is_sent_again(stripe_double: Stripe, hook: Endpoint) -> None:
    refused: list[str] = []

    def refuse_twice(event: stripe.Event) -> int:
        refused.append(event.id)
        return 500 if refused.count(event.id) < 3 else 200

    hook.answer = refuse_twice
    stripe_double.customer()
    eventually(lambda: hook.taken)
    (event,) = hook.taken
    assert refused == [event.id] * 3


def test_webhook_rules_can_drop_repeat_and_delay_events(stripe_double: Stripe, hook: Endpoint) -> None:
    stripe_double.control.webhooks("drop", "customer.created")
    stripe_double.control.webhooks("repeat", "invoice.paid")
    stripe_double.control.webhooks("delay", "customer.subscription.*", delayMs=300)
    stripe_double.subscribe()
    assert stripe_double.control.flush()
    assert hook.types.count("invoice.paid") == 2
    assert "customer.created" not in hook.types
    assert "customer.subscription.created" in hook.types
    (lost,) = stripe_double.events("customer.created")
    stripe_double.control.resend(lost.id)
    assert stripe_double.control.flush()
    assert hook.types.count("customer.created") == 1


def test_held_events_can_be_released_in_any_order(stripe_double: Stripe, hook: Endpoint) -> None:
    stripe_double.control.webhooks("hold", times=1000)
    stripe_double.subscribe()
    assert not hook.taken
    held = [each["event"] for each in stripe_double.control.call("GET", "/_webhooks")["held"]]
    stripe_double.control.release(held[::-1])
    assert [event.id for event in hook.taken] == held[::-1]


def test_an_endpoint_gets_the_events_that_it_asks_for_until_it_is_deleted(stripe_double: Stripe) -> None:
    with endpoint() as other:
        own_endpoint = stripe_double.v1.webhook_endpoints.create(
            {"url": other.url, "enabled_events": ["customer.updated"]}
        )
        other.secret = own_endpoint.secret or ""
        customer = stripe_double.customer()
        stripe_double.v1.customers.update(customer.id, {"name": "Jenny"})
        assert stripe_double.control.flush()
        assert other.types == ["customer.updated"]
        assert other.taken[0].data.previous_attributes.to_dict() == {"name": None}
        assert not hasattr(stripe_double.v1.webhook_endpoints.retrieve(own_endpoint.id), "secret")
        stripe_double.v1.webhook_endpoints.delete(own_endpoint.id)
        stripe_double.v1.customers.update(customer.id, {"name": "Jane"})
        assert stripe_double.control.flush()
        assert other.types == ["customer.updated"]


def test_faults_make_the_library_raise_the_errors_of_stripe(stripe_double: Stripe) -> None:
    stripe_double.control.fault("http_500", "/v1/customers", method="POST")
    with pytest.raises(stripe.APIError) as broken:
        stripe_double.customer()
    assert broken.value.http_status == 500
    stripe_double.control.fault("rate_limit", skip=1)
    stripe_double.customer()
    with pytest.raises(stripe.RateLimitError):
        stripe_double.customer()
    stripe_double.control.fault("timeout_before", "/v1/customers")
    with pytest.raises(stripe.APIConnectionError):
        stripe_double.customer()
    assert len(stripe_double.v1.customers.list().data) == 1
    with pytest.raises(ControlRefused):
        stripe_double.control.fault("flood")


def test_an_idempotency_key_finds_what_was_created_before_a_timeout(stripe_double: Stripe) -> None:
    stripe_double.control.fault("timeout_after", "/v1/customers", method="POST")
    create = stripe_double.v1.customers.create
    with pytest.raises(stripe.APIConnectionError):
        create({"email": "a@example.com"}, {"idempotency_key": "key-1"})
    (customer,) = stripe_double.v1.customers.list().data
    assert create({"email": "a@example.com"}, {"idempotency_key": "key-1"}).id == customer.id


def test_retries_of_the_library_do_nothing_twice(stripe_double: Stripe) -> None:
    stripe_double.control.fault("timeout_after", "/v1/customers", method="POST", times=2)
    patient = stripe_double.new_client(max_network_retries=3)
    customer = patient.v1.customers.create({"email": "a@example.com"})
    assert [each.id for each in stripe_double.v1.customers.list()] == [customer.id]


def test_a_500_can_be_repeated_for_its_idempotency_key(stripe_double: Stripe) -> None:
    stripe_double.control.fault("http_500", "/v1/customers", kept=True)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            stripe_double.v1.customers.create({}, {"idempotency_key": "key-1"})
    assert stripe_double.v1.customers.create({}, {"idempotency_key": "key-2"}).id


def test_a_500_after_the_work_was_done_is_the_answer_of_its_idempotency_key(stripe_double: Stripe) -> None:
    stripe_double.control.fault("http_500_after", "/v1/customers")
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            stripe_double.v1.customers.create({}, {"idempotency_key": "key-1"})
    assert len(stripe_double.v1.customers.list().data) == 1


def test_an_idempotency_key_is_new_again_after_a_day(stripe_double: Stripe) -> None:
    create = stripe_double.v1.customers.create
    first = create({}, {"idempotency_key": "key-1"})
    stripe_double.control.advance(days=2)
    assert create({}, {"idempotency_key": "key-1"}).id != first.id


def test_a_slow_answer_times_out_at_the_client(stripe_double: Stripe) -> None:
    hasty = stripe_double.new_client(http_client=stripe.RequestsClient(timeout=0.2))
    stripe_double.control.fault("slow", "/v1/prices", delayMs=600)
    with pytest.raises(stripe.APIConnectionError, match=r"(?i)time"):
        hasty.v1.prices.list()


def test_the_double_can_refuse_all_connections_for_a_time(stripe_double: Stripe) -> None:
    stripe_double.control.go_away(2)
    with pytest.raises(stripe.APIConnectionError):
        stripe_double.v1.prices.list()

    def answers() -> bool:
        try:
            return bool(stripe_double.v1.prices.list().data)
        except stripe.APIConnectionError:
            return False

    assert eventually(answers)


def test_a_reset_keeps_plans_and_endpoint(stripe_double: Stripe, hook: Endpoint) -> None:
    stripe_double.subscribe()
    assert stripe_double.control.flush()
    hook.taken.clear()
    stripe_double.control.reset()
    assert not stripe_double.v1.customers.list().data
    assert len(stripe_double.v1.prices.list().data) == 3
    stripe_double.customer()
    assert stripe_double.control.flush()
    assert hook.types == ["customer.created"]


class Process:
    """The double in its own process."""

    def __init__(self, state: Path, webhook: str):
        command = [
            sys.executable,
            "-m",
            "local.doubles.stripe",
            "--port",
            "0",
            "--state",
            str(state),
            "--webhook",
            webhook,
        ]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        url = self._process.stdout.readline().removeprefix("stripe double at ").strip()
        self.stripe = Stripe(Served(url, keys_of(state), StripeControl(url)))

    def end(self, number: int) -> int:
        self._process.send_signal(number)
        code = self._process.wait(10)
        assert self._process.stdout
        self._process.stdout.close()
        return code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_everything_that_was_answered_survives_the_end_of_the_process(
    tmp_path: Path, hook: Endpoint, number: signal.Signals
) -> None:
    hook.secret = keys_of(tmp_path).webhook_secret
    hook.answer = lambda event: 503
    first = Process(tmp_path, hook.url)
    subscription = first.stripe.subscribe()
    first.stripe.control.advance(days=40)
    first.stripe.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "key-1"})
    event_ids = [event.id for event in first.stripe.events()]
    time = first.stripe.control.now()
    assert first.end(number) == (0 if number == signal.SIGTERM else -number)
    hook.answer = lambda event: 200
    second = Process(tmp_path, hook.url)
    assert second.stripe.keys.webhook_secret == hook.secret
    assert second.stripe.control.now() >= time
    assert [event.id for event in second.stripe.events()] == event_ids
    assert [each.status for each in second.stripe.invoices(subscription)] == ["paid", "paid"]
    second.stripe.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "key-1"})
    assert len(second.stripe.v1.customers.list().data) == 2
    assert second.stripe.control.flush()
    assert {event.id for event in hook.taken} == set(event_ids)
    assert second.end(signal.SIGTERM) == 0


def test_the_file_of_keys_is_private_and_stays_the_same(tmp_path: Path) -> None:
    keys = keys_of(tmp_path)
    assert keys_of(tmp_path) == keys
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert keys.secret == {"apiKey": keys.api_key, "webhookSecret": keys.webhook_secret}


def test_a_state_or_port_in_use_is_reported_in_one_line(tmp_path: Path, stripe_double: Stripe) -> None:
    port = stripe_double.url.rpartition(":")[2]
    command = [sys.executable, "-m", "local.doubles.stripe", "--port", port, "--state", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, env=os.environ, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "cannot start" in done.stderr
