"""A replay of history is interrupted, by kill -9 and by a worker that freezes and comes back, and every record is counted."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from schemas.ids import grant_topic
from stream_apps.exchange.marks import Replaying
from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab, Worker, row, within

_HISTORY = 60_000


@pytest.fixture
def lab(cluster: Cluster, unique: str) -> Lab:
    """A resource with a grant and a history, and nobody who exchanges."""
    made = Lab(cluster.settings, unique)
    made.apply()
    made.open(1)
    for first in range(0, _HISTORY, 20_000):
        made.publish([("c", None, row(i)) for i in range(first, first + 20_000)])
    return made


def test_a_replay_killed_twice_goes_on_where_it_was_and_doubles_nothing(lab: Lab, tmp_path: Path) -> None:
    exchange = Worker(lab.settings, tmp_path / "worker.log", [f"{lab.word}-x"])
    exchange.start()
    try:
        lab.settled(60)
        lab.open(2)
        reached = 0
        for _ in range(2):
            reached = in_mid_replay(lab, reached)
            exchange.kill()
            assert lab.committed()[1].replay is not None, "too late: the replay was over"
            exchange.start()
        lab.publish([("c", None, row(_HISTORY))])
        lab.settled(60)
    finally:
        exchange.stop()
    assert counted(lab, 2) == {f"k{i}".encode(): 1 for i in range(_HISTORY + 1)}


def test_a_worker_that_freezes_in_mid_replay_and_comes_back_writes_nothing_more(lab: Lab, tmp_path: Path) -> None:
    frozen = Worker(lab.settings, tmp_path / "frozen.log", [f"{lab.word}-a"])
    other = Worker(lab.settings, tmp_path / "other.log", [f"{lab.word}-b"])
    frozen.start()
    try:
        lab.settled(60)
        lab.open(2)
        in_mid_replay(lab, 0)
        os.kill(frozen.process.pid, signal.SIGSTOP)
        assert lab.committed()[1].replay is not None, "too late: the replay was over"
        other.start()
        within(40, lambda: lab.committed()[1].transaction == f"bus.exchange.{lab.word}-b")
        os.kill(frozen.process.pid, signal.SIGCONT)
        lab.publish([("c", None, row(_HISTORY))])
        lab.settled(60)
    finally:
        other.stop()
        frozen.kill()
    assert counted(lab, 2) == {f"k{i}".encode(): 1 for i in range(_HISTORY + 1)}


def in_mid_replay(lab: Lab, after: int) -> int:
    """Wait until a replay has committed progress beyond an offset; that offset."""
    found: list[Replaying] = []

    def under_way() -> bool:
        replay = lab.committed()[1].replay
        if replay is not None and replay.at > after:
            found.append(replay)
        return bool(found)

    within(40, under_way)
    return found[0].at


def counted(lab: Lab, n: int) -> Counter[bytes]:
    """Kafka keys in a grant's topic."""
    return Counter(m.key() for m in lab.messages(grant_topic(f"{lab.word}.g.{n}", 1)))
