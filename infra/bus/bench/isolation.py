"""`bus bench isolation`: what one bad subscriber costs the others, on a secured cluster, everybody with its own credentials.

One resource, 500 events a second, four subscribers. The first is measured: publish acknowledged -> row committed in its
PostgreSQL. The others misbehave in turn, each turn between two quiet ones of the same length:
  slow    its database (SQLite) is locked by another program, so that nothing it is given becomes durable
  dead    its deliverer is frozen (SIGSTOP) with its connections open
  greedy  eight clients of it read its whole topic again and again; its quota is 2 MB/s
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.bus.bench import load
from infra.bus.bench.committed import CommittedMeter
from infra.bus.bench.parties import Parties
from infra.bus.demo.flow import exchange
from infra.bus.latency import latencies_ms, percentile, publish_paced
from infra.bus.workers import process
from infra.cluster import Progress
from infra.control import apply_contract
from infra.control.principals import set_quota
from infra.runtime.settings import Settings
from infra.security.quotas import Quota
from producers.publisher import Publisher
from producers.run import now_ms
from schemas.change_event import Row
from schemas.grant import Grant, parse_grant
from schemas.ids import own_groups

RATE = 500
QUOTA_MB = 2.0
_RESOURCE = "bench.isolation"
_BAD = ("slow", "dead", "greedy")
_WARM_UP_S, _LIMIT_S = 5.0, 60.0


def departments() -> list[str]:
    """Everybody who takes part."""
    return [load.contract(_RESOURCE).resource.provider, *map(_subscriber, ("measured", *_BAD))]


@dataclass(slots=True)
class Turn:
    """A stretch of time under one trouble. `time.perf_counter` seconds."""

    trouble: str
    begun: float
    ended: float


@dataclass(slots=True)
class _Stage:
    """What the troubles need: the running deliverers, and where things are."""

    parties: Parties
    folder: Path
    topic: str
    deliverers: dict[str, subprocess.Popen[bytes]]
    files: dict[str, Path]
    greedy_bytes: list[int] = field(default_factory=list)
    greedy_s: float = 0.0


def measure(
    parties: Parties, url: str, rounds: int, turn_s: float, folder: Path, progress: Progress, say: Callable[[str], None]
) -> dict[str, Any]:
    """Latencies by trouble in milliseconds, and those of the quiet turns around them. Raises TransientError where nothing flows."""
    contract = load.contract(_RESOURCE)
    schema_id = apply_contract(parties.control, contract).schema_id
    grants = {name: _grant(name) for name in ("measured", *_BAD)}
    topics = {name: parties.open(grant, contract).topic for name, grant in grants.items()}
    set_quota(parties.control, (_subscriber("greedy"), "main"), Quota(read=QUOTA_MB), progress)
    files = {name: folder / f"isolation-{name}.db" for name in _BAD}
    sinks = {"measured": url} | {name: f"sqlite:{path}" for name, path in files.items()}
    turns: list[Turn] = []
    seconds = _WARM_UP_S + rounds * len(_BAD) * 2 * (turn_s + 1.0) + turn_s + 10.0
    with (
        exchange(parties.exchange, folder / "isolation-exchange.log"),
        _deliverers(parties, grants, sinks, folder) as running,
        CommittedMeter(url) as meter,
    ):
        meter.await_opened([grants["measured"].id], _LIMIT_S)
        publishing = _Publishing(parties.of(contract.resource.provider), schema_id, int(RATE * seconds))
        publishing.start()
        stage = _Stage(parties, folder, topics["greedy"], running, files)
        time.sleep(_WARM_UP_S)
        for _ in range(rounds):
            for trouble in _BAD:
                turns.append(_turn("quiet", turn_s, nullcontext()))
                turns.append(_turn(trouble, turn_s, _trouble(stage, trouble)))
                say(f"{trouble}: done")
        turns.append(_turn("quiet", turn_s, nullcontext()))
        acknowledged = publishing.stop()
        meter.await_events({grants["measured"].id: len(acknowledged)}, _LIMIT_S)
    took = latencies_ms(acknowledged, meter.seen[grants["measured"].id])
    facts = [_facts(trouble, turns, acknowledged, took) for trouble in ("quiet", *_BAD)]
    got = sum(stage.greedy_bytes) / max(stage.greedy_s, 1e-9) / 1e6
    return {
        "latency_ms": facts,
        "events_per_second": RATE,
        "turn_s": turn_s,
        "rounds": rounds,
        "greedy_quota_mb_per_s": QUOTA_MB,
        "greedy_got_mb_per_s": round(got, 2),
    }


def _facts(trouble: str, turns: list[Turn], acknowledged: list[float], took: list[float]) -> dict[str, Any]:
    mine = [t for t in turns if t.trouble == trouble]
    values = [ms for at, ms in zip(acknowledged, took, strict=True) if any(t.begun <= at < t.ended for t in mine)]
    return {
        "trouble": trouble,
        "events": len(values),
        "p50": percentile(values, 0.5),
        "p99": percentile(values, 0.99),
        "max": percentile(values, 1.0),
    }


def _turn(trouble: str, turn_s: float, during: AbstractContextManager[object]) -> Turn:
    with during:
        begun = time.perf_counter()
        time.sleep(turn_s)
        return Turn(trouble, begun, time.perf_counter())


@contextmanager
def _trouble(stage: _Stage, trouble: str) -> Iterator[None]:
    if trouble == "slow":
        with closing(sqlite3.connect(stage.files["slow"], isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            yield
            db.execute("ROLLBACK")
    elif trouble == "dead":
        child = stage.deliverers["dead"]
        os.kill(child.pid, signal.SIGSTOP)
        yield
        os.kill(child.pid, signal.SIGCONT)
    else:
        subscriber, log = _subscriber("greedy"), stage.folder / f"greedy-{len(stage.greedy_bytes)}.log"
        log.unlink(missing_ok=True)
        arguments, began = [stage.topic, own_groups(subscriber) + "greedy"], time.perf_counter()
        with process(stage.parties.of(subscriber), "infra.bus.bench.greedy", arguments, log):
            yield
        stage.greedy_s += time.perf_counter() - began
        stage.greedy_bytes.append(int(log.read_text().strip().splitlines()[-1]))


@contextmanager
def _deliverers(
    parties: Parties, grants: dict[str, Grant], sinks: dict[str, str], folder: Path
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Every department's own `bus deliver`."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                process(
                    parties.of(grant.subscriber),
                    "infra.bus.main",
                    ["deliver", "--grant", grant.id, "--sink", sinks[name]],
                    folder / f"isolation-{name}.log",
                )
            )
            for name, grant in grants.items()
        }


class _Publishing:
    """The provider's own publisher, from a thread, until it is stopped."""

    def __init__(self, settings: Settings, schema_id: int, most: int) -> None:
        self._rows: list[Row] = load.rows(0, most, 0)
        for row in self._rows:
            row["birth"] = dt.date(1970, 1, 1) + dt.timedelta(days=row["birth"])
        self._settings, self._schema_id = settings, schema_id
        self._stop = threading.Event()
        self._acknowledged: list[float] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="bench-publish", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> list[float]:
        """When each event was acknowledged. Raises what publishing raised."""
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._acknowledged

    def _run(self) -> None:
        contract = load.contract(_RESOURCE)
        try:
            with Publisher(self._settings, "bench", contract, self._schema_id, clock=now_ms) as publisher:
                self._acknowledged = publish_paced(
                    publisher, "bench", contract, self._rows, RATE, enough=self._stop.is_set
                )
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._error = error


def _grant(name: str) -> Grant:
    return parse_grant(
        {
            "id": f"{_RESOURCE}.{name}",
            "subscriber": _subscriber(name),
            "resource": _RESOURCE,
            "purpose": "benchmark",
            "basis": "benchmark",
            "fields": {"id_no": "pass", "name": {"mask": "partial", "keep_first": 1}, "phone": "pseudonym"},
            "valid": {"from": "2026-01-01", "until": "2099-12-31"},
        }
    )


def _subscriber(name: str) -> str:
    return f"subscriber-{name}"
