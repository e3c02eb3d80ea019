"""A worker on a real cluster: grants come and go while it runs, history is replayed, what is wrong stays apart."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from infra.control import revoke
from infra.runtime.kafka import admin, ends
from infra.runtime.settings import Settings
from schemas.ids import DEAD_LETTER_TOPIC, grant_topic
from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab, row, within, worker


@pytest.fixture(scope="module")
def running(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """One worker for all tests here."""
    settings = cluster.settings
    with worker(settings, tmp_path_factory.mktemp("worker") / "log"):
        yield settings


@pytest.fixture
def lab(running: Settings, unique: str) -> Lab:
    made = Lab(running, unique)
    made.apply()
    return made


def test_a_contract_and_two_grants_applied_live_release_what_they_say(lab: Lab) -> None:
    lab.open(1)
    lab.open(2, where="district = 'a'")
    lab.publish([("c", None, row(1, "a")), ("c", None, row(2, "b")), ("d", row(1, "a"), None)])
    lab.settled()
    assert [(k, v and v["op"]) for k, v in lab.released(1)] == [(b"k1", "c"), (b"k2", "c"), (b"k1", "d"), (b"k1", None)]
    assert [k for k, _ in lab.released(2)] == [b"k1", b"k1", b"k1"]
    assert lab.released(1)[0][1]["after"] == {"id": "k1", "name": "张*", "amount": 1}  # type: ignore[index]


def test_a_revocation_is_confirmed_while_idle_and_nothing_follows_it(lab: Lab) -> None:
    lab.open(1)
    lab.publish([("c", None, row(1))])
    lab.settled()
    assert [k for k, _ in lab.released(1)] == [b"k1"]
    fence = revoke(lab.settings, f"{lab.word}.g.1")
    assert fence.fenced_out == ()
    lab.publish([("c", None, row(2))])
    lab.settled()
    assert lab.released(1) == [], "nothing follows, and what there was is gone"
    end = ends(admin(lab.settings), [TopicPartition(fence.topic, 0)])
    assert end == {(fence.topic, 0): fence.offsets[0]}


def test_a_grant_opened_late_gets_the_history_once_and_then_goes_on_live(lab: Lab) -> None:
    lab.open(1)
    lab.publish([("c", None, row(i, "a")) for i in range(3000)])
    lab.publish([("u", row(0, "a"), row(0, "b")), ("u", row(1, "a"), row(1, "a", "李"))])
    lab.settled()
    lab.open(2, where="district = 'a'")
    lab.publish([("c", None, row(5000, "a"))])
    within(20, lambda: b"k5000" in [k for k, _ in lab.released(2)])
    found = lab.released(2)
    state: dict[bytes, object] = {}
    for key, event in found:
        state.pop(key, None)
        if event is not None and event["op"] != "d":
            state[key] = event["after"]
    assert len(state) == 3000  # 2,999 still inside the filter, and the live one
    assert b"k0" not in state
    assert len(found) == 3000 + 2 + 1 + 1
    first = [k for k, _ in lab.released(1)]
    assert len(first) == 3000 + 1 + 1  # grant 1 does not see districts: the update of row 0 changes nothing it is given
    assert (first.count(b"k0"), first.count(b"k1"), first.count(b"k5000")) == (1, 2, 1)


def test_a_topic_that_is_gone_stops_neither_its_neighbour_nor_its_own_return(lab: Lab) -> None:
    lab.open(1)
    lab.open(2)
    lab.publish([("c", None, row(1))])
    lab.settled()
    client: AdminClient = admin(lab.settings)
    topic = grant_topic(f"{lab.word}.g.1", 1)
    client.delete_topics([topic], operation_timeout=10)[topic].result()
    lab.publish([("c", None, row(2))])
    lab.settled()
    assert [k for k, _ in lab.released(2)] == [b"k1", b"k2"]
    lab.open(1)  # unchanged: brings the topic back
    within(20, lambda: lab.committed()[1].off == frozenset() and topic in client.list_topics(timeout=5).topics)
    lab.publish([("c", None, row(3))])
    lab.settled()
    within(10, lambda: [k for k, _ in lab.released(1)] == [b"k1", b"k2", b"k3"])


def test_a_topic_that_refuses_a_record_loses_its_grant_only_until_it_takes_it(lab: Lab) -> None:
    lab.open(1)
    lab.open(2)
    lab.publish([("c", None, row(1))])
    lab.settled()
    limit(lab, grant_topic(f"{lab.word}.g.1", 1), 600)
    wide = [("c", None, row(i, amount=i)) for i in range(2, 200)]
    lab.publish(wide)
    lab.settled()
    assert [k for k, _ in lab.released(2)] == [f"k{i}".encode() for i in range(1, 200)]
    assert [k for k, _ in lab.released(1)] == [b"k1"]
    limit(lab, grant_topic(f"{lab.word}.g.1", 1), 1 << 20)
    within(30, lambda: lab.committed()[1].off == frozenset())
    assert [k for k, _ in lab.released(1)] == [b"k1", *(f"k{i}".encode() for i in range(1, 200))]
    assert len(lab.released(2)) == 199


def limit(lab: Lab, topic: str, size: int) -> None:
    """The largest batch of records a topic takes from now on."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    wanted = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    client = admin(lab.settings)
    client.incremental_alter_configs([wanted])[wanted].result()


def test_a_dead_letter_points_at_the_record_and_holds_none_of_it(lab: Lab) -> None:
    lab.open(1)
    lab.publish([("c", None, row(1))])
    lab.write([(b"k1", lab.values([("c", None, row(1, name="秘密"))])[0][1][:-4])])
    lab.publish([("c", None, row(2))])
    lab.settled()
    assert [v and v["op"] for _, v in lab.released(1)] == ["c", "d", None, "c"]
    letters = [m for m in lab.messages(DEAD_LETTER_TOPIC) if lab.topic.encode() in m.value()]
    assert [m.key() for m in letters] == [f"{lab.topic}:0:1".encode()]
    assert "秘密".encode() not in letters[0].value()


def test_a_fault_in_the_history_is_a_delete_and_a_pointer_for_the_grant_that_catches_up(lab: Lab) -> None:
    lab.publish([("c", None, row(1))])
    lab.write([(b"k1", lab.values([("c", None, row(1, name="秘密"))])[0][1][:-4])])
    lab.publish([("c", None, row(2)), ("u", row(1), row(1))])
    lab.settled()
    lab.open(1)
    within(20, lambda: lab.committed()[1].live > 0 and lab.committed()[1].replay is None and bool(lab.released(1)))
    assert [(k, v and v["op"]) for k, v in lab.released(1)] == [
        (b"k1", "c"),
        (b"k1", "d"),
        (b"k1", None),
        (b"k2", "c"),
        (b"k1", "u"),
    ]
    letters = [m for m in lab.messages(DEAD_LETTER_TOPIC) if lab.topic.encode() in m.value()]
    assert {m.key() for m in letters} == {f"{lab.topic}:0:1".encode()}
    assert not [m for m in letters if "秘密".encode() in m.value()]


def test_records_are_released_within_half_a_second(lab: Lab) -> None:
    lab.open(1)
    lab.publish([("c", None, row(0))])
    lab.settled()
    waits = []
    for i in range(1, 11):
        lab.publish([("c", None, row(i))])
        sent, end = time.monotonic(), lab.end()
        within(5, lambda: lab.committed()[0] >= end)  # noqa: B023 - called at once
        waits.append(time.monotonic() - sent)
    assert sorted(waits)[5] < 0.5
