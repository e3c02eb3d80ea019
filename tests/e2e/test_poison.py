"""A record kills the process that judges it, and the rest of the city goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

from infra.runtime.settings import Settings
from schemas.ids import DEAD_LETTER_TOPIC
from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab, Worker, row, within
from tests.kit.poison import poisoned_by

_N = 150
_AT = 70
"""Which of the records kills."""


def test_an_offset_that_kills_the_worker_twice_is_isolated_the_third_time_and_its_neighbours_arrive_once(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    lab, worker = start(cluster.settings, unique, tmp_path)
    lab.open(1)
    lab.publish([("c", None, row(i)) for i in range(_N)])
    worker.start()
    try:
        lab.settled()
        worker.stop()
        before = lab.end()
        poison = lab.values([("u", row(_AT), row(_AT, name=unique))])
        changes = [lab.values([("u", row(i), row(i, amount=2))])[0] for i in range(_N)]
        lab.write([*changes[:_AT], *poison, *changes[_AT + 1 :]])
        lab.publish([("u", row(_AT), row(_AT))])  # unchanged, but for the gap
        assert deaths(worker) == 2
        lab.settled()
        expected = Counter({f"k{i}".encode(): 2 for i in range(_N)}) + Counter({b"k70": 2})
        found = lab.released(1)
        assert Counter(key for key, _ in found) == expected  # the row, its delete, the tombstone, the row again
        assert [v and v["op"] for k, v in found if k == b"k70"] == ["c", "d", None, "u"]
        assert {v["after"]["amount"] for k, v in found[_N:] if v and k != b"k70"} == {2}
        (letter,) = [m for m in lab.messages(DEAD_LETTER_TOPIC) if lab.topic.encode() in m.value()]
        assert letter.key() == f"{lab.topic}:0:{offset_of(lab, poison[0][1])}".encode()
        said = json.loads(letter.value())
        assert (said["reason"], said["grant"]) == ("kills_worker", None)
        assert said["offset"] >= before
        assert unique not in str({k: v for k, v in said.items() if k != "topic"})
        assert (
            metric(worker, f'bus_exchange_dead_letters_total{{reason="kills_worker",resource="{lab.resource}"}}') == 1
        )
        assert metric(worker, f'bus_exchange_deaths_total{{resource="{lab.resource}",stage="record"}}') == 1
    finally:
        worker.stop()
    assert list((lab.settings.home / "exchange").glob(f"{unique}*")) == []


def test_an_offset_that_kills_in_the_history_is_isolated_for_the_grant_that_catches_up(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    lab, worker = start(cluster.settings, unique, tmp_path)
    lab.publish([("c", None, row(i)) for i in range(_N)])
    lab.publish([("u", row(_AT), row(_AT, name=unique))])  # nobody is granted anything: it is counted, not judged
    worker.start()
    try:
        lab.settled()
        lab.open(1)
        assert deaths(worker, running=True) == 2
        within(30, lambda: lab.committed()[1].live > 0 and lab.committed()[1].replay is None)
        lab.publish([("c", None, row(_N))])
        lab.settled()
        expected = Counter({f"k{i}".encode(): 1 for i in range(_N + 1)}) + Counter({b"k70": 2})
        assert Counter(key for key, _ in lab.released(1)) == expected
        assert [v and v["op"] for k, v in lab.released(1) if k == b"k70"] == ["c", "d", None]
        letters = [json.loads(m.value()) for m in lab.messages(DEAD_LETTER_TOPIC) if lab.topic.encode() in m.value()]
        assert [(said["offset"], said["reason"]) for said in letters] == [(_N, "kills_worker")]
    finally:
        worker.stop()
    assert list((lab.settings.home / "exchange").glob(f"{unique}*")) == []


def test_kills_while_suspect_records_are_judged_one_by_one_isolate_none_of_them(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    lab, worker = start(cluster.settings, unique, tmp_path, slow_s=0.3)
    lab.open(1)
    n = 2_000
    lab.publish([("c", None, row(i)) for i in range(n)])
    page = lab.settings.home / "exchange" / f"{unique}.judging"
    met: set[int] = {-1}
    try:
        killed_at_work(worker, page, lambda at: at == -1)
        lab.publish([("c", None, row(i)) for i in range(n, n + 100)])
        for _ in range(2):
            met.add(killed_at_work(worker, page, lambda at: at not in met))
        worker.start()
        lab.settled(60)
    finally:
        worker.stop()
    assert Counter(key for key, _ in lab.released(1)) == {f"k{i}".encode(): 1 for i in range(n + 100)}
    assert not [m for m in lab.messages(DEAD_LETTER_TOPIC) if lab.topic.encode() in m.value()]
    said = worker.log.read_text()
    assert (said.count('"died_judging"'), said.count('"outcome": "dies"')) == (3, 0)
    assert said.count('"outcome": "lives"') >= 2


def killed_at_work(worker: Worker, page: Path, when: Callable[[int], bool]) -> int:
    """The worker, started and killed while it judges one record alone, or several (-1), when that is wanted; its offset."""
    found = [-1]
    lives = worker.log.read_text().count('"started"') if worker.log.exists() else 0
    worker.start()
    within(20, lambda: worker.log.read_text().count('"started"') > lives)

    def caught() -> bool:
        os.kill(worker.process.pid, signal.SIGSTOP)
        state, _, _, _, found[0], _ = struct.unpack_from("6q", page.read_bytes())
        if state and when(found[0]):
            return True
        os.kill(worker.process.pid, signal.SIGCONT)
        return False

    within(30, caught)
    worker.kill()
    return found[0]


def start(settings: Settings, unique: str, folder: Path, slow_s: float = 0.0) -> tuple[Lab, Worker]:
    """A resource, and a worker named for the test that dies of every record that holds the test's word."""
    lab = Lab(settings, unique)
    lab.apply()
    return lab, Worker(settings, folder / "worker.log", [unique], poisoned_by(unique, slow_s=slow_s))


def deaths(worker: Worker, running: bool = False) -> int:
    """How often the worker is killed and started again until it has isolated a record."""
    died = 0
    if not running:
        worker.start()
    while '"kills_worker"' not in worker.log.read_text():
        if worker.process.poll() is not None:
            assert worker.process.wait() == -signal.SIGKILL
            died += 1
            assert died < 4
            worker.start()
        time.sleep(0.05)
    return died


def offset_of(lab: Lab, value: bytes) -> int:
    """Where a value was written."""
    (found,) = [m.offset() for m in lab.messages(lab.topic) if m.value() == value]
    return int(found)


def metric(worker: Worker, name: str) -> float:
    """What the running worker counts."""
    port = re.findall(r'"port": (\d+)', worker.log.read_text())[-1]
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(name)))
