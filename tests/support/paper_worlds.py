"""The paper exchange in a separate process. Each of its worlds is a whole exchange in memory with its own port."""

from __future__ import annotations

from contextlib import ExitStack

from local.doubles.binance import PaperExchange
from tests.support.services import serve_worlds

if __name__ == "__main__":
    with ExitStack() as worlds:
        serve_worlds(lambda: worlds.enter_context(worlds.enter_context(PaperExchange()).serve()).url)
