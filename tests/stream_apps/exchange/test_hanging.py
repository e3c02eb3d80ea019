"""A worker whose producer never comes back from a call ends all the same, so that its supervisor can start another one."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab, Worker, row, within

_HANGS_AT_ITS_SECOND_COMMIT = """
import threading
from stream_apps.exchange.outbox import Outbox
begin = Outbox.__init__

class Hanging:
    def __init__(self, producer):
        self.producer, self.begun, self.events = producer, 0, 0

    def __getattr__(self, name):
        return getattr(self.producer, name)

    def __len__(self):
        return len(self.producer)

    def produce_batch(self, topic, entries, **more):
        self.events += topic.startswith("grant.")
        return self.producer.produce_batch(topic, entries, **more)

    def send_offsets_to_transaction(self, *told):
        if self.events == 2:
            print("hangs", flush=True)
            threading.Event().wait()
        self.producer.send_offsets_to_transaction(*told)

def hanging(self, *told):
    begin(self, *told)
    self._producer = Hanging(self._producer)

Outbox.__init__ = hanging
"""


def test_a_worker_ends_by_itself_when_a_call_of_its_producer_does_not_come_back_and_the_next_one_does_its_work(
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
        within(60, lambda: worker.process.poll() is not None)
        assert worker.process.wait() != 0
        assert "has not come back for 10 s" in worker.log.read_text()
    finally:
        worker.kill()
    after = Worker(cluster.settings, tmp_path / "after", [unique])
    after.start()
    try:
        lab.settled(60)
    finally:
        after.stop()
    assert [key for key, _ in lab.released(1)] == [b"k1", b"k2"]
