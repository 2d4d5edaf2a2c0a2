"""Make the least requests of a snapshot: one signed request for each key, as many at once as the worker makes.

Read ``{"url", "keys": [{"apiKey", "secret"}], "threads"}``, and print the seconds and CPU seconds of all requests.
"""

import hashlib
import hmac
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter


def main() -> None:
    """Measure on warm connections."""
    given = json.load(sys.stdin)
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", HTTPAdapter(pool_maxsize=given["threads"]))

    def read(key: dict[str, str]) -> Any:
        query = urlencode({"timestamp": time.time_ns() // 1_000_000})
        signature = hmac.new(key["secret"].encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"{given['url']}/api/v3/account?{query}&signature={signature}"
        answer = session.get(url, headers={"X-MBX-APIKEY": key["apiKey"]}, timeout=10)
        answer.raise_for_status()
        return answer.json()["balances"]

    with ThreadPoolExecutor(given["threads"]) as pool:
        list(pool.map(read, given["keys"][: given["threads"]]))
        began, cpu = time.perf_counter(), time.process_time()
        list(pool.map(read, given["keys"]))
        print(json.dumps({"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
