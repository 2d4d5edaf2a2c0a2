"""A client of the running system: it reads ``stack.json`` and calls the control endpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from local.doubles.kit import files
from local.errors import LocalError, NotRunning
from local.places import STATE

KEY_HEADER = "X-Control-Key"
CALL_SECONDS = 960  # a minute more than any function may take


class Failed(LocalError):
    """The running system refused. The text is its own."""


class Running:
    """A system that runs with a state ``folder``. ``stack`` has its URLs, names and ids."""

    def __init__(self, state: Path = STATE) -> None:
        """Raise ``NotRunning`` if no system runs with the folder."""
        self.folder = state
        self.stack: dict[str, Any] = files.read(state / "stack.json") or {}
        if not self.stack:
            raise NotRunning("Purser is not running; start it with `make run`.")

    def token(self, user: str) -> str:
        """Return an access token for a demo user, or for the user with an address.

        Raises:
            Failed: there is no such user.
            NotRunning: the system is gone.
        """
        token: str = self._post(f"/tokens/{user}", b"")["accessToken"]
        return token

    def invoke(self, function: str, event: Any) -> dict[str, str]:
        """Run a function and return ``{"output", "error"}``. The error names what went wrong in the function.

        Raises:
            Failed: there is no such function.
            NotRunning: the system is gone.
        """
        result: dict[str, str] = self._post(f"/functions/{function}", json.dumps(event).encode())
        return result

    def post(self, user: str, path: str, body: Any) -> Any:
        """Post to an API as a demo user, and return the answer.

        Raises:
            Failed: the API refused.
            NotRunning: the system is gone.
        """
        headers = {"Authorization": f"Bearer {self.token(user)}", "Content-Type": "application/json"}
        call = Request(self.stack["url"] + path, json.dumps(body).encode(), headers, method="POST")
        try:
            with urlopen(call, timeout=CALL_SECONDS) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise Failed(f"{error.code} {error.read().decode()}") from None

    def _post(self, path: str, body: bytes) -> dict[str, Any]:
        headers = {KEY_HEADER: self.stack["controlKey"], "Content-Type": "application/json"}
        call = Request(self.stack["controlUrl"] + path, body, headers, method="POST")
        try:
            with urlopen(call, timeout=CALL_SECONDS) as answer:
                content: dict[str, Any] = json.load(answer)
                return content
        except HTTPError as error:
            raise Failed(json.load(error)["message"]) from None
        except (URLError, ConnectionError):
            raise NotRunning("Purser is not running; start it with `make run`.") from None
