"""One record that cannot be read holds up nothing before it, is named by its place, and is passed over only when asked to."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from consumers.deliver import deliver
from consumers.naming import table_name
from consumers.rejections import rejections
from schemas.errors import ConfigError, PermanentError
from schemas.keys import key_text
from tests.conftest import Cluster
from tests.infra.bus.command import bus
from tests.kit.grant_feed import GrantFeed
from tests.kit.mariadb import ask


@pytest.fixture
def feed(cluster: Cluster, unique: str) -> GrantFeed:
    """Three rows, an event of the second that is cut short, and a fourth row."""
    made = GrantFeed(cluster.settings, unique)
    made.open()
    made.send([("c", f"k{i}", {"amount": i}) for i in range(3)])
    send(made, "k1", made.value("u", "k1", {"amount": 7})[:-1])
    made.send([("c", "k3", {"amount": 3})])
    return made


@pytest.fixture
def sink(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'out' / 'x.db'}"


def send(feed: GrantFeed, key: str, value: bytes) -> None:
    feed._producer.begin_transaction()
    feed._produce(value, key_text([key]).encode(), 0)
    feed._producer.commit_transaction(20)


def rows(sink: str, grant: str) -> dict[str, Any]:
    with closing(sqlite3.connect(sink.removeprefix("sqlite:"))) as db:
        return {r[0]: r[2] for r in db.execute(f'SELECT * FROM "{table_name(grant)}"')}


def test_what_stands_before_it_is_delivered_and_the_error_names_its_place(feed: GrantFeed, sink: str) -> None:
    for _ in range(2):  # it is no other error the second time
        with pytest.raises(PermanentError) as caught:
            deliver(feed.settings, feed.grant_id, sink, until="caught_up")
        assert caught.value.where == f"{feed.topic}[0]@4"
        assert rows(sink, feed.grant_id) == {"k0": 0, "k1": 1, "k2": 2}


def test_other_partitions_lose_nothing_by_it(cluster: Cluster, unique: str, sink: str) -> None:
    feed = GrantFeed(cluster.settings, unique, partitions=3)
    feed.open()
    feed.send([("c", f"k{i}", {"amount": i}) for i in range(30)])
    feed.send_raw(feed.value("c", "raw", None)[:-1], partition=1)
    feed.send([("c", f"k{i}", {"amount": i}) for i in range(30, 60)])
    report = deliver(feed.settings, feed.grant_id, sink, until="caught_up", skip_unreadable=True)
    assert rows(sink, feed.grant_id) == {f"k{i}": i for i in range(60)}
    assert (report.unreadable, report.events, report.duplicates) == (1, 60, 0)
    assert report.positions == feed.ends()


def test_asked_to_it_is_passed_over_its_row_goes_and_a_pointer_stays(feed: GrantFeed, sink: str) -> None:
    report = deliver(feed.settings, feed.grant_id, sink, until="caught_up", skip_unreadable=True)
    assert (report.unreadable, report.events) == (1, 4)
    assert rows(sink, feed.grant_id) == {"k0": 0, "k2": 2, "k3": 3}
    (found,) = rejections(sink)
    assert (found.grant, found.partition, found.offset, found.reason) == (feed.grant_id, 0, 4, "truncated")


def test_excel_keeps_the_pointer_beside_the_workbook(feed: GrantFeed, tmp_path: Path) -> None:
    sink = f"excel:{tmp_path / 'x.xlsx'}"
    deliver(feed.settings, feed.grant_id, sink, until="caught_up", skip_unreadable=True)
    assert [(r.grant, r.offset, r.next, r.reason) for r in rejections(sink)] == [(feed.grant_id, 4, 5, "truncated")]


def test_postgresql_keeps_the_pointer_with_its_rejections(feed: GrantFeed, database: str) -> None:
    assert rejections(database) == []
    deliver(feed.settings, feed.grant_id, database, until="caught_up", skip_unreadable=True)
    with psycopg.connect(database) as db:
        found = db.execute(f'SELECT id FROM "{table_name(feed.grant_id)}" ORDER BY id').fetchall()  # type: ignore[arg-type]
    assert found == [("k0",), ("k2",), ("k3",)]
    assert [(r.grant, r.offset, r.reason) for r in rejections(database)] == [(feed.grant_id, 4, "truncated")]


def test_mysql_keeps_the_pointer_with_its_rejections(feed: GrantFeed, mysql_database: str) -> None:
    assert rejections(mysql_database) == []
    deliver(feed.settings, feed.grant_id, mysql_database, until="caught_up", skip_unreadable=True)
    found = ask(mysql_database, f"SELECT id FROM {table_name(feed.grant_id)} ORDER BY id")
    assert [r["id"] for r in found] == ["k0", "k2", "k3"]
    assert [(r.grant, r.offset, r.reason) for r in rejections(mysql_database)] == [(feed.grant_id, 4, "truncated")]


def test_in_files_it_is_one_more_delete_of_its_key(feed: GrantFeed, tmp_path: Path) -> None:
    report = deliver(feed.settings, feed.grant_id, f"jsonl:{tmp_path}", until="caught_up", skip_unreadable=True)
    assert (report.unreadable, report.events) == (1, 4)
    changes = [
        json.loads(line)
        for file in sorted((tmp_path / table_name(feed.grant_id) / "current").glob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]
    assert [(c["_op"], c["id"], c["_offset"]) for c in changes] == [
        ("c", "k0", 0),
        ("c", "k1", 1),
        ("c", "k2", 2),
        ("d", "k1", 4),
        ("c", "k3", 6),
    ]
    assert changes[3]["_released_at"] is None


@pytest.mark.parametrize("foreign", [b"junk", b"\0\xff\xff\xff\xff??"])
def test_what_another_than_the_exchange_wrote_is_never_passed_over(feed: GrantFeed, sink: str, foreign: bytes) -> None:
    send(feed, "k9", foreign)
    with pytest.raises(PermanentError):
        deliver(feed.settings, feed.grant_id, sink, until="caught_up", skip_unreadable=True)
    assert rows(sink, feed.grant_id) == {"k0": 0, "k2": 2, "k3": 3}


def test_the_command_asks_before_it_passes_over_and_lists_the_pointers(
    feed: GrantFeed, sink: str, tmp_path: Path
) -> None:
    settings = feed.settings
    environ = {
        "BUS_BOOTSTRAP_SERVERS": str(settings.bootstrap_servers),
        "BUS_REGISTRY_URL": str(settings.registry_url),
        "BUS_KEY_FILE": str(settings.key_file),
    }
    line = ["deliver", "--grant", feed.grant_id, "--sink", sink, "--until", "caught-up", "--skip-unreadable"]
    refused = bus(*line, home=tmp_path, **environ)
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    assert bus(*line, "--yes", home=tmp_path, **environ).returncode == 0
    listed = bus("dead-letters", "list", "--sink", sink, home=tmp_path, **environ)
    assert f"{feed.grant_id}\t0:4\ttruncated" in listed.stdout


def test_a_sink_that_keeps_no_list_says_so() -> None:
    with pytest.raises(ConfigError, match="keeps no list"):
        rejections("files:/tmp/x")
