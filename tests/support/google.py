"""The part of Google's siteverify that Purser uses (https://developers.google.com/recaptcha/docs/verify)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

SECRET = "6LeIxAcTAAAAAGG-vFI1TnRWxMZNFuojJ4WifJWe"


@dataclass
class Google:
    """A siteverify endpoint that knows some tokens and records its requests."""

    url: str = ""
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    broken_with: tuple[int, bytes] | None = None

    def token(self, score: Any = 0.9, age: timedelta = timedelta(), **more: Any) -> str:
        """Return a new token that was solved this long ago."""
        token = f"token-{len(self.tokens)}"
        seen = (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%SZ")
        verdict = {"success": True, "challenge_ts": seen, "hostname": "purser.example", "score": score, "action": "do"}
        self.tokens[token] = verdict | more
        return token

    def verify(self, asked: dict[str, str]) -> dict[str, Any]:
        """Return the verdict on a token, which is valid once."""
        self.asked.append(asked)
        if asked.get("secret") != SECRET:
            return {"success": False, "error-codes": ["invalid-input-secret"]}
        return self.tokens.pop(asked.get("response", ""), {"success": False, "error-codes": ["timeout-or-duplicate"]})

    @contextmanager
    def serve(self) -> Iterator[Google]:
        """Serve siteverify on loopback."""
        google = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                verdict = google.verify({name: values[0] for name, values in form.items()})
                status, body = google.broken_with or (200, json.dumps(verdict).encode())
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
            self.url = f"http://127.0.0.1:{server.server_port}/recaptcha/api/siteverify"
            yield self
            server.shutdown()
