"""``python -m local.doubles.stripe --port N --state DIR``: the double as a process of its own."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from local.doubles.kit.store import StateInUse
from local.doubles.stripe.double import StripeDouble


def main() -> int:
    """Serves until SIGINT or SIGTERM; 1 with one clear line when the port or the state is taken."""
    parser = argparse.ArgumentParser(prog="python -m local.doubles.stripe", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="loopback port; 0 takes a free one")
    parser.add_argument("--state", required=True, help="directory that keeps its state, and keys.json, over restarts")
    parser.add_argument("--webhook", metavar="URL", help="where every event is sent")
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        double = StripeDouble(options.state)
        if options.webhook:
            double.send_events_to(options.webhook)
        with double.serve(options.port) as served:
            print(f"stripe double at {served.url}", flush=True)
            stop.wait()
        double.close()
    except (OSError, StateInUse) as error:
        print(f"stripe double cannot start on port {options.port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
