"""The intervals of candles, and the times at which their candles open.

https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Kline-Candlestick-Data
"""

from __future__ import annotations

from datetime import UTC, datetime

from local.doubles.binance.market_info import ONBOARDED
from local.doubles.binance.prices import DAY, MINUTE
from local.doubles.binance.wire import WireError

MINUTES = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "8h": 480, "12h": 720,
    "1d": 1440, "3d": 4320, "1w": 10_080,
}  # fmt: skip
FIRST_MONDAY = 4 * DAY


class Interval:
    """The length of candles: minutes, whole days, or calendar months."""

    def __init__(self, name: str):
        """Raises -1120 for an interval that the exchange does not have."""
        if name not in MINUTES and name != "1M":
            raise WireError(-1120)
        self._length = MINUTES.get(name, 0) * MINUTE
        self._offset = FIRST_MONDAY if name == "1w" else 0

    def start(self, time: int) -> int:
        """Return when the candle of a time opened."""
        if self._length:
            return (time - self._offset) // self._length * self._length + self._offset
        month = datetime.fromtimestamp(time // 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return int(month.timestamp()) * 1000

    def after(self, start: int) -> int:
        """Return when the candle after one opens."""
        return start + self._length if self._length else self.start(start + 32 * DAY)

    def spans(self, since: int | None, until: int, limit: int) -> list[tuple[int, int]]:
        """Return the start and end of candles that open until a time: the first since another, or the latest."""
        if since is None:
            return self._latest(until, limit)
        start = self.start(max(since, ONBOARDED))
        start = self.after(start) if start < since else start
        spans: list[tuple[int, int]] = []
        while start <= until and len(spans) < limit:
            spans.append((start, self.after(start)))
            start = spans[-1][1]
        return spans

    def _latest(self, until: int, limit: int) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        start = self.start(until)
        while start >= ONBOARDED and len(spans) < limit:
            spans.append((start, self.after(start)))
            start = self.start(start - 1)
        return spans[::-1]
