"""A delivering process killed with `kill -9` again and again, and a receiver that drops what it has seen: each event counts once."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from consumers.deliver import deliver
from consumers.sinks.webhook.letters import letters
from tests.conftest import Cluster
from tests.consumers.test_killed_deliverer import PATIENCE_S, Load, start
from tests.kit.grant_feed import GrantFeed
from tests.kit.webhook_receiver import Receiver, answer, drop, receiving

KILLS = 5


def test_kill_9_in_mid_flow_and_a_receiver_that_misbehaves_lose_nothing_and_count_nothing_twice(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    feed = GrantFeed(cluster.settings, unique, partitions=2)
    feed.open()
    with receiving(tmp_path) as receiver:
        file = receiver.settings_file(tmp_path / "hook.yaml", batch_events=5_000)
        address = f"webhook:{file}"
        deliver(feed.settings, feed.grant_id, address, until="caught_up")
        dice = random.Random(5)
        with Load(
            feed, seed=11
        ) as load:  # requests hold what there was to read: after a restart it is another number of events
            for _ in range(KILLS):
                receiver.next_answers += dice.choices([answer(500), drop, answer(503, {"retry-after": "0"})], k=3)
                before = len(receiver.seen)
                child = start(feed, address)
                try:
                    wait_for_requests(receiver, before + dice.randrange(5, 15))
                finally:
                    os.kill(child.pid, signal.SIGKILL)
                    child.wait()
        report = deliver(feed.settings, feed.grant_id, address, until="caught_up")
        counted = receiver.ask("SELECT count(*), max(times) FROM counted")
        rows = {
            json.loads(key)["id"]: json.loads(row)["amount"] for key, row in receiver.ask("SELECT key, row FROM rows")
        }
        resent = len(receiver.seen) - len({s.id for s in receiver.seen})
    assert counted == [(load.sent, 1)]
    assert rows == load.model
    assert resent > 0
    assert (report.held_events, report.duplicates, letters(file)) == (load.sent, 0, [])
    with closing(sqlite3.connect(tmp_path / "hook.state.db")) as db:
        assert db.execute("SELECT count(*) FROM _bus_requests").fetchall() == [(0,)]


def wait_for_requests(receiver: Receiver, many: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(receiver.seen) < many:
        assert time.monotonic() < deadline
        time.sleep(0.002)
