"""The callers of the table, with their tokens and entities, and a set of invalid tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from local.client import Running
from local.cloud.account import client
from local.doubles.binance.client import PaperControl
from tests.e2e.roles.table import SCOPES
from tests.support import local_system
from tests.support.local_system import PASSWORD, subject_of
from tests.support.samples import PLAN, Catalog, Request, Subject
from tests.support.senders import HttpSender
from tests.support.tokens import ELSEWHERE, forged, tampered, unsigned

KEPT_SECONDS = 300  # A token lives three times as long.


@dataclass
class Cast:
    """The callers. ``useless`` has invalid tokens by what is wrong with them."""

    system: Running
    sender: HttpSender
    emails: Mapping[str, str]
    subjects: dict[str, Subject] = field(default_factory=dict)
    useless: dict[str, str] = field(default_factory=dict)
    _tokens: dict[tuple[str, str], tuple[float, str]] = field(default_factory=dict)

    def ask(self, request: Request, token: str) -> tuple[int, dict[str, str], str]:
        """Send a request with or without a token, and return status, headers and text of the answer."""
        asked = Request(request.method, request.path, request.body, "nobody", token)
        status, headers, content = self.sender.raw(asked)
        return status, headers, content.decode()

    def token(self, caller: str, route: str = "") -> str:
        """Return the token of a caller for a route. A machine has only the scope of the route, or all others."""
        if caller == "nobody":
            return ""
        issued_at, token = self._tokens.get((caller, route), (0.0, ""))
        if not token or time.monotonic() - issued_at > KEPT_SECONDS:
            token = self._new_token(caller, route)
            self._tokens[caller, route] = time.monotonic(), token
        return token

    def _new_token(self, caller: str, route: str) -> str:
        if caller in self.emails:
            return self.system.token(self.emails[caller])
        every, needed = set(SCOPES.values()), SCOPES.get(route, "")
        granted = {needed} if needed and caller == "machine" else every - {needed}
        return machine_token(self.system, granted)


def useless_tokens(good: str) -> dict[str, str]:
    """Return invalid tokens by what is wrong with them."""
    promoted: dict[str, Any] = {"cognito:groups": ["admin"]}
    return {
        "nonsense": "nonsense",
        "expired": forged(good, exp=int(time.time()) - 1),
        "tampered": tampered(good, **promoted),
        "unsigned": unsigned(forged(good, **promoted)),
        "of another pool": forged(good, iss=ELSEWHERE),
        "of another client": forged(good, client_id="elsewhere"),
        "an ID token": forged(good, token_use="id"),
    }


def machine_token(system: Running, scopes: set[str]) -> str:
    """Return a token of the machine client with these scopes."""
    known = system.stack["machineClients"][0]
    form = {"grant_type": "client_credentials", "client_id": known["id"], "client_secret": known["secret"]}
    form |= {"scope": " ".join(sorted(scopes))}
    answer = requests.post(f"{system.stack['url']}/oauth2/token", data=form, timeout=60)
    token: str = answer.json()["access_token"]
    return token


@contextmanager
def new_cast(system: Running) -> Iterator[Cast]:
    """Provide new users, a new admin, and the machine client."""
    emails = {caller: local_system.new_user(system, PASSWORD) for caller in ("user", "other", "admin")}
    cognito, pool = client("cognito-idp", system.stack["awsUrl"]), system.stack["resources"]["UserPool"]["Ref"]
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=emails["admin"], GroupName="admin")
    url, paper, catalog = system.stack["url"], PaperControl(system.stack["paperUrl"]), Catalog()
    cast = Cast(system, HttpSender(url, {}), emails)
    senders = [cast.sender]
    cast.useless = useless_tokens(cast.token("user"))
    for caller in (*emails, "machine"):
        token = cast.token(caller)
        sender = HttpSender(url, {"user": token, "admin": cast.token("admin")})
        senders.append(sender)
        cast.subjects[caller] = Subject(sender, subject_of(token), emails.get(caller, ""), PASSWORD, paper, catalog)
    for caller in emails:
        assert cast.subjects[caller].plan == PLAN
    yield cast
    for sender in senders:
        sender.close()
