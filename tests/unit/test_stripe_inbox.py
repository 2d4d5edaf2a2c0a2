"""Accepting webhooks of Stripe: signatures, replays, and what is queued."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from stripe import WebhookSignature

from purser.billing.inbox import LONGEST_BODY, TOLERANCE_S, Inbox
from purser.billing.stripe_signature import StripeSignatures
from purser.errors import MalformedRequest
from tests.support.fakes import FakeQueue, FakeSeen

SECRET = "whsec_of_the_tests"
OTHER = "whsec_of_somebody_else"


class World:
    """The inbox, its queue and a signer."""

    def __init__(self, secret: str = SECRET, api_key: str = "sk_test_1") -> None:
        self.queue = FakeQueue()
        keys = json.dumps({"apiKey": api_key, "webhookSecret": secret}) if secret else ""
        self.seen = FakeSeen()
        self.inbox = Inbox(StripeSignatures(lambda: keys), self.seen, self.queue)

    def send(self, body: Any, *, age: int = 0, secret: str = SECRET) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.inbox.receive(text.encode(), sign(text, age, secret))


def sign(text: str, age: int = 0, secret: str = SECRET) -> str:
    header: str = WebhookSignature.generate_signature_header(text, secret, int(time.time()) - age)
    return header


def event(kind: str = "invoice.paid", customer: Any = "cus_1", **more: Any) -> dict[str, Any]:
    about = {"id": "in_1", "object": "invoice", "customer": customer, "customer_email": "who@example.com"}
    return {"id": "evt_1", "object": "event", "type": kind, "livemode": False, "data": {"object": about}} | more


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    "kind",
    [
        "checkout.session.completed",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "invoice.paid",
        "invoice.payment_failed",
        "charge.refunded",
    ],
)
def test_an_event_queues_its_customer_and_no_personal_data(world: World, kind: str) -> None:
    world.send(event(kind))
    assert world.queue.sent == [{"customerId": "cus_1", "eventId": "evt_1", "type": kind}]


@pytest.mark.parametrize("kind", ["customer.updated", "invoice.created", "payment_intent.succeeded", "unheard.of"])
def test_other_events_are_accepted_and_ignored(world: World, kind: str) -> None:
    world.send(event(kind))
    assert world.queue.sent == []


@pytest.mark.parametrize("customer", [None, "", {"id": "cus_1"}, 5, "c" * 256])
def test_an_event_without_a_customer_is_ignored(world: World, customer: Any) -> None:
    world.send(event(customer=customer))
    assert world.queue.sent == []


def test_an_event_signed_four_minutes_ago_is_accepted(world: World) -> None:
    world.send(event(), age=240)
    assert len(world.queue.sent) == 1


def refused(world: World, body: bytes, header: str) -> None:
    with pytest.raises(MalformedRequest):
        world.inbox.receive(body, header)
    assert world.queue.sent == []


@pytest.mark.parametrize("api_key", ["sk_test_1", "rk_test_1", "sk_live_1", "rk_live_1"])
@pytest.mark.parametrize("livemode", [True, False])
def test_an_event_must_be_of_the_mode_of_the_api_key(api_key: str, livemode: bool) -> None:
    world = World(api_key=api_key)
    if livemode == ("live" in api_key):
        world.send(event(livemode=livemode))
        assert len(world.queue.sent) == 1
        return
    with pytest.raises(MalformedRequest, match="not both of live or both of test mode"):
        world.send(event(livemode=livemode))
    assert world.queue.sent == []


TEXT = json.dumps(event())
FORGED: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "nonsense": lambda: "nonsense",
    "empty values": lambda: "t=,v1=",
    "no signature": lambda: "t=1",
    "another signature": lambda: f"t={int(time.time())},v1=00",
    "not ASCII": lambda: f"t={int(time.time())},v1=ä",
    "another secret": lambda: sign(TEXT, secret=OTHER),
    "just too old": lambda: sign(TEXT, age=301),
    "of yesterday": lambda: sign(TEXT, age=86400),
    "another body": lambda: sign(TEXT + " "),
    "another scheme": lambda: sign(TEXT).replace("v1=", "v0="),
}


@pytest.mark.parametrize("what", FORGED)
def test_unsigned_or_old_events_are_refused(world: World, what: str) -> None:
    refused(world, TEXT.encode(), FORGED[what]())


def test_an_old_signature_with_a_new_time_is_refused(world: World) -> None:
    old = sign(TEXT, age=3600)
    refused(world, TEXT.encode(), f"t={int(time.time())},{old.partition(',')[2]}")


def test_a_replayed_delivery_is_refused_even_with_a_changed_header(world: World) -> None:
    header = sign(TEXT)
    world.inbox.receive(TEXT.encode(), header)
    for again in (header, f"{header},v1=00", header.replace("t=", "t=0"), f"v1=00,{header}"):
        with pytest.raises(MalformedRequest):
            world.inbox.receive(TEXT.encode(), again)
    assert len(world.queue.sent) == 1


def test_a_signature_is_remembered_for_longer_than_it_is_valid(world: World) -> None:
    world.send(event(), age=240)
    (until,) = world.seen.names.values()
    assert until > time.time() - 240 + TOLERANCE_S + 60


def test_an_event_that_stripe_delivers_again_is_accepted(world: World) -> None:
    world.send(event(), age=10)
    world.send(event(), age=9)
    assert len(world.queue.sent) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "5",
        "{",
        "{}",
        '{"id": 5}',
        json.dumps(event(id=5)),
        json.dumps({name: value for name, value in event().items() if name != "livemode"}),
        json.dumps(event(livemode="false")),
        json.dumps(event(id="e" * 256)),
        json.dumps(event() | {"type": None}),
        json.dumps(event() | {"data": {"object": None}}),
        json.dumps(event() | {"data": []}),
        "[" * 100_000,
    ],
)
def test_a_signed_but_invalid_body_is_refused(world: World, text: str) -> None:
    with pytest.raises(MalformedRequest):
        world.send(text)
    assert world.queue.sent == []


def test_a_thin_event_is_refused_with_the_payload_style_that_is_needed(world: World) -> None:
    thin = {"id": "evt_test_65", "object": "v2.core.event", "type": "v1.billing.meter.error_report_triggered"}
    with pytest.raises(MalformedRequest, match="payload style snapshot"):
        world.send(thin | {"related_object": {"id": "mtr_1", "type": "billing.meter"}})
    assert world.queue.sent == []


def test_oversized_bodies_are_refused_before_the_signature_check(world: World) -> None:
    text = json.dumps(event(padding="x" * LONGEST_BODY))
    refused(world, text.encode(), sign(text))


def test_binary_bodies_are_refused(world: World) -> None:
    refused(world, b"\xff\xfe", sign(TEXT))


@pytest.mark.parametrize("secret", ["", " "])
def test_without_a_webhook_secret_every_event_is_refused(secret: str) -> None:
    world = World(secret)
    refused(world, TEXT.encode(), sign(TEXT))
    if secret:
        refused(world, TEXT.encode(), sign(TEXT, secret=secret))
