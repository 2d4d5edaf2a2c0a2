"""The HTTP session that the clients of a gateway share."""

from __future__ import annotations

import logging
import time
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from purser.lanes import DIRECT, Lane

IDLE_LIMIT = 60.0
"""The seconds after which a kept connection is not used again.

A frozen Lambda process wakes up with connections that were dropped long ago. Sending on one fails, and what changes
something must not be sent twice.
"""

SOON_S = 1.0
"""A read whose connection is dropped this soon is sent once more. Later, the caller may have no time for another."""


class SharedSession(requests.Session):
    """The session of an egress lane. It outlives its clients, although ccxt closes the session of every client.

    It keeps ``pool_size`` connections to each host and no cookies. It follows no redirect, which could carry an API key
    to another host. With an ``endpoint``, every request goes there under the same path.
    """

    def __init__(self, endpoint: str = "", pool_size: int = 10, lane: Lane = DIRECT) -> None:
        super().__init__()
        self.trust_env = False
        self.max_redirects = 0
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.mount("https://", _VenueAdapter(endpoint, pool_size, lane))
        # At debug level it logs signed URLs.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

    def close(self) -> None:
        """Do nothing, see the class."""

    def shut_down(self) -> None:
        """Close the connections."""
        super().close()


class _VenueAdapter(HTTPAdapter):
    def __init__(self, endpoint: str, pool_size: int, lane: Lane) -> None:
        self._source = (lane.source, 0) if lane.source else None
        self._proxies = {scheme: lane.proxy for scheme in ("http", "https") if lane.proxy}
        super().__init__(pool_maxsize=pool_size)
        self._endpoint = endpoint.rstrip("/")
        self._last_used = time.time()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, source_address=self._source)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["proxies"] = self._proxies
        self._drop_idle_connections()
        if self._endpoint:
            request.url = self._endpoint + request.path_url
        began = time.monotonic()
        try:
            return super().send(request, *args, **kwargs)
        except requests.ConnectionError:
            if request.method != "GET" or time.monotonic() - began > SOON_S:
                raise
        return super().send(request, *args, **kwargs)

    def _drop_idle_connections(self) -> None:
        # Wall time: the monotonic clock of a frozen process may have stood still.
        now = time.time()
        if now - self._last_used > IDLE_LIMIT:
            for pool in (self.poolmanager, *self.proxy_manager.values()):
                pool.clear()
        self._last_used = now
