"""Snapshots a second of one worker, with the paper exchange, DynamoDB Local and a double of KMS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import artefacts, events
from bench.artefacts import Artefact
from bench.processes import probe, run
from bench.report import Table, times
from bench.world import HOLDINGS, NO_LIMIT, World
from purser.exchanges.ccxt_gateway import ACCOUNT, VENUE_WEIGHT_PER_MINUTE
from purser.exchanges.model import TradeType
from purser.exchanges.pacing import WINDOW, WeightPacer
from purser.settings import Settings
from purser.snapshots.model import ACCOUNTS_A_JOB, Job
from purser.snapshots.reader import READERS

JOBS = 8
LATENCIES_MS = (0, 100)
WORKERS = 2
"""SnapshotWorkerConcurrency of the template."""
HOURS = 2
MANY = 10_000


@dataclass(frozen=True)
class Pace:
    """The time for a number of keys, in seconds and in CPU seconds."""

    keys: int
    wall: float
    cpu: float

    @property
    def per_second(self) -> float:
        """The keys a second."""
        return self.keys / self.wall

    @property
    def cpu_ms(self) -> float:
        """The CPU time of one key in ms."""
        return self.cpu / self.keys * 1000


def measure(world: World, scratch: Path) -> list[Table]:
    """Measure snapshots a second with the pacers wide open, and with the default share of the exchange's limit."""
    open_wide = {"SnapshotWeightPerMinuteSpot": str(NO_LIMIT), "SnapshotWeightPerMinuteFutures": str(NO_LIMIT)}
    worker = artefacts.functions(scratch, {**world.physical, **open_wide})["BalanceSnapshotWorker"]
    rows = [_row(world, worker, latency) for latency in LATENCIES_MS]
    columns = (
        "exchange latency",
        "snapshots / s",
        "bare calls / s",
        "ratio",
        "CPU per snapshot",
        "CPU per bare call",
    )
    return [Table("One snapshot worker, unpaced", columns, rows), _shares()]


def _row(world: World, worker: Artefact, latency: int) -> Sequence[str]:
    jobs = [world.new_job(1), *(world.new_job(ACCOUNTS_A_JOB) for _ in range(JOBS))]
    keys = [world.paper.key(spot=HOLDINGS) for _ in range(JOBS * ACCOUNTS_A_JOB)]
    world.paper.latency(latency)
    try:
        snapshots = _snapshots(world, worker, jobs)
        bare = Pace(len(keys), **probe("bare_calls.py", worker, world.environment, _bare(world, keys)))
    finally:
        world.paper.latency(0)
    return [
        f"{latency} ms",
        f"{snapshots.per_second:.0f}",
        f"{bare.per_second:.0f}",
        times(snapshots.per_second / bare.per_second),
        f"{snapshots.cpu_ms:.1f} ms",
        f"{bare.cpu_ms:.1f} ms",
    ]


def _bare(world: World, keys: Sequence[dict[str, str]]) -> dict[str, object]:
    return {"url": world.paper_url, "keys": keys, "threads": READERS}


def _snapshots(world: World, worker: Artefact, jobs: Sequence[Job]) -> Pace:
    """Return the pace of a warm process. Its first invocation, with a job of one key, does not count."""
    _, first, second = run(worker, world.environment, [events.batch(jobs[:1]), events.batch(jobs[1:])])
    assert second.answer == {"batchItemFailures": []}, second.answer
    return Pace((len(jobs) - 1) * ACCOUNTS_A_JOB, second.wall - first.wall, second.cpu - first.cpu)


def _shares() -> Table:
    """Return what the pacers let through. Their clock is simulated, so no time passes."""
    default = Settings()
    shares = {
        TradeType.SPOT: default.snapshot_weight_per_minute_spot,
        TradeType.FUTURES: default.snapshot_weight_per_minute_futures,
    }
    rows = []
    for kind, share in shares.items():
        weight = ACCOUNT[kind].weight
        per_minute = _paced(share, weight)
        rows.append(
            [
                kind.value,
                f"{weight} of {VENUE_WEIGHT_PER_MINUTE[kind]}",
                str(share),
                f"{per_minute:.0f}",
                f"{per_minute * WORKERS:.0f}",
                f"{MANY / (per_minute * WORKERS):.0f} min",
            ]
        )
    columns = ("trade type", "weight per key", "one worker a minute", "keys / min", "both workers", "10,000 keys")
    return Table("The default share of the venue's weight", columns, rows)


def _paced(share: int, weight: int) -> float:
    """Return the keys a minute that a pacer lets through over some hours."""
    now = 0.0
    keys = 0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    pacer = WeightPacer(share, clock=lambda: now, sleep=sleep)
    while now < HOURS * 60 * WINDOW:
        pacer.spend(weight)
        keys += 1
    return keys / (now / WINDOW)
