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
PATIENCE_S = 120
CHILD = """
import sys
from infra.runtime.settings import Settings
from consumers import ahead
from consumers.deliver import deliver
ahead.BULK = 1  # so that a batch is ahead whenever there is one
deliver(Settings(), sys.argv[1], sys.argv[2])
"""


class Load(threading.Thread):
    """`with Load(…) as load:` sends transactions of creates, updates and deletes, so many at least and as long as the block
    lasts, so that whatever happens in it happens in mid flow. It keeps the model they come to."""

    def __init__(self, feed: GrantFeed, seed: int, transactions: int = TRANSACTIONS) -> None:
        super().__init__()
        self.transactions = transactions
        self.feed, self.dice = feed, random.Random(seed)
        self.model: dict[str, int] = {}
        self.sent = 0
        self.failed: BaseException | None = None
        self._enough = threading.Event()

    def __enter__(self) -> Load:
        self.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._enough.set()
        self.join()
        if error is None:
            assert self.failed is None

    def run(self) -> None:
        done = 0
        try:
            while done < self.transactions or not self._enough.is_set():
                self.feed.send([self._event() for _ in range(40)])
                done += 1
                time.sleep(0.01)  # a load has a rate; nothing waits for this
        except BaseException as error:
            self.failed = error
            raise

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
    killed_at: list[int] = []
    with Load(feed, seed=7) as load:
        for _ in range(KILLS):
            before = held(ask)
            child = start(feed, url)
            try:
                killed_at.append(wait_until_more(lambda: held(ask), before, child))
            finally:
                os.kill(child.pid, signal.SIGKILL)
                child.wait()
    report = deliver(feed.settings, feed.grant_id, url, until="caught_up")
    rows = dict(ask(f'SELECT id, amount FROM "{table_name(feed.grant_id)}"'))
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


def wait_until_more(count: Callable[[], int], before: int, child: subprocess.Popen[bytes]) -> int:
    """The first count above the one before. The deadline is for a deliverer that hangs: on a machine that others load, its start
    alone takes long."""
    deadline = time.monotonic() + PATIENCE_S
    while (now := count()) <= before:
        assert child.poll() is None, "the deliverer ended by itself"
        assert time.monotonic() < deadline, "the deliverer hangs"
        time.sleep(0.005)
    return now
