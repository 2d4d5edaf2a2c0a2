"""Request weight for each address and minute: 429 beyond the limit, 418 for callers that continue.

As at Binance, spot and wallet calls share one budget, and futures calls have another. Daily account snapshots have a
budget of their own. At Binance every wallet endpoint has one, but the others are too light to matter. Funding rates
have one of 500 calls in five minutes. New orders are counted for each account besides.

Sources: "Limits" of the spot REST API, "General Info" of USDⓈ-M futures, and "General Info on Limits" of the wallet
API, all under https://developers.binance.com/docs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from local.doubles.binance.wire import WireError

MINUTE = 60_000
DEFAULT_LIMITS = {"spot": 6000, "futures": 2400, "snapshots": 12_000, "funding": 500}
WINDOWS = {"funding": 5 * MINUTE}
STRIKES_BEFORE_BAN = 5
FIRST_BAN_MS = 120_000
LONGEST_BAN_MS = 3 * 86_400_000


@dataclass(frozen=True)
class OrderLimit:
    """A limit of an account's orders in a window, which a header and `exchangeInfo` name."""

    name: str
    window_ms: int
    most: int
    interval: str
    intervals: int


ORDER_LIMITS = {
    "spot": (OrderLimit("10S", 10_000, 100, "SECOND", 10), OrderLimit("1D", 86_400_000, 200_000, "DAY", 1)),
    "futures": (OrderLimit("10S", 10_000, 300, "SECOND", 10), OrderLimit("1M", MINUTE, 1200, "MINUTE", 1)),
}


@dataclass
class Usage:
    """The usage of one budget by one address: in this window, and since the limits were set."""

    window: int = 0
    weight: int = 0
    strikes: int = 0
    bans: int = 0
    banned_until: int = 0
    total: int = 0
    most: int = 0
    refused: int = 0


class Limits:
    """Counts weight by address and budget (`spot`, `futures` or `snapshots`)."""

    def __init__(self) -> None:
        self.limits = dict(DEFAULT_LIMITS)
        self._usage: dict[tuple[str, str], Usage] = {}
        self._orders: dict[tuple[str, str, str], tuple[int, int]] = {}
        self.disguised_until = 0

    def configure(self, limits: dict[str, int]) -> None:
        """Set limits, and reset all counts."""
        self.limits.update(limits)
        self._usage.clear()
        self._orders.clear()
        self.disguised_until = 0

    def ban_in_disguise(self, until: int) -> None:
        """Ban every address until a time, and refuse signed requests as if their keys were invalid.

        Binance answers some bans of an address so: https://github.com/ccxt/ccxt/issues/11045,
        https://github.com/JKorf/Binance.Net/issues/85.
        """
        self.disguised_until = until

    def check_disguised(self, now: int) -> None:
        """Raise -2015 during a ban in disguise."""
        if now < self.disguised_until:
            raise WireError(-2015)

    def spend(self, ip: str, budget: str, weight: int, now: int) -> tuple[int, WireError | None]:
        """Count a request. Return the weight used this minute, and the refusal: 429 or 418 with the seconds to wait."""
        usage = self._usage.setdefault((ip, budget), Usage())
        if now < usage.banned_until:
            self._strike(usage, now)
            return usage.weight, self._banned(usage, now)
        length = WINDOWS.get(budget, MINUTE)
        window = now // length
        if window != usage.window:
            usage.window, usage.weight, usage.strikes = window, 0, 0
        usage.weight += weight
        if usage.weight <= self.limits[budget]:
            usage.total, usage.most = usage.total + weight, max(usage.most, usage.weight)
            return usage.weight, None
        self._strike(usage, now)
        if now < usage.banned_until:
            return usage.weight, self._banned(usage, now)
        wait = ceil(((window + 1) * length - now) / 1000)
        text = f"Too many requests; current limit of IP({ip}) is {self.limits[budget]} requests per minute."
        return usage.weight, WireError(-1003, text, status=429, retry_after=wait)

    def usage(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return by address and budget: the weight since limits were set, the most in one window, and refusals."""
        shown: dict[str, dict[str, dict[str, int]]] = {}
        for (ip, budget), each in sorted(self._usage.items()):
            counts = {"weight": each.total, "most": each.most, "refused": each.refused}
            shown.setdefault(ip, {})[budget] = counts
        return shown

    def count_orders(self, account: str, budget: str, orders: int, now: int) -> dict[str, int]:
        """Count new orders of an account. Return the counts by window. Raises -1015 beyond a limit.

        A batch counts with its size in ten seconds, and once in a minute.
        """
        counts = {}
        for limit in ORDER_LIMITS[budget]:
            window, before = self._orders.get((account, budget, limit.name), (0, 0))
            added = orders if limit.name == "10S" else 1
            counts[limit.name] = (before if window == now // limit.window_ms else 0) + added
            if counts[limit.name] > limit.most:
                text = f"Too many new orders; current limit is {limit.most} orders per {limit.name}."
                raise WireError(-1015, text, status=429)
        for limit in ORDER_LIMITS[budget]:
            self._orders[account, budget, limit.name] = now // limit.window_ms, counts[limit.name]
        return counts

    def _strike(self, usage: Usage, now: int) -> None:
        """Record a refusal. The first is a warning. Every few more bring a ban, twice as long as the one before."""
        usage.strikes += 1
        usage.refused += 1
        if usage.strikes <= STRIKES_BEFORE_BAN:
            return
        usage.strikes = 1
        usage.banned_until = now + min(FIRST_BAN_MS * 2**usage.bans, LONGEST_BAN_MS)
        usage.bans = min(usage.bans + 1, 12)

    def _banned(self, usage: Usage, now: int) -> WireError:
        text = f"Way too many requests; IP banned until {usage.banned_until}. Please use the websocket to avoid bans."
        return WireError(-1003, text, status=418, retry_after=ceil((usage.banned_until - now) / 1000))
