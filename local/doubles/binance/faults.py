"""Faults that tests order: a refusal, an outage, a connection that dies before or after the work was done."""

from __future__ import annotations

from dataclasses import dataclass

from local.doubles.binance.wire import WireError

KINDS = ("http_503", "rate_limit", "reject", "timeout_before", "timeout_after", "slow")
DROPS = ("timeout_before", "timeout_after")
DEFAULT_SLOW_MS = 1000


@dataclass
class Fault:
    """One order of trouble for the next `times` calls that it matches, after letting `skip` of them pass."""

    path: str
    times: int
    kind: str
    code: int | None = None
    api_key: str | None = None
    method: str | None = None
    delay_ms: int = 0
    skip: int = 0
    retry_after: int = 1

    def matches(self, method: str, path: str, api_key: str) -> bool:
        """Whether a call is meant: its exact path or one below it, and the key and method when they are named."""
        under = path == self.path or path.startswith(self.path.rstrip("/") + "/")
        return under and self.api_key in (None, api_key) and self.method in (None, method)

    def refusal(self, futures: bool) -> WireError | None:
        """What the exchange answers in the place of doing it; None when it does it (or drops the connection)."""
        if self.kind == "http_503":
            return WireError(self.code, None if self.code else "Service Unavailable.", status=503)
        if self.kind == "rate_limit":
            status = 418 if self.code == 418 else 429
            return WireError(-1003, status=status, retry_after=self.retry_after)
        if self.kind == "reject":
            return WireError(self.code or (-2019 if futures else -2010))
        return None


class FaultBox:
    """The faults that are still to happen."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def take(self, method: str, path: str, api_key: str) -> Fault | None:
        """The fault that this call suffers, counted down; None for none."""
        for fault in self.faults:
            if not fault.matches(method, path, api_key):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times == 0:
                self.faults.remove(fault)
            return fault
        return None
