"""A deliverer is away while compaction really takes tombstones out of its grant's topic; afterwards its table is the model's."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from consumers.deliver import deliver
from consumers.naming import table_name
from infra.control.topics import of_grant
from infra.runtime.kafka import admin
from schemas.keys import key_text
from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab
from tests.kit.grant_feed import GrantFeed

_OUTAGE_S, _ROWS = 6, 200
_QUICK = {"segment.ms": "200", "min.cleanable.dirty.ratio": "0.01", "file.delete.delay.ms": "1"}


@pytest.fixture
def feed(cluster: Cluster, unique: str) -> GrantFeed:
    """A grant whose topic is as the bus makes it for a city that tolerates an outage of seconds, compacted at once."""
    made = GrantFeed(cluster.settings.model_copy(update={"tolerated_outage_s": _OUTAGE_S}), unique)
    made.open()
    wanted = dict(of_grant(made.grant_id, 1, 1, _OUTAGE_S * 1000).config) | _QUICK
    entries = [ConfigEntry(k, v, incremental_operation=AlterConfigOpType.SET) for k, v in wanted.items()]
    asked = ConfigResource(ResourceType.TOPIC, made.topic, incremental_configs=entries)
    client = admin(made.settings)
    client.incremental_alter_configs([asked])[asked].result()
    return made


def compacted(feed: GrantFeed, gone: list[str], seconds: float) -> None:
    """Wait until nothing in the topic tells of these rows any more, keeping segments closing."""
    deadline, keys = time.monotonic() + seconds, {key_text([key]).encode() for key in gone}
    lab = Lab(feed.settings, feed.word)
    while any(m.key() in keys for m in lab.messages(feed.topic)):
        assert time.monotonic() < deadline, "the cleaner has not come"
        feed.send([("c", "tick", {"amount": 0})])
        time.sleep(0.5)


def test_a_deliverer_away_while_tombstones_were_compacted_makes_its_table_anew_and_equals_the_model(
    feed: GrantFeed, tmp_path: Path, database: str
) -> None:
    table, file, other = table_name(feed.grant_id), tmp_path / "x.db", tmp_path / "reads_on.db"
    sinks = [f"sqlite:{file}", database]
    select = f'SELECT id, amount FROM "{table}"'

    def in_file(path: Path) -> dict[str, int]:
        with closing(sqlite3.connect(path)) as db:
            return dict(db.execute(select).fetchall())

    def in_database() -> dict[str, int]:
        with psycopg.connect(database) as db:
            return dict(db.execute(select).fetchall())  # type: ignore[arg-type]

    rows = [f"k{i}" for i in range(_ROWS)]
    feed.send([("c", key, {"amount": 1}) for key in rows])
    for sink in [*sinks, f"sqlite:{other}"]:
        assert deliver(feed.settings, feed.grant_id, sink, until="caught_up").events == _ROWS

    gone, changed = rows[::2], rows[1::4]
    feed.send([("d", key, None) for key in gone])
    feed.send([("u", key, {"amount": 2}) for key in changed])
    model = dict.fromkeys(rows[1::2], 1) | dict.fromkeys(changed, 2) | {"tick": 0}
    compacted(feed, gone, 120)

    assert [deliver(feed.settings, feed.grant_id, sink, until="caught_up").rebuilt for sink in sinks] == [1, 1]
    assert in_file(file) == in_database() == model

    patient = feed.settings.model_copy(update={"tolerated_outage_s": 7 * 24 * 3600})
    assert deliver(patient, feed.grant_id, f"sqlite:{other}", until="caught_up").rebuilt == 0
    assert in_file(other).keys() - model.keys() == set(gone), "what reading on would have kept"
