"""The exchange is away while compaction really takes ends of rows out of the source topic; afterwards the table is the model's."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from infra.control import state
from infra.control.rebuild import rebuild
from infra.runtime.kafka import admin
from schemas.ids import grant_topic
from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab, Worker, row, within

_OUTAGE_S, _ROWS = 5, 400


@pytest.fixture
def lab(cluster: Cluster, unique: str) -> Lab:
    """A resource whose source topic is compacted within seconds, and a grant of one district."""
    made = Lab(cluster.settings.model_copy(update={"tolerated_outage_s": _OUTAGE_S}), unique)
    made.apply()
    made.open(1, where="district = 'a'")
    quick = {"segment.ms": "200", "min.cleanable.dirty.ratio": "0.01", "file.delete.delay.ms": "1"}
    entries = [ConfigEntry(k, v, incremental_operation=AlterConfigOpType.SET) for k, v in quick.items()]
    wanted = ConfigResource(ResourceType.TOPIC, made.topic, incremental_configs=entries)
    client = admin(made.settings)
    client.incremental_alter_configs([wanted])[wanted].result()
    return made


def changed(lab: Lab) -> dict[bytes, int]:
    """Rows leave the filter and change once more, are deleted, or change; what the grant's table must be then."""
    kinds = [range(k, _ROWS, 4) for k in range(4)]
    lab.publish([("u", row(i), row(i, "b")) for i in kinds[0]])
    lab.publish([("d", row(i), None) for i in kinds[1]])
    lab.write([(f"k{i}".encode(), None) for i in kinds[1]])
    lab.publish([("u", row(i), row(i, amount=2)) for i in kinds[2]])
    lab.publish([("u", row(i, "b"), row(i, "b", amount=3)) for i in kinds[0]])
    return {f"k{i}".encode(): 2 for i in kinds[2]} | {f"k{i}".encode(): 1 for i in kinds[3]}


def compacted(lab: Lab, first: int, seconds: float) -> None:
    """Wait until no record that only says that a row left the filter is there any more, keeping segments closing."""
    deadline = time.monotonic() + seconds
    exits = range(first, first + _ROWS // 4)
    while any(m.offset() in exits for m in lab.messages(lab.topic)):
        assert time.monotonic() < deadline, "the cleaner has not come"
        lab.publish([("c", None, row(10**6, "b"))])
        time.sleep(0.5)


def table(lab: Lab, generation: int) -> dict[bytes, Any]:
    """What a subscriber holds who applied a generation's topic."""
    out: dict[bytes, Any] = {}
    for key, event in lab.released(1, generation):
        out.pop(key, None)
        if event is not None and event["after"] is not None:
            out[key] = event["after"]["amount"]
    return out


def test_after_an_outage_longer_than_compaction_the_grant_is_withheld_and_made_anew(lab: Lab, tmp_path: Path) -> None:
    worker = Worker(lab.settings, tmp_path / "log", [f"{lab.word}-x"], {"BUS_TOLERATED_OUTAGE_S": str(_OUTAGE_S)})
    worker.start()
    try:
        lab.publish([("c", None, row(i)) for i in range(_ROWS)])
        lab.settled(60)
        assert worker.stop() == 0
        before, first = lab.released(1), lab.end()
        expected = changed(lab)
        compacted(lab, first, 120)
        worker.start()
        within(40, lambda: lab.committed()[1].lost >= 0)
        lab.settled(40)
        assert lab.released(1) == before, "nothing more under a grant that may have lost an end"
        assert set(table(lab, 1)) != set(expected)
        now = int(time.time() * 1000)
        (anew,) = [g for g in rebuild(lab.settings, now_ms=now, by="test", seen=state(lab.settings)) if g.grant]
        assert (anew.generation, anew.topic) == (2, grant_topic(f"{lab.word}.g.1", 2))
        lab.caught_up(1)
        lab.publish([("c", None, row(_ROWS, "a", amount=9))])
        lab.settled(40)
        within(20, lambda: table(lab, 2) == expected | {f"k{_ROWS}".encode(): 9})
        assert rebuild(lab.settings, now_ms=now, by="test", seen=state(lab.settings)) == ()
    finally:
        worker.stop()
