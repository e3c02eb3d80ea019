"""The poll thread on a real broker."""

from __future__ import annotations

import threading
import time

import pytest
from confluent_kafka import KafkaException, TopicPartition

from infra.runtime.kafka import admin
from schemas.errors import PermanentError
from stream_apps.transport.unit import Place
from tests.conftest import Cluster
from tests.stream_apps.transport.rig import Worker, commit, committer, create, eventually, publish, transact


def test_units_are_contiguous_over_markers_and_aborted_records(cluster: Cluster, unique: str) -> None:
    create(cluster.settings, unique)
    transact(cluster.settings, unique, True, False, True, False)
    with Worker(cluster.settings, unique, [unique]) as worker:
        records, end = 0, 0
        while end < 16:  # 4 transactions of 3 records and a marker
            unit = worker.unit()
            (part,) = unit.slices
            assert part.start == end
            end, records = part.end, records + unit.records
            worker.poller.done(unit)
        assert (end, records) == (16, 6)


def test_lag_reaches_zero_after_a_marker(cluster: Cluster, unique: str) -> None:
    create(cluster.settings, unique)
    transact(cluster.settings, unique, True)
    place = Place(unique, 0)
    with Worker(cluster.settings, unique, [unique]) as worker:
        worker.records(3)

        def drained() -> bool:
            if unit := worker.poller.take():
                worker.poller.done(unit)
            return worker.poller.lag().get(place) == 0

        assert eventually(drained)


def test_a_stale_unit_is_refused_with_its_own_metadata_and_would_pass_with_newer(cluster: Cluster, unique: str) -> None:
    settings = cluster.settings
    create(settings, unique, partitions=2)
    for partition in (0, 1):
        publish(settings, unique, 5, partition)
    producer = committer(settings, unique)
    with Worker(settings, unique, [unique]) as one:
        stale = one.unit()
        old = dict(one.poller._ledger.finished)
        one.poller.rewind(stale, old)  # the agent gives it up, so the rebalance goes on; the unit itself lives on here
        with Worker(settings, unique, [unique]) as two:
            eventually(lambda: len(two.owner.owned) == 1 and len(one.owner.owned) == 1)
            with pytest.raises(KafkaException):
                commit(producer, stale)
            producer.abort_transaction(10)
            # break-it: metadata of commit time lets the same unit through, although a partition has gone
            newer = eventually(one.poller.group)
            commit(producer, stale, newer)


def test_revocation_waits_for_the_open_unit(cluster: Cluster, unique: str) -> None:
    create(cluster.settings, unique, partitions=2)
    publish(cluster.settings, unique, 5, 0)
    publish(cluster.settings, unique, 5, 1)
    with Worker(cluster.settings, unique, [unique]) as one:
        unit = one.unit()
        with Worker(cluster.settings, unique, [unique]) as two:
            time.sleep(1.5)
            assert len(one.owner.owned) == 2
            assert not two.owner.owned
            assert one.poller.take() is None
            one.poller.done(unit)
            eventually(lambda: len(one.owner.owned) == 1 and len(two.owner.owned) == 1)


def test_rewind_delivers_exactly_the_same_again(cluster: Cluster, unique: str) -> None:
    create(cluster.settings, unique)
    publish(cluster.settings, unique, 3000)
    with Worker(cluster.settings, unique, [unique], records=500, chunk=200) as worker:
        first = worker.unit()
        time.sleep(0.3)  # buffers fill behind it
        worker.poller.rewind(first, {Place(unique, 0): 0})
        assert [offset for _, offset in worker.records(3000)] == list(range(3000))


def test_rewind_right_after_the_assignment_is_not_lost(cluster: Cluster, unique: str) -> None:
    create(cluster.settings, unique, partitions=4)
    publish(cluster.settings, unique, 1)
    with Worker(cluster.settings, unique, [unique]) as worker:
        for _ in range(20):
            unit = worker.unit()
            worker.poller.rewind(unit, {Place(unique, n): 0 for n in range(4)})
        assert worker.records(1) == [(Place(unique, 0), 0)]


def test_rewind_must_name_every_owned_place(cluster: Cluster, unique: str) -> None:
    create(cluster.settings, unique, partitions=2)
    publish(cluster.settings, unique, 1)
    with Worker(cluster.settings, unique, [unique]) as worker:
        unit = worker.unit()
        with pytest.raises(ValueError, match="does not name"):
            worker.poller.rewind(unit, {Place(unique, 0): 0})
        worker.poller.done(unit)


def test_a_paused_partition_is_silent_and_loses_nothing(cluster: Cluster, unique: str) -> None:
    paused, lively = Place(unique, 0), Place(unique, 1)
    create(cluster.settings, unique, partitions=2)
    publish(cluster.settings, unique, 50, 0)
    publish(cluster.settings, unique, 50, 1)
    with Worker(cluster.settings, unique, [unique], records=20, chunk=10) as worker:
        unit = worker.unit()
        worker.poller.pause([paused])
        worker.poller.rewind(unit, {paused: 0, lively: 0})
        assert worker.records(50) == [(lively, n) for n in range(50)]
        time.sleep(0.3)
        assert worker.poller.take() is None
        worker.poller.resume([paused])
        assert worker.records(50) == [(paused, n) for n in range(50)]


def test_a_topic_created_after_the_start_is_read_within_about_a_second(cluster: Cluster, unique: str) -> None:
    late = f"{unique}-late"
    create(cluster.settings, unique)
    publish(cluster.settings, unique, 1)
    with Worker(cluster.settings, unique, [unique]) as worker:
        worker.records(1)
        create(cluster.settings, late)
        publish(cluster.settings, late, 1)
        asked = time.monotonic()
        worker.poller.subscribe([unique, late])
        assert worker.records(1) == [(Place(late, 0), 0)]
        assert time.monotonic() - asked < 1.5


def test_a_topic_that_does_not_exist_yet_is_read_once_it_does(cluster: Cluster, unique: str) -> None:
    late = f"{unique}-late"
    with Worker(cluster.settings, unique, [late]) as worker:
        time.sleep(1.0)
        assert worker.poller.error is None
        create(cluster.settings, late)
        publish(cluster.settings, late, 1)
        assert worker.records(1) == [(Place(late, 0), 0)]


def test_two_workers_share_eight_one_partition_topics_evenly(cluster: Cluster, unique: str) -> None:
    topics = [f"{unique}-{n}" for n in range(8)]
    create(cluster.settings, *topics)
    with Worker(cluster.settings, unique, topics) as one, Worker(cluster.settings, unique, topics) as two:
        eventually(lambda: len(one.owner.owned) == 4 and len(two.owner.owned) == 4)
        assert not one.owner.owned & two.owner.owned


def test_a_full_buffer_still_serves_rebalances_and_loses_nothing(cluster: Cluster, unique: str) -> None:
    create(cluster.settings, unique, partitions=2)
    publish(cluster.settings, unique, 200, 0)
    publish(cluster.settings, unique, 200, 1)
    with Worker(cluster.settings, unique, [unique], records=20, chunk=10, full_s=0.1) as one:
        unit = one.unit()
        one.poller.done(unit)
        eventually(lambda: not one.poller._ledger.room())
        time.sleep(0.3)  # nobody takes: the poll thread now only serves
        with Worker(cluster.settings, unique, [unique]) as two:
            eventually(lambda: len(one.owner.owned) == 1 and len(two.owner.owned) == 1)
            (kept,) = one.owner.owned
            before = next((s.end for s in unit.slices if s.place == kept), 0)
            assert one.records(200 - before) == [(kept, n) for n in range(before, 200)]


def test_stop_finishes_the_unit_and_the_next_worker_takes_over_at_once(cluster: Cluster, unique: str) -> None:
    create(cluster.settings, unique)
    publish(cluster.settings, unique, 5)
    one = Worker(cluster.settings, unique, [unique])
    unit = one.unit()
    stopping = threading.Thread(target=one.poller.stop)
    stopping.start()
    time.sleep(0.3)
    assert stopping.is_alive()
    one.poller.done(unit)
    stopping.join(5)
    assert not stopping.is_alive()
    assert one.owner.calls == ["assigned", "revoked"]
    began = time.monotonic()
    with Worker(cluster.settings, unique, [unique]) as two:
        two.records(5)
        assert time.monotonic() - began < 3


def test_committed_metadata_comes_back_to_the_owner(cluster: Cluster, unique: str) -> None:
    create(cluster.settings, unique)
    publish(cluster.settings, unique, 5)
    producer = committer(cluster.settings, unique)
    with Worker(cluster.settings, unique, [unique]) as one:
        unit = one.unit()
        producer.begin_transaction()
        producer.send_offsets_to_transaction([TopicPartition(unique, 0, 5, "epoch 7")], unit.group, 10)
        producer.commit_transaction(10)
        one.poller.done(unit)
    with Worker(cluster.settings, unique, [unique]) as two:
        eventually(lambda: two.owner.committed)
        assert two.owner.committed[Place(unique, 0)] == (5, "epoch 7")


def test_the_watchdog_ends_a_worker_whose_agent_does_nothing(cluster: Cluster, unique: str) -> None:
    create(cluster.settings, unique)
    publish(cluster.settings, unique, 5)
    worker = Worker(cluster.settings, unique, [unique], stuck_s=1.0)
    eventually(lambda: worker.poller.error)
    worker.poller.stop()
    assert "no unit was finished" in str(worker.poller.error)


def test_a_position_the_log_no_longer_holds_ends_the_worker(cluster: Cluster, unique: str) -> None:
    create(cluster.settings, unique)
    publish(cluster.settings, unique, 5)
    producer = committer(cluster.settings, unique)
    with Worker(cluster.settings, unique, [unique]) as one:
        unit = one.unit()
        commit(producer, unit)
        one.poller.done(unit)
    publish(cluster.settings, unique, 5)
    client = admin(cluster.settings)
    for deleted in client.delete_records([TopicPartition(unique, 0, 8)]).values():
        deleted.result()
    worker = Worker(cluster.settings, unique, [unique])
    eventually(lambda: worker.poller.error)
    worker.poller.stop()
    assert isinstance(worker.poller.error, PermanentError)
    assert "_AUTO_OFFSET_RESET" in str(worker.poller.error)
