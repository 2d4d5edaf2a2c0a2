"""Test signals over HTTP and the event bus: from alert to list."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import requests

from local.client import Running
from local.cloud.account import client
from purser.clock import now_ms
from tests.support.local_system import eventually
from tests.support.signals import alert

SYMBOL = {"name": "Trend", "exchangeId": "BINANCE", "symbol": "SOL/USDT", "signalDefaults": {"stopPercent": 2}}
"""Nobody follows it, and no other test trades its symbol."""


def test_a_signal_is_received_once_however_it_comes(system: Running, base_url: str, tokens: Mapping[str, str]) -> None:
    as_admin = {"Authorization": f"Bearer {tokens['admin']}"}

    def ask(method: str, path: str, body: Any = None) -> Any:
        url = f"{base_url}/v1/admin/strategy{path}"
        answer = requests.request(method, url, json=body, headers=as_admin, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def alerted(body: Mapping[str, Any], id: str) -> requests.Response:
        text = {"Content-Type": "text/plain; charset=utf-8"}
        url = f"{base_url}/v1/pub/webhook/signal/{id}"
        return requests.post(url, data=json.dumps(body), headers=text, timeout=60)

    id = ask("POST", "", SYMBOL)["id"]
    secret = ask("POST", f"/{id}/secret")["secret"]
    body = alert("enter_long", now_ms(), secret=secret, tv_instrument="SOLUSDT.P", trigger_price=None)
    with ThreadPoolExecutor(10) as threads:
        answers = [each.json() for each in threads.map(lambda _: alerted(body, id), range(20))]
    assert Counter(answer["status"] for answer in answers) == {"ACCEPTED": 1, "DUPLICATE": 19}

    wrong, unknown = alerted(body | {"secret": "wrong"}, id), alerted(body, str(uuid4()))
    assert (wrong.status_code, wrong.content) == (unknown.status_code, unknown.content) == (401, wrong.content)
    assert wrong.headers.keys() == unknown.headers.keys()
    assert alerted(body | {"note": "x" * 16_384}, id).status_code == 413

    entry = {
        "EventBusName": system.stack["resources"]["EventBus"]["Ref"],
        "Source": "purser.signals",
        "DetailType": "strategy.signal",
        "Detail": json.dumps({"strategyId": id, "action": "EXIT", "id": "from the bus"}),
    }
    bus = client("events", system.stack["awsUrl"])
    assert bus.put_events(Entries=[entry, entry | {"Source": "somebody.else"}])["FailedEntryCount"] == 0

    def from_the_bus() -> list[Any]:
        return [each for each in ask("GET", f"/{id}/signal/list")["items"] if each["source"] == "EVENT"]

    eventually(lambda: bool(from_the_bus()), what="the signal of the event bus")
    (signal,) = from_the_bus()
    assert (signal["action"], signal["status"]) in {("EXIT", "ACCEPTED"), ("EXIT", "IGNORED")}
