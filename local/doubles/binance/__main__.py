"""`python -m local.doubles.binance --port N --state DIR`: the paper exchange as a process of its own."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from local.doubles.binance.exchange import PaperExchange
from local.doubles.kit.store import StateInUse


def main() -> int:
    """Serves until SIGINT or SIGTERM; 1 with one clear line when the port or the state is taken."""
    parser = argparse.ArgumentParser(prog="python -m local.doubles.binance", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="loopback port; 0 takes a free one")
    parser.add_argument("--state", required=True, help="directory that keeps its state over restarts")
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        exchange = PaperExchange(options.state)
        with exchange.serve(options.port) as served:
            print(f"paper exchange at {served.url}", flush=True)
            stop.wait()
        exchange.close()
    except (OSError, StateInUse) as error:
        print(f"paper exchange cannot start on port {options.port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
