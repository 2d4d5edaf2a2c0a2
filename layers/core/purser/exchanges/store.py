"""The counters and cooldowns of an address of ours at a venue, on DynamoDB. Its egress lane names it.

    PK                          SK                              what
    VENUE#<venue>#<lane>        <counter>#<end of its period>   the count of the period: ``used``
    VENUE#<venue>#<lane>        COOLDOWN#<market>               the ends of the times without calls
    VENUE#<venue>#<lane>        GATE                            the time of the next permit for past balances

All of them expire (``expiresAt``).
"""

from __future__ import annotations

from contextlib import suppress

from purser.aws.tables import ConditionFailed, Item, Table
from purser.exchanges.budget import Cooldown
from purser.exchanges.model import Venue
from purser.lanes import DIRECT

ADDRESS = DIRECT.name
"""The name of the address of a deployment without egress lanes. Otherwise it is that of its lane."""

COOLDOWN_KEPT_S = 7 * 24 * 3600
"""Longer than a venue bans an address."""

COUNTER_KEPT_S = 3600


def address_pk(venue: Venue = Venue.BINANCE, address: str = ADDRESS) -> str:
    """Return the partition key of an address."""
    return f"VENUE#{venue.value}#{address}"


def cooldown_sk(market: str) -> str:
    """Return the sort key of a market's cooldown."""
    return f"COOLDOWN#{market}"


def cooldown_of(item: Item) -> Cooldown:
    """Return the cooldown in an item, which may be empty."""
    return Cooldown(int(item.get("heldUntil", 0)), int(item.get("closingsHeldUntil", 0)))


class DynamoBudgetStore:
    """The store of a weight budget on DynamoDB, in the Venues table."""

    def __init__(self, table: Table, venue: Venue = Venue.BINANCE, address: str = ADDRESS) -> None:
        self._table = table
        self._pk = address_pk(venue, address)

    def add(self, counter: str, ends_at: int, amount: int, most: int | None = None) -> int | None:
        if most is not None and amount > most:
            return None
        values = {":amount": amount, ":expires": ends_at // 1000 + COUNTER_KEPT_S}
        room = {} if most is None else {":room": most - amount}
        try:
            item = self._table.update(
                self._pk,
                f"{counter}#{ends_at}",
                "ADD used :amount SET expiresAt = :expires",
                values | room,
                condition="attribute_not_exists(used) OR used <= :room" if room else None,
            )
        except ConditionFailed:
            return None
        return int(item["used"])

    def raise_to(self, counter: str, ends_at: int, total: int) -> None:
        with suppress(ConditionFailed):
            self._table.update(
                self._pk,
                f"{counter}#{ends_at}",
                "SET used = :total, expiresAt = :expires",
                {":total": total, ":expires": ends_at // 1000 + COUNTER_KEPT_S},
                condition="attribute_not_exists(used) OR used < :total",
            )

    def cooldown(self, market: str) -> Cooldown:
        return cooldown_of(self._table.get(self._pk, cooldown_sk(market)) or {})

    def start_cooldown(self, market: str, cooldown: Cooldown) -> None:
        ends = {"heldUntil": cooldown.until, "closingsHeldUntil": cooldown.closings_until}
        for name, until in ((name, until) for name, until in ends.items() if until):
            with suppress(ConditionFailed):
                self._table.update(
                    self._pk,
                    cooldown_sk(market),
                    "SET #name = :until, expiresAt = :expires",
                    {":until": until, ":expires": until // 1000 + COOLDOWN_KEPT_S},
                    condition="attribute_not_exists(#name) OR #name < :until",
                    names={"#name": name},
                )
