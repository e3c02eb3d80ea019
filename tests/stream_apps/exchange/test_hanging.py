"""A worker whose producer never comes back from a call ends all the same, so that its supervisor can start another one."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab, Worker, row, within

_HANGS_AT_ITS_SECOND_COMMIT = """
import threading
from dataclasses import replace
from stream_apps.exchange import app
from stream_apps.exchange.outbox import Outbox
from stream_apps.transport.poller import Poller
commit, begin, calls = Outbox.commit, Poller.__init__, []

def impatient(self, source):
    begin(self, replace(source, limits=replace(source.limits, ending_s=3.0)))

def hanging(self, outputs, offsets, group):
    if outputs and len(calls) > 0:
        print("hangs", flush=True)
        threading.Event().wait()
    calls.append(1) if outputs else None
    commit(self, outputs, offsets, group)

Outbox.commit, Poller.__init__, app._HANGS_S = hanging, impatient, 1.0
"""


def test_a_worker_that_is_told_to_stop_while_a_unit_hangs_ends_and_the_next_one_does_its_work(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    lab = Lab(cluster.settings, unique)
    lab.apply()
    lab.open(1)
    (tmp_path / "sitecustomize.py").write_text(_HANGS_AT_ITS_SECOND_COMMIT)
    worker = Worker(
        cluster.settings, tmp_path / "log", [unique], {"PYTHONPATH": f"{tmp_path}:{':'.join(p for p in sys.path if p)}"}
    )
    worker.start()
    try:
        lab.publish([("c", None, row(1))])
        lab.settled(60)
        lab.publish([("c", None, row(2))])
        within(30, lambda: "hangs" in worker.log.read_text())
        worker.process.terminate()
        within(90, lambda: worker.process.poll() is not None)
        assert worker.process.wait() != 0
        assert '"left_hanging"' in worker.log.read_text()
    finally:
        worker.kill()
    after = Worker(cluster.settings, tmp_path / "after", [unique])
    after.start()
    try:
        lab.settled(60)
    finally:
        after.stop()
    assert [key for key, _ in lab.released(1)] == [b"k1", b"k2"]
