"""`python -m local.doubles.binance --port N --state DIR`: the paper exchange as a process of its own."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from local.doubles.binance.exchange import PaperExchange, Served
from local.doubles.kit.process import serve_until_stopped


def main() -> int:
    """Serve until SIGINT or SIGTERM; return 1 when the port or the state is in use."""
    parser = argparse.ArgumentParser(prog="python -m local.doubles.binance", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="loopback port; 0 takes a free one")
    parser.add_argument("--state", required=True, help="directory that keeps its state over restarts")
    options = parser.parse_args()
    return serve_until_stopped("paper exchange", options.port, _serving(options.state, options.port))


@contextmanager
def _serving(state: str, port: int) -> Iterator[Served]:
    with PaperExchange(state) as exchange, exchange.serve(port) as served:
        yield served


if __name__ == "__main__":
    raise SystemExit(main())
