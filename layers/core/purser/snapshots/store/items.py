"""How snapshots, runs and jobs lie in the Snapshots table.

    PK                      SK                      what
    KEY#<account id>        <YYYY-MM-DD>            a snapshot; it never expires
    RUNS                    <run id>                a run and its counts; ids sort by time
    RUN#<run id>            JOB#<job id>            a job: its pending trading accounts
    VENUE#<venue>           HOLD                    until when the venue is not to be asked
    VENUE#<venue>           TURN                    from when the venue may be asked for past balances again

All but snapshots expire (``expiresAt``). Backfills wait in the Keys table, where the write that connects a trading
account can put them.
"""

from __future__ import annotations

from purser.clock import now_ms
from purser.exchanges.model import Venue

LIFETIME_S = 35 * 24 * 3600


def expiry() -> int:
    """When what is written now expires, in Unix seconds."""
    return now_ms() // 1000 + LIFETIME_S


def cooldown_key(venue: Venue) -> tuple[str, str]:
    """Return the key of the item that says until when the venue must not be asked."""
    return f"VENUE#{venue.value}", "HOLD"


def rate_gate_key(venue: Venue) -> tuple[str, str]:
    """Return the key of the item that says from when the venue may be asked for past balances again."""
    return f"VENUE#{venue.value}", "TURN"
