"""Faults of the paper exchange: a refusal, an outage, a connection that drops before or after the work."""

from __future__ import annotations

from dataclasses import dataclass

from local.doubles.binance.futures import FuturesDesk
from local.doubles.binance.wire import WireError
from local.doubles.kit.faults import DROPS, is_below

BODIES = ("html", "empty", "truncated")
"""Bodies of a proxy before the exchange. The work was done, but they do not report it."""

KINDS = ("http_503", "http_503_after", "hide", "lag", "rate_limit", "reject", "slow", *DROPS, *BODIES)
DEFAULT_SLOW_MS = 1000


@dataclass
class Fault:
    """A fault for the next `times` requests that match, after `skip` of them."""

    path: str
    times: int
    kind: str
    code: int | None = None
    api_key: str | None = None
    method: str | None = None
    delay_ms: int = 0
    skip: int = 0
    retry_after: int = 1
    past: FuturesDesk | None = None
    """The account that readings of a ``lag`` show, as it was when the fault was armed.

    Look-ups of conditional orders missed open ones for over half an hour, and cancelling them by id was refused
    (freqtrade#12681). For positions the vendor's documentation advises its stream "to meet your timeliness and accuracy
    needs" ("Position Information V3").
    """

    def matches(self, method: str, path: str, api_key: str) -> bool:
        """Return whether a request matches: its path or a path above it, and its key and method if given."""
        if self.past is not None and not (method == "GET" and path.startswith("/fapi/")):
            return False
        return is_below(path, self.path) and self.api_key in (None, api_key) and self.method in (None, method)

    def refusal(self, futures: bool) -> WireError | None:
        """Return the answer in place of the work, or None if the work is done or the connection drops."""
        if self.kind == "http_503":
            return WireError(self.code, None if self.code else "Service Unavailable.", status=503)
        if self.kind == "rate_limit":
            status = 418 if self.code == 418 else 429
            return WireError(-1003, status=status, retry_after=self.retry_after)
        if self.kind == "hide" and not self.hides_list:
            return WireError(-2011 if self.method == "DELETE" else -2013)
        if self.kind == "reject":
            return WireError(self.code or (-2019 if futures else -2010))
        return None

    def spoiled(self, body: bytes) -> bytes:
        """Return the body that the client receives in place of this one."""
        if self.kind == "html":
            return b"<html><body><h1>Access Denied</h1></body></html>"
        return b"" if self.kind == "empty" else body[: len(body) // 2]

    @property
    def hides_list(self) -> bool:
        """True if a list of orders is shown empty."""
        return self.kind == "hide" and self.path.endswith("Orders")

    @property
    def late_refusal(self) -> WireError | None:
        """The error that is answered although the work was done.

        "Unknown error" of a 503 means that the execution is unknown ("HTTP Return Codes", general info of USDⓈ-M).
        """
        if self.kind != "http_503_after":
            return None
        return WireError(None, "Unknown error, please check your request or try again later.", status=503)
