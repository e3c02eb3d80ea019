"""`bus bench recovery`: how long nothing is delivered after a `kill -9`, of the exchange's worker and of one broker of three.

Five hundred changes a second are published, exchanged and written to a SQLite file. The clock starts with the kill; the figure
is the longest time in which no new change appeared in the file, until all that fell due in the five seconds after the kill is
there. In the end every change is counted, in the grant's topic and in the file.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from consumers.events import ViewEvent
from consumers.grant_reader import GrantReader
from consumers.naming import table_name
from infra.bus.bench import numbered
from infra.bus.bench.roles import kill, roles
from infra.bus.demo.flow import deliveries, drain, wait_exchanged
from infra.bus.latency import percentile
from infra.bus.workers import process
from infra.cluster import behind, up
from infra.control import apply_contract, apply_grant
from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.grant import Grant
from schemas.ids import grant_topic, source_topic
from schemas.text import Text

RATE = 500
GOAL_S = {"exchange": 15.0, "broker": 10.0}
_AFTER_S, _LIMIT_S, _LOOK_S = 5, 90.0, 0.005
_RESOURCE = "bench.recovery"


@dataclass(frozen=True, slots=True)
class Found:
    """Seconds of silence by what was lost, and what became of every change."""

    silence: list[dict[str, Any]]
    count: numbered.Count


def facts(found: Sequence[Found]) -> dict[str, Any]:
    """As it is shown and written."""
    return {
        "silence_s": [row for one in found for row in one.silence],
        "counts": [asdict(one.count) for one in found],
        "events_per_second": RATE,
    }


class Arrivals:
    """The highest number in a subscriber's file, watched from a thread while the block runs."""

    def __init__(self, path: Path, grant: str) -> None:
        self.newest = -1
        self._path, self._table = path, table_name(grant)
        self._times: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="bench-arrivals", daemon=True)

    def silence(self, since: float) -> float:
        """The longest time without anything new, after `since` (`time.perf_counter` seconds) and up to the last arrival."""
        times = [since, *(t for t in self._times if t > since)]
        return max((b - a for a, b in pairwise(times)), default=0.0)

    def wait(self, number: int) -> None:
        """Return when change `number` has arrived. TransientError if it does not within 90 s."""
        deadline = time.monotonic() + _LIMIT_S
        while self.newest < number:
            if time.monotonic() > deadline:
                raise TransientError(
                    Text(
                        f"only change {self.newest} of {number} arrived.", f"仅到达第 {self.newest}/{number} 项变更。"
                    ),
                    where=self._table,
                )
            time.sleep(_LOOK_S)

    def __enter__(self) -> Arrivals:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_S):
            with suppress(sqlite3.OperationalError):  # the deliverer has not made file or table yet
                self._follow()

    def _follow(self) -> None:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as db:
            while not self._stop.wait(_LOOK_S):
                found = db.execute(f'SELECT max(n) FROM "{self._table}"').fetchone()[0]
                if found is not None and found > self.newest:
                    self.newest = int(found)
                    self._times.append(time.perf_counter())


def measure_exchange(settings: Settings, repetitions: int, folder: Path, say: Callable[[str], None]) -> Found:
    """Kill the exchange's worker; its supervisor starts another."""
    with _flow(settings, folder) as flow:
        took = []
        for n in range(repetitions):
            took.append(flow.silence(lambda: _kill_worker(flow.supervisor)))
            say(f"exchange {n + 1}/{repetitions}: nothing delivered for {took[-1]:.1f} s")
    return Found([_row("exchange's worker", "exchange", took)], flow.count)


def measure_broker(settings: Settings, repetitions: int, folder: Path, say: Callable[[str], None]) -> Found:
    """Kill a broker of three that matters in a different way each time, then start it again and wait until its copies are whole."""
    by_role: dict[str, list[float]] = {}
    with _flow(settings, folder) as flow:
        for n in range(repetitions):
            flow.steady()
            now = roles(settings, source_topic(_RESOURCE), grant_topic(flow.grant.id, 1))
            role = list(now)[n % len(now)]
            took = flow.silence(lambda: kill(settings, now[role]))  # noqa: B023 - called at once
            by_role.setdefault(role, []).append(took)
            say(f"broker {n + 1}/{repetitions} ({role}): nothing delivered for {took:.1f} s")
            up(settings.home, tied=True)
            wait_whole(settings)
    every = [t for some in by_role.values() for t in some]
    rows_ = [_row(f"broker: {role}", "broker", took) for role, took in by_role.items()]
    return Found([*rows_, _row("one broker of three", "broker", every)], flow.count)


def wait_whole(settings: Settings, brokers: int = 3) -> None:
    """Return when every partition has a whole copy on each broker. TransientError if that takes longer than 90 s."""
    deadline = time.monotonic() + _LIMIT_S
    while left := behind(settings, brokers):
        if time.monotonic() > deadline:
            raise TransientError(Text("copies are not whole.", "副本未追平。"), where=left[0])
        time.sleep(_LOOK_S * 20)


class _Flow:
    """Publisher, exchange and deliverer at work; `count` is known when they have ended."""

    count: numbered.Count

    def __init__(self, grant: Grant, published: numbered.Published, arrivals: Arrivals, supervisor: int) -> None:
        self.grant, self.supervisor = grant, supervisor
        self._published, self._arrivals = published, arrivals

    def steady(self) -> None:
        """Return when a second's load has passed from end to end."""
        self._arrivals.wait(self._published.acknowledged + RATE)

    def silence(self, act: Callable[[], None]) -> float:
        """Seconds of silence after `act`, done while everything flows."""
        self.steady()
        before, began = self._published.acknowledged, time.perf_counter()
        act()
        self._arrivals.wait(before + _AFTER_S * RATE)
        return self._arrivals.silence(began)


@contextmanager
def _flow(settings: Settings, folder: Path) -> Iterator[_Flow]:
    apply_contract(settings, numbered.contract(_RESOURCE))
    grant = numbered.grant(_RESOURCE)
    apply_grant(settings, grant)
    with process(settings, "infra.bus.main", ["exchange"], folder / "recovery-exchange.log") as supervisor:
        with ExitStack() as open_:
            files = open_.enter_context(deliveries(settings, [grant], settings.home / "sinks"))
            arrivals = open_.enter_context(Arrivals(files[grant.id], grant.id))
            published = open_.enter_context(numbered.publishing(settings, _RESOURCE, RATE))
            flow = _Flow(grant, published, arrivals, supervisor.pid)
            yield flow
        wait_exchanged(settings, [_RESOURCE], _LIMIT_S)
    drain(settings, files)
    flow.count = numbered.count(published.acknowledged, list(released(settings, grant.id)))
    wrong = numbered.wrong_rows(published.acknowledged, rows(files[grant.id], grant.id))
    if wrong:
        raise TransientError(Text(f"{wrong} rows are wrong.", f"{wrong} 行有误。"), where=grant.id)


def released(settings: Settings, grant: str) -> Iterator[tuple[str, int]]:
    """Key and number of everything in a grant's topic."""
    with GrantReader(settings, grant) as reader:
        reader.start()
        while not reader.at_end:
            batch = reader.poll()
            for record in batch.records if batch is not None else ():
                if isinstance(record, ViewEvent) and record.after is not None:
                    yield record.key["id"], record.after["n"]


def rows(path: Path, grant: str) -> dict[str, int]:
    """A subscriber's table."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return dict(db.execute(f'SELECT id, n FROM "{table_name(grant)}"').fetchall())


def _kill_worker(supervisor: int) -> None:
    worker = next(c for c in psutil.Process(supervisor).children(recursive=True) if "--worker" in c.cmdline())
    worker.kill()


def _row(lost: str, kind: str, took: list[float]) -> dict[str, Any]:
    goal = GOAL_S[kind]
    within = f"{sum(t <= goal for t in took)}/{len(took)}"
    return {
        "lost": lost,
        "p50_s": percentile(took, 0.5),
        "max_s": percentile(took, 1.0),
        "goal_s": goal,
        "within_goal": within,
    }
