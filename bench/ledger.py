"""Transfers through the ledger beside bare transactions with as many items, their cost, and pages of a long list."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from bench.report import Table, ms, times
from bench.world import World
from purser.aws.clients import client
from purser.aws.tables import Item, to_wire
from purser.ledger.model import EntryFilter, Wallet
from purser.ledger.store.items import shard_pk
from tests.support.aws import put_items
from tests.support.ledger import ADMIN, Bed, bed, new_table, recorded

CLIENTS = (1, 8, 32)
ROUNDS = 6
SECONDS = 2.5
ENTRIES = 100_000
PAGE = 50


def measure(world: World, scratch: Path) -> list[Table]:
    """Measure the rates side by side, in turns, so that both meet the same load."""
    it = bed(new_table())
    dealer = it.wallet(allow_negative=True)
    return [_rates(it, dealer), _cost(it, dealer), _pages(it)]


def _rates(it: Bed, dealer: Wallet) -> Table:
    rows = []
    for count in CLIENTS:
        callers = [it.wallet() for _ in range(count)]
        transfers = [_transfer(it, dealer, each) for each in callers]
        bare = [_bare(it) for _ in callers]
        for warm_up in (transfers, bare):
            _rate(warm_up, 0.3)
        measured = [(_rate(transfers, SECONDS), _rate(bare, SECONDS)) for _ in range(ROUNDS)]
        service, plain = (sum(rates) / ROUNDS for rates in zip(*measured, strict=True))
        rows.append([f"{count}", f"{service:.0f}", f"{plain:.0f}", times(service / plain)])
    columns = ("clients", "transfers per second", "bare transactions per second", "service ÷ bare")
    return Table("Transfers from one dealer", columns, rows)


def _transfer(it: Bed, dealer: Wallet, counterparty: Wallet) -> Callable[[], object]:
    amount = Decimal("1.5")
    return lambda: it.ledger.transfer(ADMIN, dealer.id, counterparty.id, "USDT", amount)


def _bare(it: Bed) -> Callable[[], object]:
    """Make six puts and two updates of the size of a transfer's, without any condition."""
    name, own = it.table.name, str(uuid.uuid4())
    rest = to_wire({"SK": "S", "text": "x" * 300, "number": Decimal("1.5")})
    updates = [
        {
            "Update": {
                "TableName": name,
                "Key": to_wire({"PK": f"BARE#{own}#{side}", "SK": "S"}),
                "UpdateExpression": "ADD n :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}},
            }
        }
        for side in "ab"
    ]
    numbers = itertools.count()

    def write() -> None:
        number = next(numbers)
        puts = [
            {"Put": {"TableName": name, "Item": {"PK": {"S": f"BARE#{own}#{number}#{i}"}, **rest}}} for i in range(6)
        ]
        client("dynamodb").transact_write_items(TransactItems=[*puts, *updates])

    return write


def _rate(calls: list[Callable[[], object]], seconds: float) -> float:
    """Return the calls a second, with each caller on a thread of its own."""
    until = time.perf_counter() + seconds

    def run(call: Callable[[], object]) -> int:
        done = 0
        while time.perf_counter() < until:
            call()
            done += 1
        return done

    began = time.perf_counter()
    with ThreadPoolExecutor(len(calls)) as threads:
        done = sum(threads.map(run, calls))
    return done / (time.perf_counter() - began)


def _cost(it: Bed, dealer: Wallet) -> Table:
    """Return the requests and the consumed units of one warm transfer and one deposit."""
    counterparty = it.wallet(USDT="1")
    _transfer(it, dealer, counterparty)()
    rows = []
    for name, call in (
        ("transfer", _transfer(it, dealer, counterparty)),
        ("deposit", lambda: it.ledger.deposit(ADMIN, counterparty.id, "USDT", Decimal(1), str(uuid.uuid4()))),
    ):
        with recorded() as asked:
            call()
        items = sum(len(request.get("TransactItems", ())) for _, request in asked)
        # An item of less than 1 KB costs two units in a transaction.
        rows.append([name, f"{len(asked)}", f"{items}", f"{2 * items}"])
    return Table("Cost of a posting", ("posting", "requests", "items written", "write units"), rows)


def _pages(it: Bed) -> Table:
    wallet = it.wallet()
    put_items(it.table.name, _entries(wallet))
    rows = []
    pages: tuple[tuple[str, Callable[[], object]], ...] = (
        ("newest", lambda: it.ledger.entries(ADMIN, wallet.id, limit=PAGE)),
        ("from the middle", lambda: it.ledger.entries(ADMIN, wallet.id, limit=PAGE, before=f"{ENTRIES // 2:013d}")),
        (
            "of an asset never held",
            lambda: it.ledger.entries(ADMIN, wallet.id, EntryFilter("NONE"), limit=PAGE),
        ),
    )
    for name, page in pages:
        with recorded() as asked:
            page()
        began = time.perf_counter()
        for _ in range(20):
            page()
        rows.append([name, f"{len(asked)}", ms((time.perf_counter() - began) / 20)])
    return Table(f"A page of {PAGE} of {ENTRIES:,} entries", ("page", "requests", "time"), rows)


def _entries(wallet: Wallet) -> Iterator[Item]:
    for i in range(ENTRIES):
        yield {
            "PK": shard_pk("ENTRIES", wallet.id, "OWN"),
            "SK": f"{i:013d}.000000#{wallet.id}#0",
            "asset": "USDT",
            "amount": 1,
        }
