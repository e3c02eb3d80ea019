"""A deliverer into files, killed with `kill -9` again and again: what it acknowledged is there, and every event once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from consumers.catalogue import sink_for
from consumers.deliver import deliver
from consumers.naming import table_name
from consumers.sinks.files import finish, journal, manifest
from tests.conftest import Cluster
from tests.consumers.test_killed_deliverer import KILLS, Load, start
from tests.kit.change_files import current, feed_of, state_of
from tests.kit.grant_feed import GrantFeed
from tests.kit.sink_conformance import a_view

WRITER = """
import sys
from consumers.catalogue import sink_for
from tests.kit.sink_conformance import a_view, batch, event
sink = sink_for(sys.argv[1])
at = sink.open(a_view()).positions[0]
while True:
    sink.write(batch(*(event("c", str(n), n, {"amount": n}) for n in range(at, at + 7)), start=at))
    at += 7
    print(at, flush=True)
    sink.tend()
"""
ROUNDS = 8


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_kill_9_in_a_write_or_while_a_file_is_finished_keeps_what_was_acknowledged_once(
    tmp_path: Path, kind: str
) -> None:
    url, dice, told = f"{kind}:{tmp_path}?roll_mb=0.01", random.Random(kind), 0
    for _ in range(ROUNDS):
        child = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        try:
            for _ in range(dice.randrange(1, 40)):
                told = int(child.stdout.readline())
            time.sleep(dice.random() / 100)  # anywhere in what follows
        finally:
            child.send_signal(signal.SIGKILL)
            rest, _ = child.communicate(timeout=20)
        whole = [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        told = int(whole[-1]) if whole else told
        sink = sink_for(url)
        held = sink.open(a_view())
        sink.close()
        assert held.positions[0] >= told, "what was acknowledged is there"
        assert held.events == held.positions[0]
    folder = current(tmp_path / a_view().table)
    assert [r["_offset"] for r in feed_of(folder)] == list(range(held.positions[0]))
    assert len(manifest.read(folder).files) > ROUNDS, "files were finished between kills too"


def test_kill_9_in_mid_flow_loses_nothing_and_repeats_nothing(cluster: Cluster, unique: str, tmp_path: Path) -> None:
    feed = GrantFeed(cluster.settings, unique, partitions=2)
    feed.open()
    url, folder = f"parquet:{tmp_path}?roll_mb=0.05&roll_s=1", current(tmp_path / table_name(feed.grant_id))
    deliver(feed.settings, feed.grant_id, url, until="caught_up")
    load, killed_at = Load(feed, seed=7), []
    with load:
        for _ in range(KILLS):
            before = held_events(folder)
            child = start(feed, url)
            try:
                killed_at.append(wait_until_more(folder, before, child))
            finally:
                os.kill(child.pid, signal.SIGKILL)
                child.wait()
    report = deliver(feed.settings, feed.grant_id, url, until="caught_up")
    assert load.failed is None
    assert killed_at == sorted(set(killed_at)), "every kill came after more had been delivered"
    changes = feed_of(folder)
    assert max(Counter((r["_partition"], r["_offset"]) for r in changes).values()) == 1
    events = [r for r in changes if r["_released_at"] is not None]
    written = [r["amount"] for r in events if r["_op"] != "d"]
    assert len(set(written)) == len(written), "an amount is the number of its event"
    assert (len(events), report.held_events, report.duplicates) == (load.sent, load.sent, 0)
    assert {r["id"]: r["amount"] for r in state_of(folder)} == load.model


def held_events(folder: Path) -> int:
    """Events in files and in the journal of a sink that is being written to."""
    while True:
        held = manifest.read(folder)
        entries = journal.read(finish.journal_of(folder, held.next_file))
        if manifest.read(folder).next_file == held.next_file:
            return held.events + sum(step.events for steps in entries.steps for step in steps.values())


def wait_until_more(folder: Path, before: int, child: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + 30
    while (now := held_events(folder)) <= before:
        assert child.poll() is None, "the deliverer ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return now
