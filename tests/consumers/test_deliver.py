"""A grant's topic on a real broker into real databases: everything arrives, once, and ends when the grant does."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from consumers import telemetry
from consumers.control import GrantWatch
from consumers.deliver import Progress, deliver, deliver_many
from consumers.events import ViewEvent
from consumers.grant_reader import GrantReader
from consumers.naming import table_name
from consumers.report import DeliveryReport
from consumers.sink import Recreated
from infra.control import revoke
from infra.control.purge import purge
from infra.runtime.kafka import admin
from infra.runtime.metrics import REGISTRY
from infra.runtime.settings import Settings
from schemas.errors import ConfigError, PermanentError, TransientError
from tests.conftest import Cluster
from tests.kit.grant_feed import GrantFeed


@pytest.fixture
def feed(cluster: Cluster, unique: str) -> GrantFeed:
    made = GrantFeed(cluster.settings, unique)
    made.open()
    return made


@pytest.fixture
def sink(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'out' / 'x.db'}"


@pytest.fixture
def background() -> Iterator[Callable[..., Any]]:
    """Runs a delivery beside the test; stops it at the end."""
    stop = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        yield lambda f, *a, **k: pool.submit(f, *a, stop=stop, **k)
        stop.set()


def rows(sink: str, grant: str) -> dict[str, Any]:
    with closing(sqlite3.connect(sink.removeprefix("sqlite:"))) as db:
        return {r[0]: r[1:] for r in db.execute(f'SELECT * FROM "{table_name(grant)}"')}


def test_the_sink_equals_the_model_and_counts_every_event_once(feed: GrantFeed, sink: str) -> None:
    feed.send([("c", f"k{i}", {"name": "甲", "amount": i}) for i in range(500)])
    feed.send([("c", "aborted", None)], abort=True)
    feed.send([("u", f"k{i}", {"name": "乙", "amount": -i}) for i in range(0, 500, 2)])
    feed.send([("d", f"k{i}", None) for i in range(0, 500, 5)])
    report = deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    expected = {f"k{i}": ("甲", i) if i % 2 else ("乙", -i) for i in range(500) if i % 5}
    assert rows(sink, feed.grant_id) == expected
    assert report.by_op == {"c": 500, "u": 250, "d": 100}
    assert (report.events, report.tombstones, report.duplicates, report.held_events) == (850, 100, 0, 850)


def test_the_position_held_passes_transaction_markers(feed: GrantFeed, sink: str) -> None:
    feed.send([("c", "1", None)])
    feed.send([("c", "2", None)], abort=True)
    assert deliver(feed.settings, feed.grant_id, sink, until="caught_up").positions == feed.ends() == {0: 4}


def test_a_second_run_goes_on_where_the_first_stopped(feed: GrantFeed, sink: str) -> None:
    feed.send([("c", "1", None)])
    deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    feed.send([("c", "2", None)])
    report = deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    assert (report.events, report.held_events, set(rows(sink, feed.grant_id))) == (1, 2, {"1", "2"})


def test_several_partitions_arrive_whole(cluster: Cluster, unique: str, sink: str) -> None:
    feed = GrantFeed(cluster.settings, unique, partitions=4)
    feed.open()
    feed.send([("c", f"k{i}", {"amount": i}) for i in range(200)])
    report = deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    assert (len(rows(sink, feed.grant_id)), report.positions) == (200, feed.ends())


def test_a_delivery_ends_with_its_grant_and_says_that_nothing_was_cut_off(
    feed: GrantFeed, sink: str, background: Any
) -> None:
    feed.send([("c", "before", None)])
    running = background(deliver, feed.settings, feed.grant_id, sink)
    delivered(feed, 1)
    fence = feed.ends()
    feed.end(fence=False)
    feed.fence(offsets=fence)
    report: DeliveryReport = running.result(20)
    feed.send([("c", "after", None)])
    again = deliver(feed.settings, feed.grant_id, sink, until="ended")
    assert (report.ended, report.cut_off) == ("revoked", False)
    assert (again.ended, again.events, again.cut_off) == ("revoked", 0, False)
    assert set(rows(sink, feed.grant_id)) == {"before"}


def test_what_was_not_read_when_the_grant_ended_is_not_delivered_and_that_is_said(feed: GrantFeed, sink: str) -> None:
    feed.send([("c", "read", None)])
    deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    feed.send([("c", "released and not read", None)])
    feed.end()
    report = deliver(feed.settings, feed.grant_id, sink)
    assert (report.ended, report.cut_off, report.events) == ("revoked", True, 0)
    assert (report.positions, set(rows(sink, feed.grant_id))) == ({0: 2}, {"read"})


def test_a_topic_purged_at_its_grants_end_ends_its_delivery_and_a_later_one(
    feed: GrantFeed, sink: str, tmp_path: Path, background: Any
) -> None:
    feed.send([("c", "1", None)])
    running = background(deliver, feed.settings, feed.grant_id, sink)
    delivered(feed, 1)
    with GrantReader(feed.settings, feed.grant_id) as behind:
        behind.start()
        revoke(feed.settings, feed.grant_id)
        assert [e for batch in behind for e in batch.events] == []
    assert behind.ended is not None
    assert (behind.ended.reason, behind.ended.cut_off) == ("revoked", True)
    assert "can be read no longer" in behind.ended.message.en
    report: DeliveryReport = running.result(20)
    assert (report.ended, report.cut_off, report.events) == ("revoked", False, 1)
    again = deliver(feed.settings, feed.grant_id, sink)
    assert (again.ended, again.cut_off, set(rows(sink, feed.grant_id))) == ("revoked", False, {"1"})
    late = deliver(feed.settings, feed.grant_id, f"sqlite:{tmp_path}/late.db")
    assert (late.ended, late.cut_off, late.events) == ("revoked", True, 0)


def test_a_deliverer_hears_of_an_end_without_asking_for_it(feed: GrantFeed) -> None:
    with GrantWatch(feed.settings, every_s=3_600) as watch:
        assert watch.grant(feed.grant_id).ended is None
        feed.end(fence=False)
        wait_for(lambda: watch.state().grants[feed.grant_id].ended is not None)


def test_records_missing_under_a_grant_that_goes_on_are_an_error_and_no_end(feed: GrantFeed, sink: str) -> None:
    feed.send([("c", "1", None), ("c", "2", None)])
    purge(admin(feed.settings), {(feed.topic, 0): 1})()
    with pytest.raises(PermanentError, match="no longer in the topic"):
        deliver(feed.settings, feed.grant_id, sink, until="caught_up")


def test_after_an_end_without_a_fence_nothing_is_delivered_and_the_fence_waited_for(
    feed: GrantFeed, sink: str, background: Any
) -> None:
    works = threading.Event()
    running = background(deliver, feed.settings, feed.grant_id, sink, progress=lambda _: works.set())
    assert works.wait(20)
    feed.end(fence=False)
    time.sleep(1)
    assert not running.done()
    feed.fence()
    report: DeliveryReport = running.result(20)
    assert (report.ended, report.cut_off, rows(sink, feed.grant_id)) == ("revoked", False, {})


def test_the_next_generation_takes_over_and_old_rows_do_not_linger(feed: GrantFeed, sink: str, background: Any) -> None:
    feed.send([("c", "old", None)])
    deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    running = background(deliver, feed.settings, feed.grant_id, sink)
    fence = feed.ends()
    feed.fields = feed.fields[:2]
    feed.open()
    feed.fence(generation=1, offsets=fence)
    feed.send([("r", "new", {"name": "甲"})])
    delivered(feed, 1, op="r")
    feed.end()
    report = running.result(20)
    assert (report.generation, report.ended) == (2, "revoked")
    assert rows(sink, feed.grant_id) == {"new": ("甲",)}


def test_an_amended_grant_is_told_with_its_new_generation_and_how_to_go_on(
    feed: GrantFeed, sink: str, background: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[dict[str, Any]] = []
    monkeypatch.setattr(telemetry._log, "warning", lambda event, **keys: said.append({"event": event, **keys}))
    works, fence = threading.Event(), feed.ends()
    with GrantReader(feed.settings, feed.grant_id) as program:
        running = background(deliver, feed.settings, feed.grant_id, sink, progress=lambda _: works.set())
        assert works.wait(20)
        feed.open()
        feed.fence(generation=1, offsets=fence)
        feed.end()
        assert list(program) == []
    report: DeliveryReport = running.result(20)
    assert (report.followed, report.generation, report.ended) == ((1,), 2, "revoked")
    [told] = said
    assert (told["event"], told["generation"]) == ("grant was amended", 1)
    assert program.ended is not None
    for words in (told["hint"], program.ended.message.en, program.ended.message.zh):
        assert feed.topic in words
    assert "generation 2 goes on" in told["hint"]


@pytest.mark.parametrize("bad", [b"", b"\0\0\0\0", b"\0\xff\xff\xff\xff??", b"\0\0\0\0\x01"])
def test_an_unreadable_event_stops_the_grant_and_names_its_place(feed: GrantFeed, sink: str, bad: bytes) -> None:
    feed.send([("c", "1", None)])
    feed.send_raw(bad)
    feed.send([("c", "2", None)])
    with pytest.raises(PermanentError) as caught:
        deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    assert caught.value.where == f"{feed.topic}[0]@2"


def test_a_recreated_topic_is_refused_until_a_rebuild_is_asked_for(feed: GrantFeed, sink: str) -> None:
    feed.send([("c", "1", None)])
    deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    feed.delete_topic()
    with pytest.raises(PermanentError, match="does not exist"):
        deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    feed.create_topic()
    feed.send([("c", "2", None), ("c", "3", None), ("c", "4", None)])
    with pytest.raises(Recreated):
        deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    assert set(rows(sink, feed.grant_id)) == {"1"}
    deliver(feed.settings, feed.grant_id, sink, until="caught_up", rebuild=True)
    assert set(rows(sink, feed.grant_id)) == {"2", "3", "4"}


def test_a_locked_database_is_retried_until_it_is_free(feed: GrantFeed, sink: str, background: Any) -> None:
    deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    with closing(sqlite3.connect(sink.removeprefix("sqlite:"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        feed.send([("c", "1", None)])
        running = background(deliver, feed.settings, feed.grant_id, sink)
        wait_for(lambda: sample("bus_delivery_retries_total", grant=feed.grant_id) >= 1)
        other.execute("ROLLBACK")
    delivered(feed, 1)
    feed.end()
    report = running.result(20)
    assert report.retries >= 1
    assert (report.events, report.held_events, set(rows(sink, feed.grant_id))) == (1, 1, {"1"})


def test_postgresql_survives_cut_connections(feed: GrantFeed, database: str, background: Any) -> None:
    running = background(deliver, feed.settings, feed.grant_id, database)
    with psycopg.connect(database, autocommit=True) as other:
        for round_ in range(4):
            feed.send([("c", f"{round_}.{i}", {"amount": i}) for i in range(300)])
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'exchange-bus deliver' "
                "AND datname = current_database()"
            )
        delivered(feed, 1200)
        feed.end()
        report = running.result(30)
        (count,) = other.execute(f'SELECT count(*) FROM "{table_name(feed.grant_id)}"').fetchone()  # type: ignore
    assert (count, report.held_events, report.duplicates) == (1200, 1200, 0)


def test_many_grants_in_one_process_and_one_bad_one_does_not_stop_the_others(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    feeds = [GrantFeed(cluster.settings, f"{unique}{n}") for n in "abc"]
    for feed in feeds:
        feed.open()
        feed.send([("c", str(i), None) for i in range(50)])
    feeds[1].send_raw(b"\0broken")
    pairs = [(f.grant_id, f"sqlite:{tmp_path}/{f.word}.db") for f in feeds]
    good, bad, last = deliver_many(cluster.settings, pairs, until="caught_up")
    assert isinstance(bad, PermanentError)
    assert isinstance(good, DeliveryReport)
    assert isinstance(last, DeliveryReport)
    assert (good.events, last.events) == (50, 50)


def test_an_unknown_grant_is_a_config_error(cluster: Cluster, unique: str, sink: str) -> None:
    with pytest.raises(ConfigError, match="there is no grant"):
        deliver(cluster.settings, f"{unique}.none", sink)


def test_an_unreachable_cluster_is_told_at_once(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, bootstrap_servers="127.0.0.1:1", registry_url="http://127.0.0.1:1")
    with pytest.raises(TransientError):
        deliver_many(settings, [("a.b", f"sqlite:{tmp_path}/x.db")])
    assert not (tmp_path / "x.db").exists()


def test_stop_ends_a_delivery_with_a_report(feed: GrantFeed, sink: str) -> None:
    feed.send([("c", "1", None)])
    stop, seen = threading.Event(), []

    def progress(now: Progress) -> None:
        seen.append(now)
        if now.events:
            stop.set()

    report = deliver(feed.settings, feed.grant_id, sink, stop=stop, progress=progress)
    assert (report.events, report.ended, seen[-1].events) == (1, None, 1)


def test_a_delivery_is_measured(feed: GrantFeed, sink: str) -> None:
    feed.send([("c", "1", None), ("c", "2", None), ("d", "1", None)])
    report = deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    assert sample("bus_delivered_events_total", grant=feed.grant_id, op="c") == 2
    assert sample("bus_delivered_events_total", grant=feed.grant_id, op="d") == 1
    assert sample("bus_delivery_latency_seconds_count", grant=feed.grant_id) == 3
    assert sample("bus_delivery_lag_records", grant=feed.grant_id) == 0
    assert report.latency is not None
    assert 0 <= report.latency.p50 <= report.latency.p99 <= report.latency.most


def test_a_subscriber_iterates_typed_events_and_ends_with_the_grant(feed: GrantFeed) -> None:
    feed.send([("c", "1", {"name": "甲"}), ("d", "1", None)])
    events: list[ViewEvent] = []
    with GrantReader(feed.settings, feed.grant_id) as subscriber:
        for batch in subscriber:
            events += batch.events
            if len(events) == 2 and subscriber.at_end:
                feed.end()
    assert [(e.op.value, e.key, e.after) for e in events] == [
        ("c", {"id": "1"}, {"id": "1", "name": "甲", "amount": None}),
        ("d", {"id": "1"}, None),
    ]
    assert (events[0].place, subscriber.ended and subscriber.ended.reason) == ((0, 0), "revoked")
    assert abs(time.time() * 1000 - events[0].released_at) < 60_000


def delivered(feed: GrantFeed, events: int, op: str = "c") -> None:
    """Return when so many events of an operation are in the feed's sink and nothing is left unread."""
    wait_for(lambda: sample("bus_delivered_events_total", grant=feed.grant_id, op=op) >= events, 30)
    wait_for(lambda: sample("bus_delivery_lag_records", grant=feed.grant_id) == 0)


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def wait_for(true: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
