"""The text that ``make run`` prints when the system is ready: its addresses, and who can sign in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from local.demo.people import PASSWORDS, ROLES, email_of
from local.system.home import places
from local.system.machine import PORTS


def welcome(url: str, paper_url: str, stripe_url: str) -> str:
    """Return the text. The lines to paste are the same in bash and zsh."""
    port = int(url.rpartition(":")[2])
    people = [(email_of(name), password, ROLES[name]) for name, password in PASSWORDS.items()]
    where = [(place.name, place.url) for place in places(url, paper_url, stripe_url)]
    sign_in = json.dumps({"email": email_of("demo"), "password": PASSWORDS["demo"]})
    pick = 'import json, sys; print(json.load(sys.stdin)["data"]["accessToken"])'
    return f"""
Purser is ready at {url}

{_columns(where)}

{_columns(people)}

To paste:

  TOKEN=$(curl -s {url}/api/v3/auth/login -H 'Content-Type: application/json' -d '{sign_in}' | python3 -c '{pick}')
  curl '{url}/v1/pub/exchange/ticker?symbol=BTC/USDT'
  curl {url}/v1/priv/account/exchange/key/list -H "Authorization: Bearer $TOKEN"

README.md goes on from here. Ports {port} to {port + PORTS - 1} are reserved. Ctrl-C stops everything.
"""


def _columns(rows: Iterable[Sequence[str]]) -> str:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(f"  {line}".rstrip() for line in lines)
