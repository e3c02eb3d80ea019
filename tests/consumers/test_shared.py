"""Several deliverers share a plan: each grant has one at a time, and what one leaves or loses another takes up. All is counted."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from consumers.naming import table_name
from consumers.plan import read_plan
from consumers.shared import deliver_shared
from schemas.errors import ConfigError
from tests.conftest import Cluster
from tests.kit.exchange_lab import within
from tests.kit.grant_feed import GrantFeed

GRANTS = 4


@dataclass
class Feed(GrantFeed):
    """One of several grants of one department."""

    number: int = 0

    @property
    def grant_id(self) -> str:
        return f"{self.word}.r.2026-{self.number:03d}"


class Load(threading.Thread):
    """Rows k0, k1 … in every grant's topic, a few at a time, until told to stop. `sent`: rows in each."""

    def __init__(self, feeds: list[Feed]) -> None:
        super().__init__()
        self.feeds, self.sent, self.ending = feeds, 0, threading.Event()

    def run(self) -> None:
        while not self.ending.is_set():
            rows = [("c", f"k{n}", {"amount": n}) for n in range(self.sent, self.sent + 20)]
            for feed in self.feeds:
                feed.send(rows)
            self.sent += 20
            self.ending.wait(0.02)


@dataclass
class Stand:
    """Grants, their sinks, and a way to ask them."""

    cluster: Cluster
    feeds: list[Feed]
    plan: Path
    ask: Callable[[int, str], list[Any]]

    def held(self, n: int) -> int:
        """Events the sink has counted, in the transactions of the rows."""
        with suppress(sqlite3.OperationalError, psycopg.errors.UndefinedTable):
            where = f"WHERE grant_id = '{self.feeds[n].grant_id}'"
            return int(self.ask(n, f"SELECT coalesce(sum(events), 0) FROM _bus_positions {where}")[0][0])
        return 0

    def amounts(self, n: int) -> list[int]:
        found = self.ask(n, f'SELECT amount FROM "{table_name(self.feeds[n].grant_id)}" ORDER BY amount')
        return [amount for (amount,) in found]

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """`bus deliver --plan` as a process."""
        environment = os.environ | {
            "BUS_HOME": str(self.cluster.home),
            "BUS_BOOTSTRAP_SERVERS": self.cluster.bootstrap_servers,
            "BUS_REGISTRY_URL": self.cluster.registry_url,
        }
        command = [sys.executable, "-m", "infra.bus", "--json", "deliver", "--plan", str(self.plan)]
        with log.open("ab") as out:
            return subprocess.Popen(command, env=environment, stdout=out, stderr=out)


def delivering(log: Path) -> set[str]:
    """Grants a deliverer says it has begun and not handed over."""
    mine: set[str] = set()
    for line in log.read_text().splitlines() if log.exists() else ():
        if '"delivering"' in line:
            mine.add(line.split('"grant": "')[1].split('"')[0])
        elif '"handed over"' in line:
            mine.discard(line.split('"grant": "')[1].split('"')[0])
    return mine


@pytest.fixture(params=["sqlite", "postgresql"])
def stand(request: pytest.FixtureRequest, cluster: Cluster, unique: str, tmp_path: Path) -> Stand:
    """Four grants of one department, each into a file of its own, or all into one database."""
    feeds = [Feed(cluster.settings, unique, partitions=1 + n % 2, number=n) for n in range(GRANTS)]
    for feed in feeds:
        feed.open()
    if request.param == "sqlite":
        sinks = [f"sqlite:{tmp_path / f'{n}.db'}" for n in range(GRANTS)]
    else:
        sinks = [request.getfixturevalue("database")] * GRANTS
    lines = [f"  - {{grant: {f.grant_id}, sink: '{s}'}}" for f, s in zip(feeds, sinks, strict=True)]
    plan = tmp_path / "plan.yaml"
    plan.write_text("\n".join(["kind: Deliveries", "name: nightly", "deliveries:", *lines, ""]))
    plan.chmod(0o600)

    def ask(n: int, text: str) -> list[Any]:
        if sinks[n].startswith("sqlite:"):
            with closing(sqlite3.connect(sinks[n].removeprefix("sqlite:"), timeout=5)) as db:
                return db.execute(text).fetchall()
        with psycopg.connect(sinks[n]) as db:
            return db.execute(text).fetchall()  # type: ignore[arg-type]

    return Stand(cluster, feeds, plan, ask)


@contextmanager
def ended(*processes: subprocess.Popen[bytes]) -> Iterator[None]:
    """At the end none of them runs."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_what_a_killed_deliverer_had_the_other_takes_up_and_every_event_is_applied_once(
    stand: Stand, tmp_path: Path
) -> None:
    logs = [tmp_path / "one.log", tmp_path / "two.log"]
    load = Load(stand.feeds)
    with ExitStack() as open_:
        one = stand.start(logs[0])
        open_.enter_context(ended(one))
        within(40, lambda: len(delivering(logs[0])) == GRANTS)
        load.start()
        open_.callback(load.ending.set)
        two = stand.start(logs[1])
        open_.enter_context(ended(two))
        within(40, lambda: len(delivering(logs[1])) == GRANTS // 2)
        its = delivering(logs[1])
        assert not its & delivering(logs[0])
        numbers = [n for n, feed in enumerate(stand.feeds) if feed.grant_id in its]
        before = {n: stand.held(n) for n in numbers}
        within(40, lambda: all(stand.held(n) > before[n] for n in numbers))
        two.send_signal(signal.SIGKILL)
        two.wait()
        within(40, lambda: len(delivering(logs[0])) == GRANTS)
        load.ending.set()
        load.join()
        within(40, lambda: all(stand.held(n) >= load.sent for n in range(GRANTS)))
        one.send_signal(signal.SIGTERM)
        assert one.wait(30) == 0
    assert [stand.held(n) for n in range(GRANTS)] == [load.sent] * GRANTS
    assert all(stand.amounts(n) == list(range(load.sent)) for n in range(GRANTS))


@pytest.mark.parametrize("stand", ["sqlite"], indirect=True)
def test_an_amended_grant_goes_on_in_its_new_topic_and_a_plan_whose_grants_have_all_ended_is_over(
    stand: Stand, tmp_path: Path
) -> None:
    stop = threading.Event()
    found: list[object] = []
    plan = read_plan(stand.plan)
    thread = threading.Thread(target=lambda: found.append(deliver_shared(stand.cluster.settings, plan, stop)))
    thread.start()
    try:
        for feed in stand.feeds:
            feed.send([("c", "old", {"amount": 1})])
        within(40, lambda: all(stand.held(n) == 1 for n in range(GRANTS)))
        for feed in stand.feeds:
            feed.open()
            feed.fence(feed.generation - 1)
            feed.send([("c", "new", {"amount": 2})])
        within(40, lambda: [stand.amounts(n) for n in range(GRANTS)] == [[2]] * GRANTS)
        for feed in stand.feeds:
            feed.end()
        thread.join(40)
        assert not thread.is_alive()
    finally:
        stop.set()
        thread.join()
    outcomes = found[0]
    assert isinstance(outcomes, dict)
    assert {grant: outcome.ended for grant, outcome in outcomes.items()} == dict.fromkeys(plan.sinks, "revoked")


def test_a_plan_names_what_is_wrong_with_it(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    for text, said in (
        ("kind: Deliveries\nname: a\ndeliveries: []\n", "deliveries"),
        ("kind: Deliveries\nname: a\ndeliveries:\n- {grant: g, sink: a}\n- {grant: g, sink: b}\n", "twice"),
        ("kind: Deliveries\nname: a\ndeliveries:\n- {grant: g, sink: a, unitl: b}\n", "unitl"),
        ("", "no plan"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=said):
            read_plan(file)
    file.write_text("kind: Deliveries\nname: a\ndeliveries:\n- {grant: g, sink: 'postgresql://u:secret@h/d'}\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read it") as caught:
        read_plan(file)
    assert "secret" not in caught.value.message("en")
    file.chmod(0o600)
    assert read_plan(file).sinks == {"g": "postgresql://u:secret@h/d"}


def test_grants_of_two_departments_are_no_plan(cluster: Cluster, unique: str, tmp_path: Path) -> None:
    feeds = [Feed(cluster.settings, f"{unique}{n}") for n in range(2)]
    for feed in feeds:
        feed.open()
    file = tmp_path / "plan.yaml"
    lines = [f"- {{grant: {feed.grant_id}, sink: 'sqlite:x.db'}}" for feed in feeds]
    file.write_text("\n".join(["kind: Deliveries", "name: a", "deliveries:", *lines]))
    with pytest.raises(ConfigError, match="one department's"):
        deliver_shared(cluster.settings, read_plan(file), threading.Event())
