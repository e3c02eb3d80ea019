"""Invariant 5 with real workers: whatever happens to them while a grant ends, nothing stands past its fence, committed or not."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, IsolationLevel, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from infra.control import resume, revoke
from infra.runtime.kafka import admin, consumer_config, producer_config
from infra.runtime.settings import Settings
from schemas.ids import grant_topic
from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab, Worker, row, within, worker

_PARTITIONS = 4


def written(settings: Settings, topic: str, since: Mapping[int, int]) -> list[Any]:
    """Every record a topic holds from offsets on, as whoever reads uncommitted sees it: aborted ones too."""
    consumer = Consumer(
        consumer_config(settings, "lab", **{"enable.partition.eof": True, "isolation.level": "read_uncommitted"})
    )
    out: list[Any] = []
    try:
        consumer.assign([TopicPartition(topic, p, o) for p, o in since.items()])
        ended = 0
        while ended < len(since):
            for message in consumer.consume(10_000, 0.1):
                error = message.error()
                if error is None:
                    out.append(message)
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    ended += 1
    finally:
        consumer.close()
    return out


def transactions(lab: Lab) -> set[str | None]:
    """transactional.ids of whoever committed last, over all partitions."""
    return {lab.committed(p)[1].transaction for p in range(lab.partitions)}


def flows(lab: Lab) -> None:
    """Wait until every partition has moved on."""
    before = [lab.committed(p)[0] for p in range(lab.partitions)]
    within(40, lambda: all(lab.committed(p)[0] > before[p] for p in range(lab.partitions)))


@contextmanager
def loaded(lab: Lab, rows: Sequence[Mapping[str, Any]] | None = None) -> Iterator[None]:
    """A few thousand events a second over all partitions while the block runs, never still for longer than 5 ms."""
    stop, values = threading.Event(), lab.values([("c", None, dict(r)) for r in rows or map(row, range(2_000))])

    def run() -> None:
        producer, sent = Producer(producer_config(lab.settings, **{"linger.ms": 0})), 0
        while not stop.wait(0.005):
            for key, value in values[sent : sent + 20]:
                producer.produce(lab.topic, value, key, partition=sent // 20 % lab.partitions)
            sent = (sent + 20) % len(values)
            producer.poll(0)
        producer.flush(30)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def killed_while_writing(lab: Lab, topic: str, log: Path) -> None:
    """A worker is killed with records written that are not committed, and another one of its name does the rest."""
    client = admin(lab.settings)
    with worker(lab.settings, log, f"{lab.word}-dies") as exchange:
        within(60, lambda: caught_writing(lab, client, topic, exchange))
        exchange.kill()
    with worker(lab.settings, log, f"{lab.word}-dies"):
        flows(lab)


def caught_writing(lab: Lab, client: AdminClient, topic: str, exchange: Worker) -> bool:
    """Whether the worker stands still now with records written that are not committed; else it goes on."""
    if not uncommitted(lab, client, topic):
        return False
    exchange.process.send_signal(signal.SIGSTOP)
    if all(uncommitted(lab, client, topic) for _ in range(20)):
        return True
    exchange.process.send_signal(signal.SIGCONT)
    return False


def uncommitted(lab: Lab, client: AdminClient, topic: str) -> bool:
    """Whether a topic holds records of a transaction that is still open."""
    places = {TopicPartition(topic, p): OffsetSpec.latest() for p in range(lab.partitions)}
    stable, end = (
        [a.result().offset for a in client.list_offsets(places, isolation_level=level).values()]
        for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
    )
    return bool(stable != end)


@pytest.fixture
def lab(cluster: Cluster, unique: str) -> Lab:
    made = Lab(cluster.settings, unique, partitions=_PARTITIONS)
    made.apply()
    return made


@pytest.mark.parametrize("reason", ["revoked", "suspended"])
def test_a_worker_that_freezes_while_a_grant_ends_is_shut_out_and_writes_nothing_past_the_fence(
    lab: Lab, tmp_path: Path, reason: Any
) -> None:
    settings = lab.settings
    lab.open(1)
    lab.open(2)
    names = [f"{lab.word}-one", f"{lab.word}-two"]
    with (
        worker(settings, tmp_path / "one", names[0]) as one,
        worker(settings, tmp_path / "two", names[1]) as two,
        loaded(lab),
    ):
        within(60, lambda: all('"assigned"' in (tmp_path / n).read_text() for n in ("one", "two")))
        flows(lab)
        owner = lab.committed()[1].transaction
        frozen, other = (one, names[1]) if owner == f"bus.exchange.{names[0]}" else (two, names[0])
        frozen.process.send_signal(signal.SIGSTOP)
        try:
            fence = revoke(settings, f"{lab.word}.g.1", reason=reason)
        finally:
            frozen.process.send_signal(signal.SIGCONT)
        assert fence.fenced_out == (owner,)
        assert frozen.process.wait(60) != 0, "it finds itself shut out and ends"
        within(40, lambda: transactions(lab) == {f"bus.exchange.{other}"})
        flows(lab)  # the other one goes on, over all partitions
    assert written(settings, fence.topic, fence.offsets) == []
    assert any(fence.offsets.values()), "there was something to end"
    assert written(settings, fence.topic, dict.fromkeys(range(_PARTITIONS), 0)) == [], "and nothing of it is left"
    if reason == "suspended":
        again = resume(settings, [f"{lab.word}.g.1"])[0]
        with worker(settings, tmp_path / "three"):
            within(40, lambda: bool(written(settings, again.topic, dict.fromkeys(range(_PARTITIONS), 0))))
        assert written(settings, fence.topic, fence.offsets) == [], "what goes on goes on in another topic"


@contextmanager
def coming_and_going(settings: Settings, folder: Path, joined: list[int]) -> Iterator[None]:
    """Workers that join the group, get partitions, and leave again, one after the other, while the block runs."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            while not stop.is_set():
                log = folder / f"churn{joined[0]}"
                made = Worker(settings, log)
                made.start()
                try:
                    within(60, lambda: '"assigned"' in log.read_text() or stop.is_set())  # noqa: B023 - called at once
                    stop.wait(1.0)
                finally:
                    made.stop()
                joined[0] += 1
        except BaseException as error:  # noqa: BLE001 - told below, in the test's thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert failed == []


def test_ten_grants_that_end_while_workers_come_and_go_leave_nothing_past_their_fences(
    lab: Lab, tmp_path: Path
) -> None:
    settings, joined = lab.settings, [0]
    for n in range(10):
        lab.open(n)
    with worker(settings, tmp_path / "stays"), loaded(lab):
        flows(lab)
        with coming_and_going(settings, tmp_path, joined):
            within(60, lambda: joined[0] > 0)
            fences = []
            for n in range(10):
                before = joined[0]
                fences.append(revoke(settings, f"{lab.word}.g.{n}"))
                if n % 3 == 2:
                    within(60, lambda: joined[0] > before)  # noqa: B023 - called at once
        flows(lab)
    assert joined[0] >= 4
    past = {f.grant: len(written(settings, f.topic, f.offsets)) for f in fences}
    assert past == dict.fromkeys(past, 0)
    assert all(any(f.offsets.values()) for f in fences), "there was something to end"


def test_aborted_records_hold_nothing_the_subscriber_may_not_see(lab: Lab, tmp_path: Path) -> None:
    """Also what a killed worker never committed has been filtered and masked: who reads uncommitted sees no more."""
    settings, topic = lab.settings, grant_topic(f"{lab.word}.g.1", 1)
    lab.open(1, where="district = 'a'", fields={"id": "pass", "name": {"mask": "partial", "keep_first": 1}})
    begin = dict.fromkeys(range(_PARTITIONS), 0)
    for _ in range(5):  # a worker that stands still may have asked for the commit just before
        with loaded(lab, [row(j, "ab"[j % 2], amount=4711) for j in range(2_000)]):
            killed_while_writing(lab, topic, tmp_path / "log")
        if len(written(settings, topic, begin)) > len(lab.messages(topic)):
            break
    else:
        pytest.fail("nothing was aborted: nothing is proven")
    messages = written(settings, topic, begin)
    assert all(int(m.key()[1:]) % 2 == 0 for m in messages), "of district b nothing leaves, not even a key"
    events = lab.read([m.value() for m in messages if m.value() is not None])
    assert {tuple(sorted(e["after"].items()))[1] for e in events} == {("name", "张*")}
    assert not any(b"4711" in m.value() or "张三".encode() in m.value() for m in messages if m.value())
