"""The Faust app as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.runtime.kafka import admin
from tests.conftest import Cluster
from tests.stream_apps.transport.rig import Worker, create, publish


def start(cluster: Cluster, topic: str, how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.stream_apps.transport.program", cluster.bootstrap_servers, topic, how]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_unit_end_and_leaves_the_group_at_once(
    cluster: Cluster, unique: str, number: signal.Signals
) -> None:
    create(cluster.settings, unique)
    publish(cluster.settings, unique, 5)
    with start(cluster, unique, "slow") as process:
        assert line(process).startswith("began")
        sent = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, "")
        assert "ended" in out
        assert time.monotonic() - sent < 4
    began = time.monotonic()
    with Worker(cluster.settings, unique, [unique]) as next_worker:
        next_worker.records(5)
    assert time.monotonic() - began < 4


def test_an_error_of_the_handler_ends_the_process_and_is_seen(cluster: Cluster, unique: str) -> None:
    create(cluster.settings, unique)
    publish(cluster.settings, unique, 5)
    with start(cluster, unique, "raise") as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "the handler gave up" in err


def test_a_handler_that_hangs_cannot_keep_the_process_alive(cluster: Cluster, unique: str) -> None:
    create(cluster.settings, unique)
    publish(cluster.settings, unique, 5)
    with start(cluster, unique, "hang") as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "no unit was finished" in err


def test_units_keep_coming_and_nothing_of_fausts_own_reaches_kafka(cluster: Cluster, unique: str) -> None:
    create(cluster.settings, unique)
    with start(cluster, unique, "count") as process:
        for _ in range(3):
            publish(cluster.settings, unique, 5)
            assert line(process).startswith("began")
            while line(process) != "ended":
                pass
        process.terminate()
        process.communicate(timeout=20)
    topics = admin(cluster.settings).list_topics(timeout=10).topics
    assert "units" not in topics
    assert [t for t in topics if t.startswith(unique)] == [unique]
