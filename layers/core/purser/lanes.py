"""Egress lanes: the addresses from which Purser calls exchanges.

Venues count request weight by address. So each lane has an address and a weight budget of its own, and a 429 closes one
lane only. A trading account always calls through the same lane.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32

WEIGHT = 2400
"""The weight a minute that Binance grants an address for USDⓈ-M futures. For spot it grants 6000."""

LEAST_WEIGHT = 100
"""Half of it, which background work may spend, still has room for the heaviest request (open orders: 40)."""

LONGEST_NAME = 16
FORM = "NAME=address[+address] [via http://proxy:port | from address] [weight n]"


@dataclass(frozen=True, slots=True)
class Lane:
    """A way to exchanges, and the addresses by which they know it.

    Requests go through ``proxy`` (a URL), or leave from the local address ``source``, or just leave. ``weight`` is what
    the lane may spend a minute on futures. A lane without weight is announced to users and not used yet.
    """

    name: str
    addresses: tuple[str, ...] = ()
    proxy: str = ""
    source: str = ""
    weight: int = WEIGHT


DIRECT = Lane("1")
"""The lane of a deployment that names none."""


def lanes_of(text: str) -> tuple[Lane, ...]:
    """Read lanes that are separated by commas. Raises ``ValueError`` for what cannot be meant."""
    lanes = tuple(_lane(part) for part in filter(None, (each.strip() for each in text.split(","))))
    for what, values in (
        ("name", [lane.name for lane in lanes]),
        ("address", [address for lane in lanes for address in lane.addresses]),
    ):
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise ValueError(f"the {what} {twice[0]} is given twice")
    plain = [lane.name for lane in lanes if lane.weight and not lane.proxy and not lane.source]
    if len(plain) > 1:
        raise ValueError(f"lanes {' and '.join(plain)} have no proxy, so that they would leave from the same addresses")
    if lanes and not any(lane.weight for lane in lanes):
        raise ValueError("every lane has weight 0, so nothing could be sent")
    return lanes


def _lane(text: str) -> Lane:
    name, _, rest = text.partition("=")
    addresses, *words = rest.split(" ")
    options = dict(zip(words[::2], words[1::2], strict=False))
    proxy, source, weight = options.pop("via", ""), options.pop("from", ""), options.pop("weight", str(WEIGHT))
    if len(words) % 2 or options or (proxy and source) or not (_is_name(name) and weight.isdecimal()):
        raise ValueError(f"a lane is not {FORM}")
    if not all(_is_address(each) for each in (*addresses.split("+"), source or "0.0.0.0")):  # noqa: S104 - binds nothing
        raise ValueError(f"lane {name} has an address that is none")
    if proxy and not _is_proxy(proxy):
        raise ValueError(f"the proxy of lane {name} is not http://host:port without user and password")
    if 0 < int(weight) < LEAST_WEIGHT:
        raise ValueError(f"the weight of lane {name} is below {LEAST_WEIGHT}; 0 only announces its addresses")
    return Lane(name, tuple(addresses.split("+")), proxy, source, int(weight))


# By hand, because every cold start would pay for compiling a regular expression.


def _is_name(text: str) -> bool:
    return 0 < len(text) <= LONGEST_NAME and all(each.isalnum() or each == "-" for each in text) and text.islower()


def _is_address(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(part.isdecimal() and int(part) <= 255 for part in parts)


def _is_proxy(text: str) -> bool:
    scheme, _, host = text.partition("://")
    name, _, port = host.partition(":")
    return scheme in ("http", "https") and bool(name) and port.isdecimal() and not set(host) & set("@/?#")


def lanes_in_use(lanes: Iterable[Lane]) -> tuple[Lane, ...]:
    """Return the lanes that have weight, or the one of a deployment that names none."""
    return tuple(lane for lane in lanes if lane.weight) or (DIRECT,)


def addresses_of(lanes: Iterable[Lane]) -> list[str]:
    """Return the addresses that users must allow."""
    return [address for lane in lanes for address in lane.addresses]


def lane_of(lanes: Sequence[Lane], key: str) -> Lane:
    """Return the lane of a trading account, or of anything else with a key: the same in every process."""
    return lanes[crc32(key.encode()) % len(lanes)]


def lanes_from(lanes: Sequence[Lane], key: str) -> Sequence[Lane]:
    """Return all lanes, beginning with the one of the key."""
    first = crc32(key.encode()) % len(lanes)
    return [*lanes[first:], *lanes[:first]]
