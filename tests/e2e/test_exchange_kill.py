"""The exchange is killed in mid-flow, again and again, and every record is counted."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from consumers.deliver import deliver, deliver_many
from consumers.naming import table_name
from infra.runtime.settings import Settings
from schemas.errors import BusError
from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab, Worker, row, within, worker

_KILLS = 5


@contextmanager
def publishing(lab: Lab, published: list[int]) -> Iterator[threading.Event]:
    """Publish rows 0, 1, 2 … to the lab's partitions in turn until told to stop; `published[0]` counts the acknowledged."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            first = published[0]
            lab.publish([("c", None, row(i)) for i in range(first, first + 100)], (first // 100) % lab.partitions)
            published[0] = first + 100

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join()


def test_five_kills_in_mid_flow_lose_no_event_and_double_none(cluster: Cluster, unique: str, tmp_path: Path) -> None:
    settings = cluster.settings
    lab = Lab(settings, unique)
    lab.apply()
    lab.open(1)
    lab.open(2, where="district = 'a'")
    published = [0]
    sinks = {f"{unique}.g.{n}": f"sqlite:{tmp_path / f'{n}.db'}" for n in (1, 2)}
    exchange = Worker(settings, tmp_path / "worker.log", ["kill-test"])
    exchange.start()
    try:
        with delivering(settings, sinks), publishing(lab, published):
            for _ in range(_KILLS):
                before = lab.committed()[0]
                within(30, lambda: lab.committed()[0] > before)  # noqa: B023 - called at once
                exchange.kill()
                exchange.start()
        lab.settled(40)
    finally:
        exchange.stop()
    expected = {f"k{i}".encode(): 1 for i in range(published[0])}
    assert Counter(key for key, _ in keys(lab, 1)) == expected
    assert Counter(key for key, _ in keys(lab, 2)) == expected
    for grant, sink in sinks.items():
        report = deliver(settings, grant, sink, until="caught_up")
        assert (report.held_events, report.duplicates) == (published[0], 0)
        assert rows_in(sink, grant) == [f"k{i}" for i in sorted(range(published[0]), key=str)]


def test_two_workers_and_a_rebalance_lose_no_event_and_double_none(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    settings = cluster.settings
    lab = Lab(settings, unique, partitions=4)
    lab.apply()
    lab.open(1)
    published = [0]
    with worker(settings, tmp_path / "one.log") as one, worker_later(settings, tmp_path / "two.log") as two:
        with publishing(lab, published):
            within(30, lambda: all(lab.committed(p)[0] > 0 for p in range(4)))
            first = {lab.committed(p)[1].transaction for p in range(4)}
            assert len(first) == 1
            two.start()
            within(30, lambda: '"assigned"' in (tmp_path / "two.log").read_text())
            one.stop()
            within(30, lambda: not {lab.committed(p)[1].transaction for p in range(4)} & first)
        lab.settled(30)  # after the publisher has ended: what it still wrote counts
    assert Counter(key for key, _ in keys(lab, 1)) == {f"k{i}".encode(): 1 for i in range(published[0])}


@contextmanager
def delivering(settings: Settings, sinks: dict[str, str]) -> Iterator[None]:
    """Deliver the grants into their sinks, live, while the block runs."""
    stop = threading.Event()
    outcomes: list[object] = []
    thread = threading.Thread(target=lambda: outcomes.extend(deliver_many(settings, list(sinks.items()), stop=stop)))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert [o for o in outcomes if isinstance(o, BusError)] == []


def rows_in(sink: str, grant: str) -> list[str]:
    """The keys in a sink's table, sorted as text."""
    with closing(sqlite3.connect(sink.removeprefix("sqlite:"))) as db:
        return [key for (key,) in db.execute(f'SELECT id FROM "{table_name(grant)}" ORDER BY id')]


@contextmanager
def worker_later(settings: Settings, log: Path) -> Iterator[Worker]:
    """A worker to be started when it is time; it is gone afterwards."""
    made = Worker(settings, log)
    log.touch()
    try:
        yield made
    finally:
        if hasattr(made, "process"):
            made.stop()


def keys(lab: Lab, n: int) -> list[tuple[bytes, int]]:
    """Kafka keys of everything in a grant's topic, and their partitions."""
    return [(m.key(), m.partition()) for m in lab.messages(f"grant.{lab.word}.g.{n}.g1")]
