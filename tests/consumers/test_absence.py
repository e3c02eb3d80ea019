"""A reader that was away for longer than its topic keeps deletes must not simply read on."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from consumers.absence import Absence, AwayTooLong
from consumers.deliver import deliver
from consumers.grant_reader import GrantReader
from consumers.naming import table_name
from consumers.pace import BURST_S, Pace
from tests.conftest import Cluster
from tests.kit.grant_feed import GrantFeed

DAY_MS = 24 * 3_600_000
TOLERATED_MS = 7 * DAY_MS


@pytest.fixture
def feed(cluster: Cluster, unique: str) -> GrantFeed:
    made = GrantFeed(cluster.settings, unique)
    made.open()
    return made


def later(days: float) -> Callable[[], int]:
    return lambda: time.time_ns() // 1_000_000 + int(days * DAY_MS)


def test_a_copy_begun_lately_may_leave_old_records_unread_and_an_older_one_may_not() -> None:
    now = 10 * TOLERATED_MS
    oldest = now - int(0.9 * TOLERATED_MS)
    assert Absence(oldest, TOLERATED_MS).limit(now) is None
    assert Absence(oldest - 1, TOLERATED_MS).limit(now) == oldest
    assert Absence(None, TOLERATED_MS).limit(now) == oldest


def test_the_limit_is_announced_at_half_and_at_three_quarters_of_the_time() -> None:
    now, never = 10 * TOLERATED_MS, Absence(0, TOLERATED_MS)
    ages = {0.49: None, 0.51: "half", 0.74: "half", 0.76: "three quarters", 1.1: "three quarters"}
    assert {share: never.nearness(now - int(share * TOLERATED_MS), now) for share in ages} == ages


def test_a_copy_being_filled_from_old_records_is_not_behind() -> None:
    now = 10 * TOLERATED_MS
    assert Absence(now - 1000, TOLERATED_MS).nearness(now - 3 * TOLERATED_MS, now) is None


def test_a_reader_back_within_the_time_reads_on(feed: GrantFeed) -> None:
    feed.send([("c", "1", None)])
    with GrantReader(feed.settings, feed.grant_id, now_ms=later(6.2)) as reader:
        reader.start({0: 1}, 0)


def test_a_reader_back_too_late_is_told_which_place_it_left(feed: GrantFeed) -> None:
    feed.send([("c", "1", None)])
    feed.send([("c", "2", None)])
    with (
        GrantReader(feed.settings, feed.grant_id, now_ms=later(6.4)) as reader,
        pytest.raises(AwayTooLong) as told,
    ):
        reader.start({0: 2}, 0)
    assert told.value.where == f"{feed.topic}[0]@2"


def test_a_reader_that_left_nothing_unread_may_be_away_for_ever(feed: GrantFeed) -> None:
    feed.send([("c", "1", None)])
    with GrantReader(feed.settings, feed.grant_id, now_ms=later(700)) as reader:
        reader.start(feed.ends(), 0)


def test_a_filling_interrupted_in_the_middle_of_old_records_goes_on(feed: GrantFeed) -> None:
    feed.send([("c", str(n), None) for n in range(10)])
    now = later(30)
    with GrantReader(feed.settings, feed.grant_id, now_ms=now) as reader:
        reader.start({0: 4}, now() - DAY_MS)
        batch = reader.poll(5.0)
    assert batch is not None and len(batch.records) == 6


def test_a_delivery_away_too_long_makes_its_table_anew_and_keeps_no_row_whose_delete_is_gone(
    feed: GrantFeed, tmp_path: Path
) -> None:
    path = tmp_path / "x.db"
    feed.send([("c", "stays", None), ("c", "goes", None)])
    assert deliver(feed.settings, feed.grant_id, f"sqlite:{path}", until="caught_up").rebuilt == 0
    with closing(sqlite3.connect(path)) as db, db:  # a row whose delete the topic no longer has, and a copy of long ago
        db.execute(f'INSERT INTO "{table_name(feed.grant_id)}" (id) VALUES (?)', ["whose delete is gone"])
        db.execute("UPDATE _bus_views SET since_ms = 0")
    feed.send([("d", "goes", None)])
    time.sleep(1.0)  # what was sent is a second old then, whatever the machine does
    impatient = feed.settings.model_copy(update={"tolerated_outage_s": 1})
    report = deliver(impatient, feed.grant_id, f"sqlite:{path}", until="caught_up")
    assert report.rebuilt == 1
    with closing(sqlite3.connect(path)) as db:
        assert db.execute(f'SELECT id FROM "{table_name(feed.grant_id)}"').fetchall() == [("stays",)]


def test_a_delivery_never_goes_faster_than_its_pace(feed: GrantFeed, tmp_path: Path) -> None:
    feed.send([("c", str(n), None) for n in range(600)])
    began = time.monotonic()
    report = deliver(feed.settings, feed.grant_id, f"sqlite:{tmp_path / 'x.db'}", until="caught_up", pace=Pace(300))
    assert report.events == 600
    assert time.monotonic() - began >= 600 / 300 - BURST_S - 0.1
