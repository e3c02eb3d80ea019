"""A deliverer killed with `kill -9` again and again loses nothing and applies nothing twice: every event is counted."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from consumers.deliver import deliver
from consumers.naming import table_name
from tests.conftest import Cluster
from tests.kit.grant_feed import GrantFeed
from tests.kit.mariadb import ask

KILLS = 3
TRANSACTIONS = 200
CHILD = """
import sys
from infra.runtime.settings import Settings
from consumers import ahead
from consumers.deliver import deliver
ahead.BULK = 1  # so that a batch is ahead whenever there is one
deliver(Settings(), sys.argv[1], sys.argv[2])
"""


class Load(threading.Thread):
    """Sends transactions of creates, updates and deletes, and keeps the model they come to: so many, and on until `enough`."""

    def __init__(self, feed: GrantFeed, seed: int, transactions: int = TRANSACTIONS) -> None:
        super().__init__()
        self.transactions = transactions
        self.feed, self.dice = feed, random.Random(seed)
        self.model: dict[str, int] = {}
        self.sent = 0
        self.failed: BaseException | None = None
        self.enough = threading.Event()
        self.enough.set()

    def run(self) -> None:
        try:
            done = 0
            while done < self.transactions or not self.enough.is_set():
                done += 1
                self.feed.send([self._event() for _ in range(40)])
                time.sleep(0.01)  # a load has a rate; nothing waits for this
        except BaseException as error:
            self.failed = error
            raise

    def __enter__(self) -> None:
        """It does not end before the block does, however slow the machine is."""
        self.enough.clear()
        self.start()

    def __exit__(self, *_: object) -> None:
        self.enough.set()
        self.join()

    def _event(self) -> tuple[str, str, dict[str, Any] | None]:
        key, self.sent = f"k{self.dice.randrange(400)}", self.sent + 1
        if key in self.model and self.dice.random() < 0.3:
            del self.model[key]
            return "d", key, None
        op = "u" if key in self.model else "c"
        self.model[key] = self.sent
        return op, key, {"amount": self.sent}


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Callable[[str], list[Any]]]:
    """A sink's address, and a way to ask its database."""
    if request.param == "sqlite":
        path = tmp_path / "x.db"

        def ask_file(text: str) -> list[Any]:
            with closing(sqlite3.connect(path, timeout=5)) as db:
                return db.execute(text).fetchall()

        return f"sqlite:{path}", ask_file
    if request.param == "mysql":
        address = request.getfixturevalue("mysql_database")
        return address, lambda text: [tuple(row.values()) for row in ask(address, text.replace('"', "`"))]
    url = request.getfixturevalue("database")

    def ask_server(text: str) -> list[Any]:
        with psycopg.connect(url) as db:
            return db.execute(text).fetchall()

    return url, ask_server


def test_kill_9_in_mid_flow_loses_nothing_and_repeats_nothing(
    cluster: Cluster, unique: str, place: tuple[str, Callable[[str], list[Any]]]
) -> None:
    url, ask = place
    feed = GrantFeed(cluster.settings, unique, partitions=2)
    feed.open()
    deliver(feed.settings, feed.grant_id, url, until="caught_up")
    load, killed_at = Load(feed, seed=7), []
    with load:
        for _ in range(KILLS):
            before = held(ask)
            child = start(feed, url)
            try:
                killed_at.append(wait_until_more(ask, before, child))
            finally:
                os.kill(child.pid, signal.SIGKILL)
                child.wait()
    report = deliver(feed.settings, feed.grant_id, url, until="caught_up")
    rows = dict(ask(f'SELECT id, amount FROM "{table_name(feed.grant_id)}"'))
    assert load.failed is None
    assert killed_at == sorted(set(killed_at)), "every kill came after more had been delivered"
    assert killed_at[0] < load.sent
    assert rows == load.model
    assert (held(ask), report.held_events, report.duplicates) == (load.sent, load.sent, 0)


def start(feed: GrantFeed, url: str) -> subprocess.Popen[bytes]:
    settings = feed.settings
    environment = {
        **os.environ,
        "BUS_BOOTSTRAP_SERVERS": str(settings.bootstrap_servers),
        "BUS_REGISTRY_URL": str(settings.registry_url),
    }
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, feed.grant_id, url],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )


def held(ask: Callable[[str], list[Any]]) -> int:
    return int(ask("SELECT sum(events) FROM _bus_positions")[0][0])


def wait_until_more(ask: Callable[[str], list[Any]], before: int, child: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + 20
    while (now := held(ask)) <= before:
        assert child.poll() is None, "the deliverer ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return now
