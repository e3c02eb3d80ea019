"""A turn at a log: all or nothing, the later command wins, and a broker that does not know how a commit ended is not believed."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from infra.runtime import turn as module
from infra.runtime.kafka import admin
from infra.runtime.log import LogReader, ensure_log
from infra.runtime.turn import Overtaken, Turn
from tests.conftest import Cluster


@pytest.fixture
def log(cluster: Cluster, unique: str) -> Any:
    ensure_log(cluster.settings, unique)
    yield unique
    client = admin(cluster.settings)  # held until the answers are there
    for done in client.delete_topics([unique]).values():
        done.result()


def turn(cluster: Cluster, log: str) -> Turn:
    made = Turn(cluster.settings, log, f"{log}.commands")
    made.take()
    return made


def entries(cluster: Cluster, log: str) -> list[bytes | None]:
    with closing(LogReader(cluster.settings, log, [], lambda s, _o, _t, value: [*s, value], wait_ms=5)) as reader:
        return reader.read_to_end()


def unsure(after: str) -> type[Producer]:
    """A producer whose broker commits, or aborts, and then says that it does not know."""

    class Unsure(Producer):
        def commit_transaction(self, *timeout: Any) -> None:
            getattr(super(), after)(*timeout)
            raise KafkaException(KafkaError(KafkaError.UNKNOWN))

    return Unsure


def test_what_is_written_has_the_offsets_told_and_everyone_sees_it(cluster: Cluster, log: str) -> None:
    mine = turn(cluster, log)
    first = mine.write([b"a", b"b"])
    then = mine.write([b"c"])
    assert (entries(cluster, log), sorted([*first, *then])) == ([b"a", b"b", b"c"], [*first, *then])


def test_whoever_lost_the_turn_writes_nothing_now_or_later(cluster: Cluster, log: str) -> None:
    slow, fast = turn(cluster, log), turn(cluster, log)
    for _ in range(2):
        with pytest.raises(Overtaken):
            slow.write([b"slow"])
    fast.write([b"fast"])
    assert entries(cluster, log) == [b"fast"]


def test_a_commit_that_happened_counts_although_the_broker_does_not_know(
    cluster: Cluster, log: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Producer", unsure("commit_transaction"))
    mine = turn(cluster, log)
    assert mine.write([b"a"]) == [0]
    assert entries(cluster, log) == [b"a"]
    with pytest.raises(Overtaken):  # the turn is over: what follows is decided anew
        mine.write([b"b"])


def test_a_commit_that_did_not_happen_is_an_overtaken_command(
    cluster: Cluster, log: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Producer", unsure("abort_transaction"))
    with pytest.raises(Overtaken):
        turn(cluster, log).write([b"a"])
    assert entries(cluster, log) == []
