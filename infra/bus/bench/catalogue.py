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
    exchange,
    grant_change,
    latency,
    many,
    parties,
    policy,
    policy_growth,
    register,
    revocation,
    snapshot,
)
from infra.bus.throwaway import throwaway_cluster
from infra.cluster import Progress
from infra.runtime.settings import Settings

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a benchmark works and how it tells.

    folder  its results; what it needed meanwhile is in `folder/work` and is removed before each benchmark
    quick   a tenth of the load, to see that it runs; its figures count for nothing
    full    the load the city has, where the usual one is smaller because that takes long to set up
    """

    folder: Path
    repository: str | None
    progress: Progress
    say: Say
    quick: bool = False
    full: bool = False

    def cluster(self, name: str, *, secure: bool = False) -> AbstractContextManager[Settings]:
        """Settings of a fresh cluster that ends with the block."""
        return throwaway_cluster(self.folder / "work" / name, self.repository, self.progress, secure=secure)


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
    """Publish acknowledged to row in SQLite, at 500 events a second."""
    with bench.cluster("latency") as settings:
        seconds = 5 if bench.quick else 30
        found = latency.measure(settings, seconds, bench.folder / "work")
    return {"committed_ms": found, "events_per_second": latency.RATE, "seconds": seconds}


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


BENCHES: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "policy": bench_policy,
    "exchange": bench_exchange,
    "latency": bench_latency,
    "revocation": bench_revocation,
    "revocation-secured": bench_revocation_secured,
    "control-plane": bench_control_plane,
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
