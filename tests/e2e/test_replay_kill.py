"""A new grant is given its history while live records go on, and is interrupted: by kill -9, by workers that join and leave, by
one that freezes and comes back. Every record in every grant's topic is compared with what it must be, in order."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from infra.control import revoke, state
from infra.control.explaining.explain import Asked, explain
from infra.control.explaining.facts import Place
from infra.control.histories import History, histories
from infra.runtime.kafka import admin, ends
from stream_apps.exchange.marks import Replaying
from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab, Worker, within
from tests.kit.lab_load import Load

_HISTORY = 40_000
_SLOW = 8_000
"""Records of history a second, so that what happens in mid-pass does."""


@pytest.fixture
def load(cluster: Cluster, unique: str) -> Load:
    """A resource with two grants, the second of one district alone, and a history; nobody exchanges yet."""
    lab = Lab(cluster.settings, unique)
    return begun(Load(lab))


@pytest.fixture
def spread(cluster: Cluster, unique: str) -> Load:
    """The same in four partitions, written in transactions."""
    return begun(Load(Lab(cluster.settings, unique, partitions=4), transactions=True))


def begun(load: Load) -> Load:
    lab = load.lab
    lab.apply()
    lab.open(1)
    lab.open(2, where="district = 'a'")
    for _ in range(_HISTORY // 10_000):
        load.publish(10_000)
    return load


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Worker]]:
    """Those started by a test, gone afterwards."""
    started: list[Worker] = []
    yield started
    for worker in started:
        if worker.process.poll() is None:
            worker.process.send_signal(signal.SIGCONT)
        worker.kill()


def started(load: Load, workers: list[Worker], folder: Path, name: str, rate: int = _SLOW) -> Worker:
    arguments, environment = [f"{load.lab.word}-{name}"], {"BUS_HISTORY_RATE": str(rate)}
    worker = Worker(load.lab.settings, folder / f"{name}.log", arguments, environment)
    worker.start()
    workers.append(worker)
    return worker


def opened_late(load: Load) -> None:
    """Two grants like the first two; the third shares their pass, the fourth comes later."""
    load.lab.open(3, where="district = 'a'")
    load.lab.open(4)


def counted(load: Load) -> None:
    """Each grant has every record of its own exactly once and in order."""
    load.lab.caught_up(3, 90)
    load.lab.caught_up(4, 90)
    load.lab.settled(90)
    for n, district in ((1, None), (2, "a"), (3, "a"), (4, None)):
        assert load.received(n) == load.expected(district), f"grant {n}"


def in_mid_pass(load: Load, after: int) -> int:
    """Wait until a pass has committed progress beyond an offset; that offset."""
    found: list[Replaying] = []

    def under_way() -> bool:
        replay = load.lab.committed()[1].replay
        if replay is not None and replay.at > after:
            found.append(replay)
        return bool(found)

    within(40, under_way)
    return found[0].at


def test_a_pass_killed_twice_under_live_load_goes_on_where_it_was_and_doubles_nothing(
    load: Load, workers: list[Worker], tmp_path: Path
) -> None:
    worker = started(load, workers, tmp_path, "x")
    load.lab.settled(60)
    with load.going_on():
        opened_late(load)
        reached = 0
        for _ in range(2):
            reached = in_mid_pass(load, reached)
            worker.kill()
            assert load.lab.committed()[1].replay is not None, "too late: the pass was over"
            assert 0 < seen(load).done < seen(load).of
            worker.start()
        before = load.lab.committed()[0]
        in_mid_pass(load, reached)
        within(20, lambda: load.lab.committed()[0] > before)
        assert load.lab.committed()[1].replay is not None, "live records went on only after the pass"
        within(60, lambda: load.lab.committed()[1].replay is None)
    counted(load)
    live, history = explain(load.lab.settings, f"{load.lab.word}.g.3", Asked(source=Place(0, before)))
    assert (live.outcome, live.history, history.history) == ("catching_up", False, True)
    assert history.outcome in ("emitted", "filtered")


def test_an_end_in_mid_pass_is_fenced_while_the_others_go_on(load: Load, workers: list[Worker], tmp_path: Path) -> None:
    started(load, workers, tmp_path, "x")
    load.lab.settled(60)
    with load.going_on():
        opened_late(load)
        reached = in_mid_pass(load, 0)
        in_mid_pass(load, reached)
        fence = revoke(load.lab.settings, f"{load.lab.word}.g.3")
        assert load.lab.committed()[1].live < state(load.lab.settings).grants[f"{load.lab.word}.g.4"].opened
        load.lab.caught_up(4, 90)
    load.lab.settled(60)
    assert fence.fenced_out == (), "the worker answered by itself"
    assert ends(admin(load.lab.settings), [TopicPartition(fence.topic, 0)]) == {(fence.topic, 0): fence.offsets[0]}
    for n, district in ((1, None), (2, "a"), (4, None)):
        assert load.received(n) == load.expected(district), f"grant {n}"


def seen(load: Load) -> History:
    """How far the third grant has come, as `bus grants` tells it."""
    settings = load.lab.settings
    grant = state(settings).grants[f"{load.lab.word}.g.3"]
    return histories(admin(settings), [grant])[grant.grant.id]


def test_workers_that_join_and_leave_in_mid_pass_hand_it_over(
    spread: Load, workers: list[Worker], tmp_path: Path
) -> None:
    first = started(spread, workers, tmp_path, "a", 3_000)
    spread.lab.settled(60)
    with spread.going_on():
        opened_late(spread)
        in_mid_pass(spread, 0)
        second = started(spread, workers, tmp_path, "b", 3_000)
        within(40, lambda: "assigned" in second.log.read_text())
        first.kill()
        assert any(spread.lab.committed(p)[1].replay is not None for p in range(4)), "too late: the passes were over"
        within(60, lambda: owners(spread) == {f"bus.exchange.{spread.lab.word}-b"})
        third = started(spread, workers, tmp_path, "c", 3_000)
        within(40, lambda: "assigned" in third.log.read_text())
        assert second.stop() == 0
        within(60, lambda: owners(spread) == {f"bus.exchange.{spread.lab.word}-c"})
        guest = started(spread, workers, tmp_path, "d", 3_000)
        within(40, lambda: "assigned" in guest.log.read_text())
        assert guest.stop() == 0
    counted(spread)


def owners(load: Load) -> set[str | None]:
    """Who committed last, in each partition."""
    return {load.lab.committed(p)[1].transaction for p in range(load.lab.partitions)}


def test_a_worker_that_freezes_in_mid_pass_and_comes_back_writes_nothing_more(
    load: Load, workers: list[Worker], tmp_path: Path
) -> None:
    frozen = started(load, workers, tmp_path, "a")
    load.lab.settled(60)
    with load.going_on():
        opened_late(load)
        in_mid_pass(load, 0)
        os.kill(frozen.process.pid, signal.SIGSTOP)
        assert load.lab.committed()[1].replay is not None, "too late: the pass was over"
        started(load, workers, tmp_path, "b")
        within(40, lambda: load.lab.committed()[1].transaction == f"bus.exchange.{load.lab.word}-b")
        os.kill(frozen.process.pid, signal.SIGCONT)
        within(60, lambda: load.lab.committed()[1].replay is None)
    counted(load)
