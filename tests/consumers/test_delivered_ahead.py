"""Deliveries on a real broker with a batch read ahead of the one that is being written: what happens then happens as without."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consumers.control import GrantWatch
from consumers.deliver import deliver
from consumers.events import Batch
from consumers.grant_reader import GrantReader
from consumers.sink import Written
from consumers.sinks.sqlite.sink import SqliteSink
from schemas.errors import PermanentError, TransientError
from schemas.text import Text
from tests.conftest import Cluster
from tests.consumers.test_deliver import rows
from tests.kit.grant_feed import GrantFeed

SIZE = 100
EVENTS = 5 * SIZE
DEADLINE_S = 20.0


@pytest.fixture
def feed(cluster: Cluster, unique: str) -> GrantFeed:
    made = GrantFeed(cluster.settings, unique)
    made.open()
    made.send([("c", f"k{i}", {"amount": i}) for i in range(EVENTS)])
    return made


@pytest.fixture
def sink(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'x.db'}"


@pytest.fixture
def in_first_write(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Batches are small, and something happens in the first write of records, when the batch after it has been read."""
    monkeypatch.setattr("consumers.deliver.MAX_RECORDS", SIZE)
    monkeypatch.setattr("consumers.ahead.BULK", 1)
    ahead, poll, write = threading.Event(), GrantReader.poll, SqliteSink.write
    first = threading.get_ident()

    def read(self: GrantReader, *given: Any, **named: Any) -> Batch | None:
        batch = poll(self, *given, **named)
        if batch is not None and threading.get_ident() != first:
            ahead.set()
        return batch

    def begin(happens: Callable[[], Any]) -> None:
        waiting = [happens]

        def written(self: SqliteSink, batch: Batch) -> Written:
            if waiting and batch.records:
                assert ahead.wait(DEADLINE_S)
                waiting.pop()()
            return write(self, batch)

        monkeypatch.setattr(SqliteSink, "write", written)

    monkeypatch.setattr(GrantReader, "poll", read)
    return begin


def test_nothing_read_ahead_is_written_once_the_grant_has_ended(
    feed: GrantFeed, sink: str, in_first_write: Callable[[Callable[[], Any]], None]
) -> None:
    with GrantWatch(feed.settings) as watch:

        def end() -> None:
            feed.end()
            assert watch.state(fresh=True).grants[feed.grant_id].ended is not None

        in_first_write(end)
        report = deliver(feed.settings, feed.grant_id, sink, watch=watch)
    assert (report.ended, report.cut_off) == ("revoked", True)
    assert (report.events, report.positions) == (SIZE, {0: SIZE})
    assert len(rows(sink, feed.grant_id)) == SIZE


def test_an_amended_grants_former_generation_is_read_to_its_fence_all_the_same(
    feed: GrantFeed, sink: str, in_first_write: Callable[[Callable[[], Any]], None]
) -> None:
    with GrantWatch(feed.settings) as watch:

        def amend() -> None:
            fence = feed.ends()
            feed.open()
            feed.fence(generation=1, offsets=fence)
            feed.send([("r", "new", None)])
            feed.end()
            watch.state(fresh=True)

        in_first_write(amend)
        report = deliver(feed.settings, feed.grant_id, sink, watch=watch)
    assert (report.followed, report.by_op.get("c"), report.ended) == ((1,), EVENTS, "revoked")


def test_stopped_with_a_batch_ahead_the_next_run_begins_with_it(
    feed: GrantFeed, sink: str, in_first_write: Callable[[Callable[[], Any]], None]
) -> None:
    stop = threading.Event()
    in_first_write(stop.set)
    first = deliver(feed.settings, feed.grant_id, sink, stop=stop)
    second = deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    assert (first.events, first.positions, first.ended) == (SIZE, {0: SIZE}, None)
    assert (second.events, second.held_events, second.duplicates) == (EVENTS - SIZE, EVENTS, 0)


def test_after_a_failed_write_what_was_read_ahead_is_read_again(
    feed: GrantFeed, sink: str, in_first_write: Callable[[Callable[[], Any]], None]
) -> None:
    def fail() -> None:
        raise TransientError(Text("out of reach", "不可达"))

    in_first_write(fail)
    report = deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    assert (report.retries, report.events, report.held_events, report.duplicates) == (1, EVENTS, EVENTS, 0)
    assert {key: row[1] for key, row in rows(sink, feed.grant_id).items()} == {f"k{i}": i for i in range(EVENTS)}


def test_what_stands_before_an_unreadable_event_is_written_first(
    feed: GrantFeed, sink: str, in_first_write: Callable[[Callable[[], Any]], None]
) -> None:
    feed.send_raw(b"\0\0\0\0")
    feed.send([("c", "behind", None)])
    in_first_write(lambda: None)
    with pytest.raises(PermanentError):
        deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    assert set(rows(sink, feed.grant_id)) == {f"k{i}" for i in range(EVENTS)}
