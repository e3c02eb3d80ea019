"""A grant delivered again on a real broker, from a time or an offset on: the sink ends as if nothing had happened."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from consumers.catalogue import sink_for
from consumers.deliver import deliver
from consumers.events import Batch, Step
from consumers.grant_reader import GrantReader
from consumers.naming import table_name
from consumers.replay import plan, replay
from consumers.sink import Zombie
from consumers.starting import From, read_from
from infra.runtime.kafka import admin
from schemas.errors import ConfigError
from tests.conftest import Cluster
from tests.infra.bus.command import bus
from tests.kit.grant_feed import GrantFeed


@pytest.fixture
def feed(cluster: Cluster, unique: str) -> GrantFeed:
    """A grant with 100 rows made, half of them changed, a fifth of them deleted."""
    made = GrantFeed(cluster.settings, unique)
    made.open()
    made.send([("c", f"k{i}", {"amount": i}) for i in range(100)])
    made.send([("u", f"k{i}", {"amount": -i}) for i in range(0, 100, 2)])
    made.send([("d", f"k{i}", None) for i in range(0, 100, 5)])
    return made


@pytest.fixture
def sink(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'out' / 'x.db'}"


def rows(sink: str, grant: str) -> dict[str, Any]:
    with closing(sqlite3.connect(sink.removeprefix("sqlite:"))) as db:
        return {r[0]: r[1:] for r in db.execute(f'SELECT * FROM "{table_name(grant)}"')}


MODEL = {f"k{i}": (None, i if i % 2 else -i) for i in range(100) if i % 5}


@pytest.mark.parametrize("offset", [0, 30, 120, 160])
def test_the_same_sink_set_back_ends_with_the_same_rows(feed: GrantFeed, sink: str, offset: int) -> None:
    deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    planned = plan(feed.settings, feed.grant_id, sink, From(offset=offset))
    done = replay(feed.settings, planned, sink).delivery
    assert rows(sink, feed.grant_id) == MODEL
    assert (done.positions, planned.again, planned.fresh) == (feed.ends(), feed.ends()[0] - offset, False)
    assert done.duplicates == 0


def test_a_row_that_was_spoilt_in_the_sink_is_right_again(feed: GrantFeed, sink: str) -> None:
    deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    with closing(sqlite3.connect(sink.removeprefix("sqlite:"))) as db:
        db.execute(f'UPDATE "{table_name(feed.grant_id)}" SET amount = 4711')
        db.commit()
    replay(feed.settings, plan(feed.settings, feed.grant_id, sink, From(offset=0)), sink)
    assert rows(sink, feed.grant_id) == MODEL


def test_another_sink_begins_there_and_is_given_nothing_before(feed: GrantFeed, sink: str) -> None:
    planned = plan(feed.settings, feed.grant_id, sink, From(offset=101))
    done = replay(feed.settings, planned, sink).delivery
    assert (planned.fresh, planned.again) == (True, 0)
    assert done.by_op == {"u": 50, "d": 20}
    assert set(rows(sink, feed.grant_id)) == {f"k{i}" for i in range(0, 100, 2) if i % 5}


def test_a_time_is_the_first_record_that_is_not_older(feed: GrantFeed, sink: str) -> None:
    time.sleep(0.01)
    moment, before = int(time.time() * 1000), feed.ends()[0]
    time.sleep(0.01)
    feed.send([("c", "later", None)])
    planned = plan(feed.settings, feed.grant_id, sink, From(at_ms=moment))
    assert planned.start == {0: before}


def test_only_one_partition_is_set_back(cluster: Cluster, unique: str, sink: str) -> None:
    feed = GrantFeed(cluster.settings, unique, partitions=3)
    feed.open()
    feed.send([("c", f"k{i}", {"amount": i}) for i in range(60)])
    deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    planned = plan(feed.settings, feed.grant_id, sink, From(offset=2), partition=1)
    ends = feed.ends()
    assert planned.start == ends | {1: 2}
    done = replay(feed.settings, planned, sink).delivery
    assert (done.positions, done.events) == (ends, 18)


def test_a_deliverer_that_runs_on_the_sink_stops_and_nothing_is_lost(feed: GrantFeed, sink: str) -> None:
    deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    running = sink_for(sink)
    with GrantReader(feed.settings, feed.grant_id) as reader:
        held = running.open(reader.view).positions[0]
        planned = plan(feed.settings, feed.grant_id, sink, From(offset=0))
        replay(feed.settings, planned, sink)
        feed.send([("c", "new", None)])
        replay(feed.settings, plan(feed.settings, feed.grant_id, sink, From(offset=held - 1)), sink)
        with pytest.raises(Zombie):
            running.write(Batch([], {0: Step(held, held + 1, 0)}))
    running.close()
    assert set(rows(sink, feed.grant_id)) == {*MODEL, "new"}


def test_each_place_that_is_not_there_is_told_by_its_own_message(feed: GrantFeed, sink: str) -> None:
    for start, said in [
        (From(offset=10_000), "ends before it"),
        (From(at_ms=-1), "begins later"),
        (From(at_ms=int(time.time() * 1000) + 3_600_000), "nothing in the topic is as new"),
    ]:
        with pytest.raises(ConfigError, match=said):
            plan(feed.settings, feed.grant_id, sink, start)
    deliver(feed.settings, feed.grant_id, sink, until="caught_up")
    with pytest.raises(ConfigError, match="has only come to 0:"):
        plan(feed.settings, feed.grant_id, sink, From(offset=feed.ends()[0]))


def test_offsets_that_were_removed_are_told_of(feed: GrantFeed, sink: str) -> None:
    client = admin(feed.settings)
    entry = ConfigEntry("cleanup.policy", "compact,delete", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, feed.topic, incremental_configs=[entry])
    client.incremental_alter_configs([resource])[resource].result(20)
    client.delete_records([TopicPartition(feed.topic, 0, 40)])[TopicPartition(feed.topic, 0, 40)].result()
    with pytest.raises(ConfigError, match="before offset 40 has been removed"):
        plan(feed.settings, feed.grant_id, sink, From(offset=39))


def test_a_place_without_a_record_names_the_next_one(feed: GrantFeed, sink: str) -> None:
    assert plan(feed.settings, feed.grant_id, sink, From(offset=100)).first == {0: 101}  # 100 is a transaction marker


def test_a_grant_that_has_ended_is_not_delivered_again(feed: GrantFeed, sink: str) -> None:
    feed.end()
    with pytest.raises(ConfigError, match=r"has ended \(revoked"):
        plan(feed.settings, feed.grant_id, sink, From(offset=0))


def test_a_time_without_a_zone_is_chinese_civil_time() -> None:
    assert read_from("2026-11-01T08:00").at_ms == read_from("2026-11-01T00:00Z").at_ms == 1_793_491_200_000
    assert read_from("2026-11-01").at_ms == 1_793_491_200_000 - 8 * 3_600_000
    assert read_from("4711") == From(offset=4711)
    with pytest.raises(ConfigError, match="ISO 8601"):
        read_from("yesterday")


def test_the_command_asks_before_it_sets_back_and_reports(feed: GrantFeed, sink: str, tmp_path: Path) -> None:
    settings = feed.settings
    environ = {
        "BUS_BOOTSTRAP_SERVERS": str(settings.bootstrap_servers),
        "BUS_REGISTRY_URL": str(settings.registry_url),
        "BUS_KEY_FILE": str(settings.key_file),
    }
    deliver(settings, feed.grant_id, sink, until="caught_up")
    line = ["replay", "--grant", feed.grant_id, "--from", "100", "--sink", sink]
    refused = bus(*line, home=tmp_path, **environ)
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    done = bus(*line, "--yes", "--json", home=tmp_path, **environ)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["plan"]["start"], report["delivery"]["events"]) == ({"0": 100}, 70)
    assert rows(sink, feed.grant_id) == MODEL
