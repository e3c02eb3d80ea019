"""What may happen to a database while a grant is delivered into it; each ends in counting every row and every event."""

from __future__ import annotations

import secrets
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
import psycopg.rows
import pymysql
import pytest

from consumers.deliver import deliver
from consumers.naming import table_name
from consumers.rejections import rejections
from consumers.report import DeliveryReport
from infra.bus.throwaway_postgres import PostgresServer, postgres_server
from schemas.errors import PermanentError
from tests.conftest import Cluster
from tests.consumers.test_deliver import delivered, sample, wait_for
from tests.consumers.test_killed_deliverer import Load
from tests.kit.grant_feed import GrantFeed
from tests.kit.mariadb import MariadbServer, ask, mariadb_server

EVENTS = 300


class Place(Protocol):
    """A server of this module's own, and how to trouble it."""

    url: str

    def restart(self) -> None: ...
    def run(self, *statements: str) -> list[dict[str, Any]]: ...
    def lock(self, table: str) -> Any: ...
    def set_password(self, word: str) -> None: ...
    def not_null(self, table: str, column: str) -> str: ...


class PostgresqlPlace:
    """A role `taker` with a password of its own, and a database it owns."""

    def __init__(self, server: PostgresServer, database: str) -> None:
        self._server = server
        self._admin = server.url.rpartition("/")[0] + f"/{database}"
        hba = server.data / "pg_hba.conf"
        hba.write_text("host all taker 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
        with psycopg.connect(server.url, autocommit=True) as db:
            db.execute("SELECT pg_reload_conf()")
            if not db.execute("SELECT 1 FROM pg_roles WHERE rolname = 'taker'").fetchone():
                db.execute("CREATE ROLE taker LOGIN PASSWORD 'first'")
            db.execute(f"CREATE DATABASE {database} OWNER taker")  # type: ignore[arg-type]
        self.url = self._admin.replace("bus@", "taker:first@")

    def restart(self) -> None:
        self._server.stop(signal.SIGQUIT)
        self._server.start()

    def run(self, *statements: str) -> list[dict[str, Any]]:
        with psycopg.connect(self._admin, row_factory=psycopg.rows.dict_row) as db:
            for statement in statements:
                cursor = db.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def lock(self, table: str) -> Iterator[None]:
        with psycopg.connect(self._admin) as db:
            db.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")  # type: ignore[arg-type]
            yield

    def set_password(self, word: str) -> None:
        self.run(
            f"ALTER ROLE taker PASSWORD '{word}'",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'taker'",
        )

    def not_null(self, table: str, column: str) -> str:
        return f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL"


class MariadbPlace:
    """A user `taker` with a password of its own, and a database it may do everything in."""

    def __init__(self, server: MariadbServer, database: str) -> None:
        self._server = server
        self._admin = server.url.rpartition("/")[0] + f"/{database}"
        ask(
            server.url,
            f"CREATE DATABASE {database}",
            "CREATE OR REPLACE USER taker@'%' IDENTIFIED BY 'first'",
            f"GRANT ALL ON {database}.* TO taker@'%'",
        )
        self.url = self._admin.replace("bus:bus@", "taker:first@")

    def restart(self) -> None:
        self._server.stop(signal.SIGKILL)
        self._server.start()

    def run(self, *statements: str) -> list[dict[str, Any]]:
        return ask(self._admin, *statements)

    @contextmanager
    def lock(self, table: str) -> Iterator[None]:
        host, _, database = self._admin.rpartition("@")[2].partition("/")
        with pymysql.connect(
            host="127.0.0.1", port=int(host.partition(":")[2]), user="bus", password="bus", database=database
        ) as db:
            db.query(f"LOCK TABLES {table} WRITE")
            yield

    def set_password(self, word: str) -> None:
        self.run(f"ALTER USER taker@'%' IDENTIFIED BY '{word}'")
        for row in self.run("SELECT id AS n FROM information_schema.processlist WHERE user = 'taker'"):
            self.run(f"KILL {row['n']}")

    def not_null(self, table: str, column: str) -> str:
        return f"ALTER TABLE {table} MODIFY {column} BIGINT NOT NULL"


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Callable[[str], Place]]]:
    """A server of each kind that is this module's own: its neighbours' tests must not see it fall."""
    with postgres_server(durable=True) as postgresql, mariadb_server() as mariadb:
        yield {
            "postgresql": lambda name: PostgresqlPlace(postgresql, name),
            "mysql": lambda name: MariadbPlace(mariadb, name),
        }


@pytest.fixture(params=["postgresql", "mysql"])
def place(request: pytest.FixtureRequest, servers: dict[str, Callable[[str], Place]], unique: str) -> Place:
    return servers[request.param](unique)


@pytest.fixture
def feed(cluster: Cluster, unique: str) -> GrantFeed:
    made = GrantFeed(cluster.settings, unique, partitions=2)
    made.open()
    return made


@contextmanager
def delivering(feed: GrantFeed, url: str) -> Iterator[Future[DeliveryReport]]:
    """A delivery beside the test, that is stopped at the end."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(deliver, feed.settings, feed.grant_id, url, stop=stop)
        finally:
            stop.set()


def retries(feed: GrantFeed) -> float:
    return sample("bus_delivery_retries_total", grant=feed.grant_id)


def flowed(feed: GrantFeed) -> float:
    """Delivered so far."""
    return sum(sample("bus_delivered_events_total", grant=feed.grant_id, op=op) for op in "cud")


def some(feed: GrantFeed, first: int, count: int = EVENTS) -> None:
    feed.send([("c", f"k{n}", {"amount": n}) for n in range(first, first + count)])


def counted(place: Place, feed: GrantFeed) -> tuple[dict[str, int], int]:
    """The rows, and the events the database counted in their transactions."""
    rows = place.run(f"SELECT id, amount FROM {table_name(feed.grant_id)}")
    [held] = place.run("SELECT sum(events) AS n FROM _bus_positions")
    return {r["id"]: r["amount"] for r in rows}, int(held["n"])


def expected(count: int) -> tuple[dict[str, int], int]:
    return {f"k{n}": n for n in range(count)}, count


def test_a_server_that_crashes_in_mid_flow_loses_nothing_and_repeats_nothing(place: Place, feed: GrantFeed) -> None:
    with delivering(feed, place.url) as running:
        with Load(feed, seed=11) as load:
            for _ in range(2):
                taken = flowed(feed)  # it flows again: a crash during the wait for the next try would meet no delivery
                wait_for(lambda taken=taken: flowed(feed) > taken, 60)  # type: ignore[misc]
                before = retries(feed)
                place.restart()
                wait_for(lambda before=before: retries(feed) > before, 60)  # type: ignore[misc]
        wait_for(lambda: counted(place, feed)[1] >= load.sent, 120)  # after its end nothing is handed out, read or not
        feed.end()
        report = running.result(120)
    assert counted(place, feed) == (load.model, load.sent)
    assert (report.duplicates, report.held_events, report.cut_off) == (0, load.sent, False)


def test_a_table_that_somebody_has_locked_is_waited_for(place: Place, feed: GrantFeed) -> None:
    some(feed, 0)
    deliver(feed.settings, feed.grant_id, place.url, until="caught_up")
    with delivering(feed, place.url) as running:
        with place.lock(table_name(feed.grant_id)):
            some(feed, EVENTS)
            wait_for(lambda: retries(feed) >= 1, 60)
            # the database answers about other tables, and nothing of the batch is there
        delivered(feed, 2 * EVENTS)
        feed.end()
        assert running.result(60).duplicates == 0
    assert counted(place, feed) == expected(2 * EVENTS)


def test_rows_that_a_condition_of_somebodys_own_refuses_are_rejected_and_the_rest_goes_on(
    place: Place, feed: GrantFeed
) -> None:
    some(feed, 0, 10)
    deliver(feed.settings, feed.grant_id, place.url, until="caught_up")
    place.run(
        f"ALTER TABLE {table_name(feed.grant_id)} ADD CONSTRAINT not_so_many CHECK (amount < 777012)",
        place.not_null(table_name(feed.grant_id), "amount"),
    )
    feed.send(
        [("c", "x", {"amount": 777012}), ("c", "y", {"amount": 5}), ("c", "z", {}), ("u", "k3", {"amount": 777012})]
    )
    report = deliver(feed.settings, feed.grant_id, place.url, until="caught_up")
    rows, events = expected(10)
    del rows["k3"]  # what stood there is not true any more
    assert counted(place, feed) == (rows | {"y": 5}, events + 4)
    assert report.rejected == 3
    found = rejections(place.url)
    assert sorted(one.reason for one in found) == ["check-violated", "check-violated", "null-refused"]
    assert len({(one.partition, one.offset) for one in found}) == 3


@pytest.mark.parametrize(
    ("name", "constraint"),
    [("one_amount", "UNIQUE (amount)"), ("only_allowed", "FOREIGN KEY (amount) REFERENCES allowed (n)")],
)
def test_a_constraint_on_other_rows_stops_the_delivery_by_name_and_never_by_value(
    place: Place, feed: GrantFeed, name: str, constraint: str
) -> None:
    feed.send([("c", "a", {"amount": 777012})])
    deliver(feed.settings, feed.grant_id, place.url, until="caught_up")
    table = table_name(feed.grant_id)
    place.run(
        "CREATE TABLE allowed (n bigint PRIMARY KEY)",
        "INSERT INTO allowed VALUES (777012)",
        f"ALTER TABLE {table} ADD CONSTRAINT {name} {constraint}",
    )
    amount = 777012 if name == "one_amount" else 777013
    feed.send([("c", "x", {"amount": amount}), ("c", "y", {"amount": amount})])
    with pytest.raises(PermanentError, match=name) as caught:
        deliver(feed.settings, feed.grant_id, place.url, until="caught_up")
    assert "7770" not in caught.value.message("en") + caught.value.message("zh")
    assert counted(place, feed) == ({"a": 777012}, 1)
    assert rejections(place.url) == []
    place.run(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    deliver(feed.settings, feed.grant_id, place.url, until="caught_up")
    assert counted(place, feed) == ({"a": 777012, "x": amount, "y": amount}, 3)


def test_a_changed_password_is_retried_until_it_is_mended(place: Place, feed: GrantFeed) -> None:
    with delivering(feed, place.url) as running:
        some(feed, 0)
        delivered(feed, EVENTS)
        place.set_password("second")
        some(feed, EVENTS)
        wait_for(lambda: retries(feed) >= 2, 60)
        place.set_password("first")
        delivered(feed, 2 * EVENTS)
        feed.end()
        assert running.result(60).duplicates == 0
    assert counted(place, feed) == expected(2 * EVENTS)


def test_a_full_disk_is_waited_for_and_nothing_is_half_there(
    servers: dict[str, Callable[[str], Place]], feed: GrantFeed, unique: str
) -> None:
    """Needs root: the disk is a small tmpfs that holds the database's tables, and grows when they are to go on."""
    place = servers["postgresql"](unique)
    with small_disk(8) as disk:
        subprocess.run(["chown", "postgres", disk], check=True)
        with psycopg.connect(place.url.replace("taker:first@", "bus@"), autocommit=True) as db:
            db.execute(f"CREATE TABLESPACE {unique} OWNER taker LOCATION '{disk}'")  # type: ignore[arg-type]
            db.execute(f"ALTER DATABASE {unique} SET default_tablespace = {unique}")  # type: ignore[arg-type]
        with delivering(feed, place.url) as running:
            some(feed, 0)
            delivered(feed, EVENTS)
            for first in range(EVENTS, 6_000, EVENTS):  # random, because PostgreSQL compresses
                more = range(first, first + EVENTS)
                feed.send([("c", f"k{n}", {"amount": n, "name": secrets.token_hex(1_500)}) for n in more])
            wait_for(lambda: retries(feed) >= 2, 60)
            rows, events = counted(place, feed)
            assert EVENTS <= len(rows) == events < 6_000
            subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
            delivered(feed, 6_000)
            feed.end()
            assert running.result(60).duplicates == 0
        assert counted(place, feed) == expected(6_000)


@contextmanager
def small_disk(mib: int) -> Iterator[Path]:
    """A folder with so much space, no more."""
    with tempfile.TemporaryDirectory(prefix="bus-disk-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)  # the server may still hold files
