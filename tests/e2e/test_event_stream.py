"""Test that changes made over HTTP appear on the event bus: all of them, nothing else, and in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import requests

from local.client import Running
from local.doubles.binance.client import PaperControl
from tests.support.local_system import eventually

KEYS = "/v1/priv/account/exchange/key"
WALLETS = "/api/v3/fermata/wallet"
Call = Callable[..., Any]


@pytest.fixture
def call(base_url: str) -> Call:
    """Return a function that calls the gateway and returns the JSON of the answer."""

    def ask(method: str, path: str, token: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.request(method, base_url + path, json=body, headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    return ask


@pytest.fixture
def events_of(system: Running) -> Callable[[set[str]], dict[str, list[Any]]]:
    """Return a function that reads the published events of some entities, each event once, in the order of arrival."""

    def look(things: set[str]) -> dict[str, list[Any]]:
        found: dict[str, dict[str, Any]] = {thing: {} for thing in things}
        for line in (system.folder / "events.jsonl").read_text().splitlines():
            event = json.loads(line)
            for thing in things & set(_ids(event["detail"]["data"])):
                found[thing].setdefault(event["detail"]["id"], event)
        return {thing: list(events.values()) for thing, events in found.items()}

    return look


def _ids(data: Mapping[str, Any]) -> list[str]:
    of_transaction = [posting["walletId"] for posting in data.get("postings", [])]
    return [*of_transaction, *(data.get(name, "") for name in ("tradingAccountId", "walletId", "accountID"))]


def kinds(events: list[Any]) -> list[str]:
    return [event["detail-type"] for event in events]


def test_every_change_is_published_once_in_order_and_without_private_data(
    call: Call,
    events_of: Callable[[set[str]], dict[str, list[Any]]],
    paper_url: str,
    new_user: Callable[[str], str],
    tokens: Mapping[str, str],
) -> None:
    user, admin = new_user("PROFESSIONAL"), tokens["admin"]
    paper = PaperControl(paper_url).key(spot={"USDC": "500"})
    body = {"exchangeId": "BINANCE", "strategyType": "MANUAL", "tradeType": "SPOT", "name": "Paper"}
    key = call("POST", KEYS, user, body | {"apiKey": paper["apiKey"], "apiSecretKey": paper["secret"]})["id"]
    call("PUT", f"{KEYS}/{key}", user, {"name": "Renamed"})
    call("PUT", f"{KEYS}/{key}", user, {"active": False})
    call("PUT", f"{KEYS}/{key}", user, {"active": True})
    call("DELETE", f"{KEYS}/{key}", user)

    source, destination = (call("POST", f"{WALLETS}/create", user, {})["data"]["walletId"] for _ in range(2))
    deposit = {"walletId": source, "asset": "USDT", "amount": "100", "externalRef": source}
    call("POST", f"{WALLETS}/deposit", admin, deposit)
    amount = "12.000000000000000001"
    transfer = {"sourceWalletId": source, "destWalletId": destination, "asset": "USDT", "amount": amount}
    call("POST", f"{WALLETS}/transfer", user, transfer)
    call("POST", f"{WALLETS}/freeze", admin, {"walletId": destination})
    call("POST", f"{WALLETS}/unfreeze", admin, {"walletId": destination})

    person = {"name": {"firstName": "Ada", "lastName": "Lovelace"}, "email": "ada@example.com"}
    profile = {"accountType": "individual", "profile": {"individual": person}}
    customer = call("POST", "/accounts", user, profile)["accountID"]
    call("PATCH", f"/accounts/{customer}", user, {"metadata": {"note": "said in confidence"}})
    call("DELETE", f"/accounts/{customer}", user)

    expected = {
        key: ["connected", "renamed", "disabled", "enabled", "disconnected"],
        source: ["wallet.created", "transaction.recorded", "transaction.recorded"],
        destination: ["wallet.created", "transaction.recorded", "wallet.frozen", "wallet.unfrozen"],
        customer: ["account.created", "account.updated", "account.disconnected"],
    }
    expected[key] = [f"trading_account.{change}" for change in expected[key]]

    def published() -> dict[str, list[Any]]:
        found = events_of(set(expected))
        complete = all(len(found[thing]) >= len(events) for thing, events in expected.items())
        return found if complete else {}

    found = eventually(published, what="every event")
    assert {thing: kinds(events) for thing, events in found.items() if thing in (key, customer)} == {
        thing: expected[thing] for thing in (key, customer)
    }
    # Events of a wallet and events of its transactions have no common order.
    for wallet in (source, destination):
        assert sorted(kinds(found[wallet])) == sorted(expected[wallet])
    own = [kind for kind in kinds(found[destination]) if kind.startswith("wallet.")]
    assert own == ["wallet.created", "wallet.frozen", "wallet.unfrozen"]
    (moved,) = [e["detail"]["data"] for e in found[destination] if e["detail-type"] == "transaction.recorded"]
    assert moved["postings"] == [
        {"walletId": source, "asset": "USDT", "amount": f"-{amount}"},
        {"walletId": destination, "asset": "USDT", "amount": amount},
    ]
    everything = json.dumps(found)
    for private in (paper["apiKey"], paper["secret"], "ada@example.com", "Lovelace", "in confidence"):
        assert private not in everything
