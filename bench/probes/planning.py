"""Plan a run and count its requests. Then make the same requests again, bare.

Read ``{"event": the planner's, "queue": URL of an empty queue}``. Print the requests by operation, the seconds and CPU
seconds of the run, and the seconds of the bare requests. Bare requests are those that can be repeated: pages of the
index, jobs without the progress of their run, and messages.
"""

import copy
import json
import os
import sys
import time
from collections import Counter
from typing import Any

import app

from purser.aws.clients import client

METHODS = {"Query": "query", "TransactWriteItems": "transact_write_items", "SendMessageBatch": "send_message_batch"}


def main() -> None:
    """Run the measurement."""
    given = json.load(sys.stdin)
    services = ("dynamodb", "sqs")
    calls_made: list[tuple[str, str, Any]] = []

    def note(service: str) -> Any:
        return lambda params, model, **_: calls_made.append((service, model.name, copy.deepcopy(params)))

    for service in services:
        client(service).meta.events.register(f"provide-client-params.{service}", note(service), unique_id="count")
    began, cpu = time.perf_counter(), time.process_time()
    answer = app.handler(given["event"], None)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    for service in services:
        client(service).meta.events.unregister(f"provide-client-params.{service}", unique_id="count")
    # Into another queue, because the double of the first has become slower with every message that it holds.
    other = {"sqs": {"QueueUrl": given["queue"]}}
    requests = [
        (service, name, {**params, **other.get(service, {})}) for service, name, params in calls_made if name in METHODS
    ]
    for _, _, params in requests:
        if "TransactItems" in params:
            params["TransactItems"] = [part for part in params["TransactItems"] if "Put" in part]
    # The last transaction stores no jobs, only that the run is planned.
    requests = [request for request in requests if request[2].get("TransactItems") != []]
    began = time.perf_counter()
    for service, name, params in requests:
        getattr(client(service), METHODS[name])(**params)
    bare = time.perf_counter() - began
    counts = Counter(f"{service} {name}" for service, name, _ in calls_made)
    print(json.dumps({"counts": counts, "wall": wall, "cpu": cpu, "bare": bare, "planned": answer["planned"]}))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
