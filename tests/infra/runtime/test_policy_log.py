"""The control log on a real broker. Every test uses ids of its own: the log is shared and is never emptied."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from infra.runtime import log, policy_log
from infra.runtime.kafka import producer_config
from infra.runtime.policy_log import ControlLog, PolicyReader, append
from infra.runtime.settings import Settings
from infra.runtime.turn import Overtaken
from schemas.errors import PermanentError, TransientError
from schemas.ids import POLICY_TOPIC
from schemas.policy_log import GrantEnded, encode
from tests.conftest import Cluster


@pytest.fixture
def log_of_its_own(cluster: Cluster, unique: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A control log under another name, for tests that damage it."""
    topic = f"{unique}.grants"
    monkeypatch.setattr(policy_log, "POLICY_TOPIC", topic)
    monkeypatch.setattr(policy_log, "CONTROL_TRANSACTION", f"{unique}.control")
    yield topic
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    admin.delete_topics([topic])[topic].result()


def event(grant: str = "a.b") -> GrantEnded:
    return GrantEnded(grant=grant, generation=1, reason="revoked", at=0, by="test")


def test_an_empty_log_is_the_empty_state(cluster: Cluster, log_of_its_own: str) -> None:
    with PolicyReader(cluster.settings) as reader:
        assert reader.read_to_end().epoch == -1


def test_append_returns_offsets_that_every_reader_can_see_at_once(cluster: Cluster, log_of_its_own: str) -> None:
    first = append(cluster.settings, [event(), event()])
    second = append(cluster.settings, [event()])
    assert first == [0, 1]
    assert second[0] > 1, "a transaction's marker takes an offset"
    with PolicyReader(cluster.settings) as reader:
        assert reader.read_to_end().epoch == second[0]
        assert reader.read_to_end(at_least=second[0]).epoch == second[0]


def test_a_new_event_reaches_a_waiting_reader_within_fifty_milliseconds(cluster: Cluster, log_of_its_own: str) -> None:
    delays: list[float] = []
    with PolicyReader(cluster.settings) as reader:
        epoch = reader.read_to_end().epoch
        for _ in range(5):
            with ThreadPoolExecutor(1) as pool:
                written = pool.submit(_written_at, cluster.settings)
                while reader.state.epoch == epoch:
                    reader.poll(5.0)
                seen, epoch = time.monotonic(), reader.state.epoch
                delays.append(seen - written.result())
    assert sorted(delays)[2] < 0.05


def _written_at(settings: Settings) -> float:
    append(settings, [event()])
    return time.monotonic()


def test_polling_without_news_returns_the_same_state(cluster: Cluster, log_of_its_own: str) -> None:
    with PolicyReader(cluster.settings) as reader:
        before = reader.read_to_end()
        began = time.monotonic()
        assert reader.poll(0.2) is before
        assert 0.15 < time.monotonic() - began < 1.0
        assert reader.poll(0.0) is before


def test_an_epoch_that_is_not_there_is_transient(cluster: Cluster, log_of_its_own: str) -> None:
    with PolicyReader(cluster.settings) as reader, pytest.raises(TransientError, match="needed"):
        reader.read_to_end(at_least=10, timeout_s=0.3)


def test_the_slower_of_two_commands_writes_nothing_and_says_so(cluster: Cluster, log_of_its_own: str) -> None:
    with ControlLog(cluster.settings) as slow:
        with ControlLog(cluster.settings) as fast:
            [at] = fast.append([event("fast.g")])
        with pytest.raises(Overtaken, match="another command"):
            slow.append([event("slow.g")])
    with PolicyReader(cluster.settings) as reader:
        assert reader.read_to_end().epoch == at


def test_a_command_decides_on_everything_that_was_committed_before_it(cluster: Cluster, log_of_its_own: str) -> None:
    [at] = append(cluster.settings, [event()])
    with ControlLog(cluster.settings) as log:
        assert log.state.epoch == at
        [then] = log.append([event()])
        assert log.state.epoch == then


def test_what_an_unfinished_command_wrote_is_never_seen(cluster: Cluster, log_of_its_own: str) -> None:
    append(cluster.settings, [event()])
    crashed = Producer(producer_config(cluster.settings, policy_log.CONTROL_TRANSACTION))
    crashed.init_transactions(10)
    crashed.begin_transaction()
    crashed.produce(log_of_its_own, encode(event()), b"", partition=0)
    crashed.flush(10)
    [at] = append(cluster.settings, [event()])
    with PolicyReader(cluster.settings) as reader:
        assert reader.read_to_end().epoch == at > 2
    with pytest.raises(Exception, match=r"fenced|FENCED"):
        crashed.commit_transaction(5)


def test_an_entry_nobody_understands_closes_the_data_path(cluster: Cluster, log_of_its_own: str) -> None:
    append(cluster.settings, [event()])
    producer = Producer(producer_config(cluster.settings))
    producer.produce(log_of_its_own, b'{"kind": "grant.extended"}', partition=0)
    producer.flush(10)
    with PolicyReader(cluster.settings) as reader, pytest.raises(PermanentError, match="does not understand"):
        reader.read_to_end()


def test_a_log_without_its_beginning_closes_the_data_path(cluster: Cluster, log_of_its_own: str) -> None:
    append(cluster.settings, [event(), event(), event()])
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    [done] = admin.delete_records([TopicPartition(log_of_its_own, 0, 2)]).values()
    done.result()
    with PolicyReader(cluster.settings) as reader, pytest.raises(PermanentError, match="not whole"):
        reader.read_to_end()


def test_a_log_that_became_shorter_closes_the_data_path(cluster: Cluster, log_of_its_own: str) -> None:
    append(cluster.settings, [event(), event(), event()])
    with PolicyReader(cluster.settings) as reader:
        reader.read_to_end()
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
        admin.delete_topics([log_of_its_own])[log_of_its_own].result()
        while log_of_its_own in admin.list_topics(timeout=5).topics:
            time.sleep(0.02)
        log.ensure_log(cluster.settings, log_of_its_own)
        with pytest.raises((PermanentError, TransientError)):
            reader.read_to_end(timeout_s=3)


def test_a_cluster_out_of_reach_is_transient_and_names_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "METADATA_TIMEOUT_S", 0.5)
    nowhere = Settings(bootstrap_servers="127.0.0.1:1", registry_url="http://127.0.0.1:1")
    with pytest.raises(TransientError) as caught:
        log.ensure_log(nowhere, POLICY_TOPIC)
    assert caught.value.where == "127.0.0.1:1"
