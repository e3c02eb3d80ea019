"""The benchmarks by name, each from nothing to `.bus/bench/NAME.json`, on clusters of its own."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from infra.bus.bench import (
    approvals,
    delivery,
    exchange,
    grant_change,
    isolation,
    latency,
    many,
    parties,
    policy,
    policy_growth,
    recovery,
    register,
    revocation,
    snapshot,
    soak,
)
from infra.bus.bench.delivery_parquet import parquet_columns_store, parquet_store
from infra.bus.bench.delivery_postgresql import postgresql_store
from infra.bus.throwaway import throwaway_cluster
from infra.bus.throwaway_postgres import postgres_server
from infra.cluster import Progress
from infra.runtime.settings import Settings

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a benchmark works and how it tells.

    folder  its results; what it needed meanwhile is in `folder/work` and is removed before each benchmark
    quick   a tenth of the load, to see that it runs; its figures count for nothing
    full    the load the city has, where the usual one is smaller because that takes long to set up
    minutes of the soak
    """

    folder: Path
    repository: str | None
    progress: Progress
    say: Say
    quick: bool = False
    full: bool = False
    minutes: float = 60

    def cluster(self, name: str, *, secure: bool = False, brokers: int = 1) -> AbstractContextManager[Settings]:
        """Settings of a fresh cluster that ends with the block."""
        root = self.folder / "work" / name
        return throwaway_cluster(root, self.repository, self.progress, secure=secure, brokers=brokers)


def bench_exchange(bench: Bench) -> dict[str, Any]:
    """Ratio of the exchange to a byte copy, with one and with four grants; and 200 resources at one event a second."""
    events, rounds = (50_000, 1) if bench.quick else (500_000, 3)
    found: list[exchange.Round] = []
    for views in (1, 4):
        with bench.cluster(f"exchange-{views}") as settings:
            found += exchange.measure(settings, views, events, rounds, bench.folder / "work" / "logs", bench.say)
    bench.say("200 resources, one event a second each")
    with bench.cluster("many") as settings:
        spread = many.measure(settings, 200, 5 if bench.quick else 30, bench.folder / "work")
    return {
        "ratio_to_copy": exchange.ratios(found),
        "records_per_second": {
            str(v): {
                "copy": round(statistics.median(r.copy for r in found if r.views == v)),
                "exchange": round(statistics.median(r.exchange for r in found if r.views == v)),
            }
            for v in (1, 4)
        },
        "rounds": [{"views": r.views, "copy": round(r.copy), "exchange": round(r.exchange)} for r in found],
        "events": events,
        "release_ms_200_resources": spread,
    }


def bench_latency(bench: Bench) -> dict[str, Any]:
    """Publish acknowledged to row committed in PostgreSQL: one grant, many, and many with a broken one among them."""
    seconds, found = 5 if bench.quick else 30, []
    with postgres_server(durable=True) as database:
        for what in latency.LOADS:
            bench.say(f"{what.name}: {what.resources * what.grants} grants, {what.rate} events a second")
            with bench.cluster("latency") as settings:
                found.append(latency.measure(settings, database.url, what, seconds, bench.folder / "work"))
    return {"committed_ms": found, "seconds": seconds}


def bench_isolation(bench: Bench) -> dict[str, Any]:
    """Latency of one subscriber while another is slow, dead or greedy."""
    rounds, turn_s = (1, 3.0) if bench.quick else (3, 10.0)
    with postgres_server(durable=True) as database, bench.cluster("isolation", secure=True) as settings:
        everybody = parties.secured(settings, isolation.departments(), settings.home / "departments")
        return isolation.measure(
            everybody, database.url, rounds, turn_s, bench.folder / "work", bench.progress, bench.say
        )


def bench_soak(bench: Bench) -> dict[str, Any]:
    """Memory, open files and latency over an hour at half of the capacity."""
    with postgres_server(durable=True) as database, bench.cluster("soak") as settings:
        return soak.measure(
            settings, database.url, 5 if bench.quick else bench.minutes, bench.folder / "work", bench.say
        )


def bench_delivery(bench: Bench) -> dict[str, Any]:
    """Events per second from a grant's topic into each store, as a ratio to a bare loop that writes the same rows."""
    events, rounds = (40_000, 1) if bench.quick else (400_000, 5)
    folder = bench.folder / "work"
    with bench.cluster("delivery") as settings:
        feed = delivery.fill(settings, events, folder, bench.say)
        found: list[dict[str, Any]] = []
        for store in DELIVERY_STORES:
            with store() as place:
                found.append(delivery.measure(settings, feed, place, rounds, folder, bench.say))
    return {"stores": found, "events": events, "rounds": rounds}


DELIVERY_STORES: tuple[Callable[[], AbstractContextManager[delivery.Store]], ...] = (
    postgresql_store,
    parquet_store,
    parquet_columns_store,
)
"""What deliveries are measured into; each starts what it needs and ends it."""


def bench_policy(bench: Bench) -> dict[str, Any]:
    """What each mask and each filter costs, on columns and on rows."""
    return policy.measure(2 if bench.quick else 25)


def bench_revocation(bench: Bench) -> dict[str, Any]:
    """From the command that ends a grant to the last record its subscriber gets, by each way; grant to first record."""
    with bench.cluster("revocation") as settings:
        return revocation.measure(parties.unsecured(settings), _ends(bench), bench.folder / "work", bench.say)


def bench_revocation_secured(bench: Bench) -> dict[str, Any]:
    """The same on a secured cluster: every department with its own credentials, the broker's ACLs taken away with the grant."""
    with bench.cluster("revocation-secured", secure=True) as settings:
        everybody = parties.secured(settings, revocation.departments(), settings.home / "departments")
        return revocation.measure(everybody, _ends(bench), bench.folder / "work", bench.say)


def _ends(bench: Bench) -> int:
    return 5 if bench.quick else 50


def bench_control_plane(bench: Bench) -> dict[str, Any]:
    """The city's catalogue put and searched, a thousand grants in one act, reading the policy at three sizes, and what a grant
    change costs the exchange that runs. The usual size of the last is 200 live resources with 1,000 grants; the full one 1,000
    with 5,000."""
    folder = bench.folder / "work"
    with bench.cluster("register") as settings:
        found = register.measure(settings, folder, 1 if bench.quick else 10, bench.say)
    with bench.cluster("approvals") as settings:
        bulk = approvals.measure(settings, 10 if bench.quick else 100, folder, bench.say)
    with bench.cluster("policy-growth") as settings:
        sizes = policy_growth.SIZES[:1] if bench.quick else policy_growth.SIZES
        growth = policy_growth.measure(settings, sizes, folder, bench.say)
    with bench.cluster("grant-change") as settings:
        resources, changes = (20, 4) if bench.quick else (1_000 if bench.full else 200, 20)
        live = grant_change.measure(settings, resources, changes, folder, bench.say)
    return {"register": found, "approvals": bulk, "reading": growth, "full": bench.full, **live}


def bench_snapshot(bench: Bench) -> dict[str, Any]:
    """A new grant is given two million records (the full load: ten) while another gets 200 events a second."""
    records = 100_000 if bench.quick else 10_000_000 if bench.full else 2_000_000
    with bench.cluster("snapshot") as settings:
        return snapshot.measure(settings, records, bench.folder / "work", bench.say)


def bench_recovery(bench: Bench) -> dict[str, Any]:
    """How long nothing is delivered after the exchange was killed, and after one broker of three was; every change counted."""
    folder, times = bench.folder / "work", 1 if bench.quick else 10
    with bench.cluster("recovery-exchange") as settings:
        found = [recovery.measure_exchange(settings, times, folder, bench.say)]
    with bench.cluster("recovery-broker", brokers=3) as settings:
        found.append(recovery.measure_broker(settings, times, folder, bench.say))
    return recovery.facts(found) | {"load_average": round(os.getloadavg()[1], 1)}


LONG = frozenset({"soak"})
"""Not among `all`: an hour."""

BENCHES: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "soak": bench_soak,
    "policy": bench_policy,
    "exchange": bench_exchange,
    "latency": bench_latency,
    "isolation": bench_isolation,
    "delivery": bench_delivery,
    "revocation": bench_revocation,
    "revocation-secured": bench_revocation_secured,
    "control-plane": bench_control_plane,
    "recovery": bench_recovery,
    "snapshot": bench_snapshot,
}


def run(name: str, bench: Bench) -> dict[str, Any]:
    """Run a benchmark and write its file; what it found, with the machine it was found on."""
    found = BENCHES[name](bench) | {"machine": machine(), "quick": bench.quick}
    path = bench.folder / f"{name}.json"
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(found, indent=2) + "\n")
    draft.replace(path)
    return found


def machine() -> dict[str, Any]:
    """The machine's size."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
