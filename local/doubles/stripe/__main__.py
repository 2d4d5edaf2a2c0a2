"""``python -m local.doubles.stripe --port N --state DIR``: the double as a process of its own."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from local.doubles.kit.process import serve_until_stopped
from local.doubles.stripe.double import Served, StripeDouble


def main() -> int:
    """Serve until SIGINT or SIGTERM; return 1 when the port or the state is in use."""
    parser = argparse.ArgumentParser(prog="python -m local.doubles.stripe", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="loopback port; 0 takes a free one")
    parser.add_argument("--state", required=True, help="directory that keeps its state, and keys.json, over restarts")
    parser.add_argument("--webhook", metavar="URL", help="where every event is sent")
    options = parser.parse_args()
    return serve_until_stopped("stripe double", options.port, _serving(options.state, options.port, options.webhook))


@contextmanager
def _serving(state: str, port: int, webhook: str | None) -> Iterator[Served]:
    with StripeDouble(state) as double:
        if webhook:
            double.send_events_to(webhook)
        with double.serve(port) as served:
            yield served


if __name__ == "__main__":
    raise SystemExit(main())
