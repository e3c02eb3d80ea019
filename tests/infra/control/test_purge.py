"""What nobody may read any more is gone from the broker: also for whoever has parked a fetch there, and after a kill."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from infra.control import apply_contract, apply_grant, fences, resume, revoke, state
from infra.control.expiry import complete_fences
from infra.control.purge import everything, purge
from infra.runtime.kafka import admin, consumer_config, producer_config
from infra.runtime.policy_log import append
from schemas.errors import TransientError
from schemas.ids import source_topic
from schemas.policy_log import EndReason, GrantEnded
from tests.conftest import Cluster
from tests.infra.control.world import NOW, Worker, contract, grant, wait_for
from tests.kit.wire import Wire

GONE = ("OFFSET_OUT_OF_RANGE", b"")


class Opened:
    """An active grant with three records in its topic."""

    def __init__(self, cluster: Cluster, word: str) -> None:
        self.settings, self.word, self.grant = cluster.settings, word, f"{word}.grant"
        apply_contract(cluster.settings, contract(f"{word}.r"))
        self.topic = apply_grant(cluster.settings, grant(word), now_ms=NOW).topic
        self.write(self.topic)

    def write(self, topic: str, records: int = 3) -> None:
        """More records, in a transaction: offsets are theirs and the marker's."""
        producer = Producer(producer_config(self.settings, f"{self.word}.writer", **{"compression.type": "none"}))
        producer.init_transactions(20)
        producer.begin_transaction()
        for _ in range(records):
            producer.produce(topic, b"somebody's data", b"k", partition=0)
        producer.commit_transaction(20)

    def holds(self, topic: str) -> tuple[int, int]:
        """First offset of a topic, and the one after the last."""
        consumer = Consumer(consumer_config(self.settings, "test"))
        found = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20, cached=False)
        consumer.close()
        return found

    @contextmanager
    def parked(self, topic: str, wait_ms: int, *, committed: bool) -> Iterator[Callable[[], tuple[str | None, bytes]]]:
        """A fetch of everything that the broker holds while the block runs; its answer."""
        answers: list[tuple[str | None, bytes]] = []

        def ask() -> None:
            with Wire(self.settings) as wire:
                answers.append(wire.parked(topic, 0, wait_ms, committed=committed))

        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(0.3)  # until it is parked; were it later, it would be answered at once and prove nothing more
        assert thread.is_alive()

        def answer() -> tuple[str | None, bytes]:
            thread.join()
            return answers[0]

        yield answer
        thread.join()


@pytest.fixture
def opened(cluster: Cluster, unique: str) -> Opened:
    return Opened(cluster, unique)


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("reason", ["revoked", "suspended", "expired"])
def test_a_fetch_parked_before_a_grant_ended_brings_nothing_when_its_wait_is_over(
    opened: Opened, reason: EndReason, committed: bool
) -> None:
    with opened.parked(opened.topic, 2_000, committed=committed) as answer:
        fence = revoke(opened.settings, opened.grant, reason=reason, now_ms=NOW)
    assert answer() == GONE
    assert fence.offsets == {0: 4}, "the end stays where it was: three records and a marker"
    assert opened.holds(opened.topic) == (4, 4)


def test_while_a_grant_goes_on_a_parked_fetch_brings_its_records(opened: Opened) -> None:
    with opened.parked(opened.topic, 600, committed=True) as answer:
        pass
    error, records = answer()
    assert (error, records.count(b"somebody's data")) == (None, 3)


def test_an_amended_grants_former_generation_is_left_to_be_drained(opened: Opened) -> None:
    with opened.parked(opened.topic, 2_000, committed=True) as answer:
        amended = apply_grant(opened.settings, grant(opened.word, purpose="more"), now_ms=NOW)
    assert amended.fence is not None
    assert answer()[1].count(b"somebody's data") == 3
    complete_fences(opened.settings, now_ms=NOW)
    assert opened.holds(opened.topic) == (0, 4)


def test_with_the_grant_ends_what_its_former_generations_left(opened: Opened) -> None:
    apply_grant(opened.settings, grant(opened.word, purpose="more"), now_ms=NOW)
    revoke(opened.settings, opened.grant, now_ms=NOW)
    assert opened.holds(opened.topic) == (4, 4)


def test_what_goes_on_after_a_suspension_keeps_what_it_is_sent(opened: Opened) -> None:
    revoke(opened.settings, opened.grant, reason="suspended", now_ms=NOW)
    again = resume(opened.settings, [opened.grant], now_ms=NOW)[0]
    opened.write(again.topic)
    complete_fences(opened.settings, now_ms=NOW)
    assert (opened.holds(opened.topic), opened.holds(again.topic)) == ((4, 4), (0, 4))


def test_what_was_released_is_purged_even_while_a_worker_stays_silent(
    opened: Opened, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fences, "GIVE_UP_S", 0.3)
    with Worker(opened.settings, f"{unique}.r", f"{unique}.worker", quiet=True):
        with (
            opened.parked(opened.topic, 2_000, committed=True) as answer,
            pytest.raises(TransientError, match="not confirmed"),
        ):
            revoke(opened.settings, opened.grant, now_ms=NOW)
        assert answer() == GONE
    assert state(opened.settings).grants[opened.grant].fence is None


class Killed(BaseException):
    """Nobody catches it, as nobody does a kill."""


@pytest.mark.parametrize("at", ["_end_offsets", "insist"])
def test_a_command_killed_before_its_fence_is_in_the_log_is_completed_with_the_same_fence_and_nothing_left(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(fences, at, kill)
        with pytest.raises(Killed):
            revoke(opened.settings, opened.grant, now_ms=NOW)
    assert state(opened.settings).grants[opened.grant].fence is None
    opened.write(opened.topic, 2)  # what a worker still had under way when the command died
    [fence] = [f for f in complete_fences(opened.settings, now_ms=NOW) if f.grant == opened.grant]
    assert fence.offsets == {0: 7}
    assert state(opened.settings).grants[opened.grant].fence == {0: 7}
    assert opened.holds(opened.topic) == (7, 7)


def test_a_fence_in_the_log_means_that_nothing_before_it_is_left(opened: Opened) -> None:
    append(opened.settings, [GrantEnded(grant=opened.grant, generation=1, reason="revoked", at=NOW, by="t")])
    assert opened.holds(opened.topic) == (0, 4)
    revoke(opened.settings, opened.grant, now_ms=NOW)
    assert opened.holds(opened.topic) == (4, 4)


def test_a_grant_whose_source_is_gone_ends_all_the_same(opened: Opened) -> None:
    client, source = admin(opened.settings), source_topic(f"{opened.word}.r")
    client.delete_topics([source])[source].result(20)
    wait_for(lambda: source not in client.list_topics(timeout=10).topics)
    assert revoke(opened.settings, opened.grant, now_ms=NOW).offsets == {0: 4}
    assert opened.holds(opened.topic) == (4, 4)


def test_purging_again_changes_nothing_and_a_topic_that_is_gone_is_no_error(opened: Opened) -> None:
    client = admin(opened.settings)
    for _ in range(2):
        purge(client, everything({opened.topic: 1, f"{opened.topic}.gone": 2}))()
        assert opened.holds(opened.topic) == (4, 4)
    purge(client, {(opened.topic, 0): 2})()
    assert opened.holds(opened.topic) == (4, 4)
    purge(client, {})()


def test_a_topic_made_when_topics_could_not_be_purged_is_purged_nonetheless(opened: Opened) -> None:
    client = AdminClient({"bootstrap.servers": opened.settings.bootstrap_servers})
    entry = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, opened.topic, incremental_configs=[entry])
    client.incremental_alter_configs([resource])[resource].result(20)

    def settled() -> bool:
        found = client.describe_configs([ConfigResource(ResourceType.TOPIC, opened.topic)])
        return all(f.result(20)["cleanup.policy"].value == "compact" for f in found.values())

    wait_for(settled)
    revoke(opened.settings, opened.grant, now_ms=NOW)
    assert opened.holds(opened.topic) == (4, 4)
