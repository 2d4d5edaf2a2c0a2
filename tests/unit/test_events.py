"""The changes of items that are events, the content of events, and their publishing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest

from purser.aws.tables import Item, to_wire
from purser.bootstrap.events import readings
from purser.errors import Unavailable
from purser.events.bus import EventBridge, detail_of
from purser.events.model import Change, Event
from purser.events.service import BATCH, Publisher
from purser.events.streams import follow
from purser.exchanges.model import TradeType
from purser.ledger.model import LIMIT, WalletStatus, moving
from purser.trading_accounts.model import AccountValuation, ApiKeyStatus
from tests.support import event_examples
from tests.support.event_examples import (
    NOW,
    TRANSFER,
    TYPES,
    WRITES,
    account,
    credential,
    customer,
    events_of,
    example,
    transaction,
    wallet,
    written,
)
from tests.support.template import ROOT

DOCUMENT = (ROOT / "docs/events.md").read_text()


def kinds(before: Item | None, after: Item | None) -> list[str]:
    return [event.type for event in events_of(written(before, after))]


def test_every_type_has_an_example() -> None:
    assert set(WRITES) == set(TYPES)
    assert len(TYPES) == len(set(TYPES))


@pytest.mark.parametrize("kind", WRITES)
def test_each_example_produces_its_type(kind: str) -> None:
    assert kinds(*WRITES[kind]) == [kind]


def test_the_documented_examples_are_those_of_the_code() -> None:
    shown = DOCUMENT.partition("## Examples\n\n")[2]
    assert shown == "\n".join(event_examples.documented())


def test_the_documentation_lists_every_type() -> None:
    table = [line for line in DOCUMENT.splitlines() if line.startswith("| `")]
    assert {name for line in table for name in re.findall(r"`([a-z_]+\.[a-z]+)`", line)} == set(TYPES)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (account(), account(valuation=AccountValuation(Decimal(5), NOW), updated_at=NOW + 1)),
        (account(), account(api_key_status=ApiKeyStatus.FAILED)),
        (account(), account() | {"version": Decimal(2)}),
        (None, account() | {"SK": "ENDED#1"}),
        (None, {"PK": "USER#1", "SK": "USER", "version": Decimal(1)}),
        (None, {"PK": "APIKEY#BINANCE#1", "SK": "CLAIM"}),
        (None, {"PK": "APIKEY#BINANCE#1", "SK": "CANCELLING#SPOT"}),
        (None, {"PK": "CANCELLATIONS", "SK": "1"}),
        (None, {"PK": "USER#1", "SK": "FOLLOW#1#BTC"}),
        (None, {"PK": "USER#1", "SK": "OPERATION#1"}),
        (credential(), credential(lastVerifiedAt=1)),
        (wallet(), wallet(version=2, closing_until=NOW)),
        (wallet(status=WalletStatus.FROZEN, freezing=True), wallet(status=WalletStatus.FROZEN)),
        (wallet(status=WalletStatus.CLOSED), None),
        (None, {"PK": "LANES#1#00", "SK": "OWN"}),
        (None, {"PK": "ENTRIES#1#00", "SK": "1#2#3"}),
        (None, {"PK": "KEY#origin", "SK": "KEY"}),
        (transaction(), None),
        (None, {"PK": "OWNER#1", "SK": "CUSTOMER#1#2"}),
        (None, {"PK": "OWNER#1", "SK": "FOREIGN#1"}),
        (None, {"PK": "USER#1", "SK": "PROFILE"}),
        (customer(), customer()),
        (customer(), None),
    ],
)
def test_internal_changes_are_not_events(before: Item | None, after: Item | None) -> None:
    assert kinds(before, after) == []


def test_one_write_can_be_two_events() -> None:
    both = kinds(account(name="Old"), account(active=False))
    assert both == ["trading_account.renamed", "trading_account.disabled"]


def test_a_key_accepted_again_publishes_the_state_its_user_chose() -> None:
    refused = account(active=False, api_key_status=ApiKeyStatus.UNAUTHORIZED)
    assert kinds(refused, account()) == ["trading_account.enabled"]
    assert kinds(refused, account(active=False)) == ["trading_account.disabled"]
    assert kinds(refused, account(active=False, api_key_status=ApiKeyStatus.FAILED)) == ["trading_account.disabled"]
    assert kinds(account(), account(api_key_status=ApiKeyStatus.UNAUTHORIZED)) == ["trading_account.unavailable"]


def test_a_futures_account_has_the_type_margin() -> None:
    (event,) = events_of(written(None, account(trade_type=TradeType.FUTURES)))
    assert event.data["accountType"] == "MARGIN"


def test_a_credential_without_a_stored_status_is_active() -> None:
    (event,) = events_of(written(None, credential()))
    assert (event.data["status"], event.data["credentialType"]) == ("ACTIVE", "API_KEY")
    assert kinds(credential(), credential(status="ACTIVE", credentialType="HMAC", nickname="Desk")) == []
    assert kinds(credential(), credential(status="REVOKED")) == ["credential.revoked"]


def test_a_rotation_can_also_activate_a_credential() -> None:
    before, after = credential(status="EXPIRED"), credential(status="ACTIVE", ciphertext=b"new")
    assert kinds(before, after) == ["credential.rotated", "credential.activated"]


@pytest.mark.parametrize("amount", ["99999999999999999999.999999999999999999", "1E+19", "0.000000000000000001"])
def test_amounts_keep_every_digit_and_have_no_exponent(amount: str) -> None:
    postings = moving("a", "b", "BTC", Decimal(amount))
    exact = TRANSFER.__class__(TRANSFER.id, TRANSFER.type, postings, NOW, f"{NOW}.1")
    assert Decimal(amount) < LIMIT
    (event,) = events_of(written(None, transaction(exact)))
    shown = [posting["amount"] for posting in event.data["postings"]]
    assert shown == [f"-{Decimal(amount):f}", f"{Decimal(amount):f}"]
    assert all(re.fullmatch(r"-?\d+(\.\d+)?", text) for text in shown)


ALLOWED = {
    "trading_account": {
        "tradingAccountId", "userId", "venue", "credentialId", "accountType", "strategyType", "name", "status",
        "createdAt", "updatedAt",
    },
    "credential": {"credentialId", "userId", "venue", "credentialType", "status", "createdAt"},
    "wallet": {
        "walletId", "userId", "walletType", "status", "allowNegative", "accountID", "createdAt", "updatedAt",
    },
    "transaction": {"transactionId", "type", "postings", "reverses", "createdAt"},
    "account": {"accountID", "ownerId", "accountType", "createdOn", "updatedOn", "disconnectedOn"},
    "signal": {
        "signalId", "strategyId", "source", "status", "reason", "action", "side", "closes", "stampedAt", "receivedAt",
        "duplicateOf",
    },
    "strategy_mode": {"strategyId", "mode", "changedAt"},
    "trading_mode": {"mode", "changedAt"},
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
def test_an_event_has_only_documented_fields(kind: str) -> None:
    assert example(kind).data.keys() <= ALLOWED[kind.partition(".")[0]]


# Attributes that the code reads, and that therefore cannot be replaced; none of them is a secret.
READ = {
    "PK", "SK", "tradingAccountId", "userId", "venue", "tradeType", "strategyType", "name", "active", "apiKeyStatus",
    "credentialId", "createdAt", "updatedAt", "status", "credentialType", "walletId", "ownerId", "walletType",
    "allowNegative", "accountId", "transactionType", "postings", "sequence", "reverses", "customerId", "accountType",
    "disconnectedAt", "version", "revision", "source", "reason", "action", "direction", "closes", "stampedAt",
    "receivedAt", "duplicateOf", "mode", "modeSetAt",
}  # fmt: skip
PLANTED = "planted-secret"


def planted(item: Item | None) -> Item | None:
    """Return an item with secrets in all attributes that events do not name, and in unknown ones."""
    if item is None:
        return None
    spoilt: Item = {name: value if name in READ else _spoilt(value, name) for name, value in item.items()}
    unknown = ("apiSecret", "passphrase", "governmentID", "metadata", "profile", "apiKey", "ciphertext", "nickname")
    spoilt |= {name: f"{PLANTED} {name}" for name in unknown}
    if "postings" in spoilt:
        spoilt["postings"] = [posting | {"memo": PLANTED} for posting in spoilt["postings"]]
    return spoilt


def _spoilt(value: Any, name: str) -> Any:
    return {PLANTED: {PLANTED: PLANTED}} if isinstance(value, dict) else f"{PLANTED} {name}"


@pytest.mark.parametrize("kind", TYPES)
def test_no_secret_of_an_item_gets_into_an_event(kind: str) -> None:
    before, after = WRITES[kind]
    if kind == "credential.rotated":
        before = before and before | {"ciphertext": "before"}
        events = events_of(written(before, planted(after)))
    else:
        events = events_of(written(planted(before), planted(after)))
    assert kind in [event.type for event in events]
    assert PLANTED not in repr([(event.type, event.id, detail_of(event)) for event in events])


def test_events_have_stable_unique_ids() -> None:
    first, again = (events_of(written(account(name="Old"), account(active=False), 7)) for _ in range(2))
    other = events_of(written(account(name="Old"), account(active=False), 8))
    assert [event.id for event in first] == [event.id for event in again]
    assert len({event.id for event in [*first, *other]}) == 4


class FakeBus:
    """A bus that refuses the events ``refusing`` by id, and is down after ``away_after`` calls."""

    def __init__(self) -> None:
        self.taken: list[Event] = []
        self.calls: list[list[Event]] = []
        self.refusing: set[str] = set()
        self.away_after: int | None = None

    def put(self, events: Sequence[Event]) -> Sequence[Event]:
        if self.away_after is not None and len(self.calls) >= self.away_after:
            raise Unavailable
        self.calls.append(list(events))
        refused = [event for event in events if event.id in self.refusing]
        self.taken += [event for event in events if event not in refused]
        return refused


class FakeTelemetry:
    def __init__(self) -> None:
        self.reported: list[Any] = []

    def unreadable(self, change: Change, error: Exception) -> None:
        self.reported.append((change.sequence, type(error)))

    def delayed(self, count: int) -> None:
        self.reported.append(count)


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
def telemetry() -> FakeTelemetry:
    return FakeTelemetry()


@pytest.fixture
def publisher(bus: FakeBus, telemetry: FakeTelemetry) -> Publisher:
    return Publisher(bus, telemetry, readings())


def many(count: int) -> list[Change]:
    """Return the changes that create this many wallets."""
    items = (wallet(id=str(i)) for i in range(count))
    return [written(None, item, i) for i, item in enumerate(items)]


def test_events_are_sent_in_batches_of_ten(publisher: Publisher, bus: FakeBus, telemetry: FakeTelemetry) -> None:
    assert publisher.publish(many(25)) is None
    assert [len(call) for call in bus.calls] == [10, 10, 5]
    assert [event.data["walletId"] for event in bus.taken] == [str(i) for i in range(25)]
    assert telemetry.reported == []


def test_events_of_one_item_are_never_in_the_same_request(publisher: Publisher, bus: FakeBus) -> None:
    states = [WalletStatus.ACTIVE, WalletStatus.FROZEN, WalletStatus.ACTIVE, WalletStatus.CLOSED]
    images = [None, *(wallet(status=status) for status in states)]
    changes = [written(before, after, i) for i, (before, after) in enumerate(pairwise(images))]
    assert publisher.publish(changes) is None
    assert [[event.type for event in call] for call in bus.calls] == [
        ["wallet.created"],
        ["wallet.frozen"],
        ["wallet.unfrozen"],
        ["wallet.closed"],
    ]


def test_internal_changes_are_not_sent(publisher: Publisher, bus: FakeBus) -> None:
    assert publisher.publish([written(account(), account(updated_at=NOW + 1))]) is None
    assert bus.calls == []


def test_publishing_resumes_at_the_first_refused_event(
    publisher: Publisher, bus: FakeBus, telemetry: FakeTelemetry
) -> None:
    changes = many(25)
    bus.refusing = {events_of(changes[13])[0].id}
    assert publisher.publish(changes) == changes[13].sequence
    assert len(bus.calls) == 2
    assert telemetry.reported == [12]
    bus.refusing = set()
    assert publisher.publish(changes[13:]) is None
    assert {event.data["walletId"] for event in bus.taken} == {str(i) for i in range(25)}


def test_events_are_sent_again_after_an_outage_of_the_bus(publisher: Publisher, bus: FakeBus) -> None:
    changes = many(25)
    bus.away_after = 1
    assert publisher.publish(changes) == changes[BATCH].sequence
    bus.away_after = None
    assert publisher.publish(changes[BATCH:]) is None
    assert [event.data["walletId"] for event in bus.taken] == [str(i) for i in range(25)]


def test_an_unreadable_change_blocks_only_later_ones(
    publisher: Publisher, bus: FakeBus, telemetry: FakeTelemetry
) -> None:
    changes = many(5)
    broken = wallet(id="broken")
    del broken["ownerId"]
    changes[3] = written(None, broken, 3)
    assert publisher.publish(changes) == changes[3].sequence
    assert [event.data["walletId"] for event in bus.taken] == ["0", "1", "2"]
    assert telemetry.reported == [(changes[3].sequence, KeyError)]


class EventBridgeDouble:
    """Answers like EventBridge, entry by entry; ``plan`` has the entries to refuse for each call."""

    def __init__(self, plan: Sequence[set[int]]) -> None:
        self.plan = list(plan)
        self.requests: list[list[dict[str, Any]]] = []

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - EventBridge's own name
        refused = self.plan[len(self.requests)] if len(self.requests) < len(self.plan) else set()
        self.requests.append(Entries)
        answers = [
            {"ErrorCode": "ThrottlingException"} if i in refused else {"EventId": str(i)} for i in range(len(Entries))
        ]
        return {"FailedEntryCount": len(refused), "Entries": answers}


def put(double: EventBridgeDouble, events: Sequence[Event]) -> Sequence[Event]:
    with patch("purser.events.bus.client", lambda _: double), patch("purser.events.bus.backoff"):
        return EventBridge("the-bus").put(events)


def created(count: int) -> list[Event]:
    return [event for change in many(count) for event in events_of(change)]


def test_entries_refused_by_eventbridge_are_sent_again_alone() -> None:
    double = EventBridgeDouble([{1, 3}, {1}])
    assert put(double, created(4)) == []
    sent = [[json.loads(e["Detail"])["data"]["walletId"] for e in request] for request in double.requests]
    assert sent == [["0", "1", "2", "3"], ["1", "3"], ["3"]]


def test_entries_that_eventbridge_keeps_refusing_are_returned() -> None:
    events = created(4)
    assert put(EventBridgeDouble([{2}, {0}, {0}, {0}]), events) == [events[2]]


def test_an_entry_has_source_type_time_and_bus() -> None:
    double = EventBridgeDouble([])
    (event,) = created(1)
    put(double, [event])
    ((entry,),) = double.requests
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == ("purser", "wallet.created", "the-bus")
    assert entry["Time"].timestamp() * 1000 == event.time
    assert json.loads(entry["Detail"]) == detail_of(event)


def test_a_stream_record_is_read_with_every_digit() -> None:
    (record,) = json.loads((ROOT / "events/event_publisher.json").read_text())["Records"]
    exact = "-99999999999999999999.999999999999999999"
    record["dynamodb"]["NewImage"]["exact"] = {"N": exact}
    seen: list[Change] = []

    def publish(changes: Iterable[Change]) -> str | None:
        seen.extend(changes)
        return seen[0].sequence

    named = record["dynamodb"]["SequenceNumber"]
    assert follow({"Records": [record]}, publish) == {"batchItemFailures": [{"itemIdentifier": named}]}
    (change,) = seen
    assert (change.id, change.sequence, change.time) == (record["eventID"], named, 1767312301000)
    assert change.before is not None
    assert change.after is not None
    assert change.before["status"] == "ACTIVE"
    assert change.after["exact"] == Decimal(exact)
    assert follow({"Records": []}, lambda changes: None if not list(changes) else "left") == {"batchItemFailures": []}


BROKEN = {"unknown type": {"X": "1"}, "lossy number": {"N": "1" * 40}, "not a type": {}}


def record_of(before: Item | None, after: Item | None, broken: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a write as a stream record, with broken attributes in both images."""
    images = {"OldImage": before, "NewImage": after}
    wire = {name: {**to_wire(item), **(broken or {})} for name, item in images.items() if item}
    return {
        "eventID": "1",
        "dynamodb": {"SequenceNumber": "17", "ApproximateCreationDateTime": NOW // 1000, **wire},
    }


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("kind", WRITES)
def test_a_broken_attribute_that_is_in_no_event_blocks_nothing(
    publisher: Publisher, bus: FakeBus, telemetry: FakeTelemetry, kind: str, broken: dict[str, Any]
) -> None:
    before, after = WRITES[kind]
    unrelated = {"unrelated": broken, "metadata": broken, "details": broken, "readingUsd": broken, "origin": broken}
    unrelated |= {"nickname": broken, "accountIds": broken, "apiKey": broken, "expiresAt": broken}
    assert follow({"Records": [record_of(before, after, unrelated)]}, publisher.publish) == {"batchItemFailures": []}
    assert ([event.type for event in bus.taken], telemetry.reported) == ([kind], [])


def test_a_broken_item_that_makes_no_events_blocks_nothing(publisher: Publisher, telemetry: FakeTelemetry) -> None:
    item = {"PK": "USER#1", "SK": "USER"}
    record = record_of(None, item, {name: BROKEN["unknown type"] for name in account() if name not in item})
    assert follow({"Records": [record]}, publisher.publish) == {"batchItemFailures": []}
    assert telemetry.reported == []


def test_a_broken_attribute_of_an_event_blocks_later_ones(
    publisher: Publisher, bus: FakeBus, telemetry: FakeTelemetry
) -> None:
    record = record_of(None, wallet(), {"ownerId": BROKEN["unknown type"]})
    assert follow({"Records": [record]}, publisher.publish) == {"batchItemFailures": [{"itemIdentifier": "17"}]}
    assert (bus.taken, telemetry.reported) == ([], [("17", TypeError)])


def test_events_are_read_without_the_code_of_stores() -> None:
    """The publisher starts sooner, and no store can make an item unreadable."""
    code = "import sys; from purser.bootstrap.events import readings; readings(); print(*sys.modules)"
    path = str(ROOT / "layers/core")
    command = [sys.executable, "-c", code]
    modules = subprocess.run(
        command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "purser.trading_accounts.events" in modules
    assert [name for name in modules if name == "boto3" or ".store" in name or name.startswith("purser.aws")] == []


def test_items_are_recognized_by_key_prefix() -> None:
    assert {(item["PK"].partition("#")[0], item["SK"].partition("#")[0]) for _, item in WRITES.values() if item} == set(
        readings()
    )
