"""A program killed with `kill -9` again and again: with a ledger nothing is lost and nothing acknowledged comes again; with
positions in its own database nothing is lost and nothing applied twice. Every event is counted."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from consumers.examples import copy_to_sqlite
from tests.conftest import Cluster
from tests.consumers.test_killed_deliverer import KILLS, PATIENCE_S, Load
from tests.kit.grant_feed import GrantFeed

NOTES = """
import sys
from consumers import Event, Subscriber
with open(sys.argv[2], "a", buffering=1) as out, Subscriber(grant=sys.argv[1]) as events:
    for event in events:
        if isinstance(event, Event):
            out.write(f"got {event.place.partition}@{event.place.offset}\\n")
        event.acknowledge()
        if isinstance(event, Event):
            out.write(f"acknowledged {event.place.partition}@{event.place.offset}\\n")
"""
COPIES = "import sys; from consumers.examples.copy_to_sqlite import main; main(sys.argv[1], sys.argv[2])"


def test_with_a_ledger_everything_comes_and_only_what_was_not_acknowledged_comes_twice(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    feed = GrantFeed(cluster.settings, unique, partitions=2)
    feed.open()
    notes = tmp_path / "notes"
    notes.touch()

    def seen() -> int:
        return notes.read_text().count("acknowledged")

    with Load(feed, seed=11) as load:
        for _ in range(KILLS):
            kill_after_more(feed, NOTES, notes, seen, tmp_path)
    child = start(feed, NOTES, notes, tmp_path)
    wait_until(lambda: len(_places(notes, "got")) >= load.sent, child)
    end(child)
    got, acknowledged = _places(notes, "got"), _places(notes, "acknowledged")
    assert len(got) == load.sent, "every event came, and nothing else"
    assert set(acknowledged.values()) == {1}, "what was acknowledged never came again"
    assert sum(got.values()) - len(got) <= KILLS, "at most the one in hand when a kill came"


def test_with_its_own_positions_the_copy_equals_the_model_and_counts_every_change_once(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    feed = GrantFeed(cluster.settings, unique, partitions=2)
    feed.open()
    path = tmp_path / "copy.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(copy_to_sqlite.TABLES)

    def changes() -> int:
        with closing(sqlite3.connect(path, timeout=10)) as db:
            return int(db.execute("SELECT changes FROM progress").fetchone()[0])

    with Load(feed, seed=12) as load:
        for _ in range(KILLS):
            kill_after_more(feed, COPIES, path, changes, tmp_path)
    child = start(feed, COPIES, path, tmp_path)
    wait_until(lambda: changes() >= load.sent, child)
    end(child)
    with closing(sqlite3.connect(path)) as db:
        rows = {json.loads(key)["id"]: json.loads(row)["amount"] for key, row in db.execute("SELECT * FROM copy")}
    assert rows == load.model
    assert changes() == load.sent


def _places(notes: Path, word: str) -> Counter[str]:
    return Counter(line.split()[1] for line in notes.read_text().splitlines() if line.startswith(word + " "))


def start(feed: GrantFeed, program: str, target: Path, home: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "BUS_HOME": str(home),
        "BUS_BOOTSTRAP_SERVERS": str(feed.settings.bootstrap_servers),
        "BUS_REGISTRY_URL": str(feed.settings.registry_url),
    }
    return subprocess.Popen([sys.executable, "-c", program, feed.grant_id, str(target)], env=environment)


def end(child: subprocess.Popen[bytes]) -> None:
    os.kill(child.pid, signal.SIGKILL)
    child.wait()


def kill_after_more(feed: GrantFeed, program: str, target: Path, count: Callable[[], int], home: Path) -> None:
    """Run the program until it has done more than before, and kill it in the middle of that."""
    before, child = count(), start(feed, program, target, home)
    try:
        wait_until(lambda: count() > before + 100, child)
    finally:
        end(child)


def wait_until(condition: Callable[[], bool], child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert child.poll() is None, "the program ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.02)
