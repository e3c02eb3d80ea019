"""Revocation: the fence is proven on a real group, with workers that answer, hang, or are not there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaException, Producer

from infra.control import apply_contract, apply_grant, fences, list_grants, revoke, state
from infra.runtime.policy_log import ControlLog, append
from infra.runtime.settings import Settings
from schemas.errors import ConfigError, TransientError
from schemas.policy_log import GrantEnded
from tests.conftest import Cluster
from tests.infra.control.world import NOW, Worker, contract, grant


@pytest.fixture
def opened(cluster: Cluster, unique: str) -> Iterator[str]:
    """An active grant's id."""
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    apply_grant(cluster.settings, grant(unique), now_ms=NOW)
    yield f"{unique}.grant"


def test_without_any_worker_the_fence_is_the_end_of_the_topic(cluster: Cluster, opened: str) -> None:
    topic = state(cluster.settings).grants[opened].topic
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers})
    for _ in range(3):
        producer.produce(topic, b"x", b"k", partition=0)
    producer.flush(10)
    fence = revoke(cluster.settings, opened, now_ms=NOW)
    assert (fence.offsets, fence.fenced_out) == ({0: 3}, ())
    found = state(cluster.settings).grants[opened]
    assert (found.ended, found.end_reason, found.fence) == (fence.epoch, "revoked", {0: 3})


def test_a_worker_that_answers_is_waited_for_and_left_alone(cluster: Cluster, unique: str, opened: str) -> None:
    with Worker(cluster.settings, f"{unique}.r", f"{unique}.worker"):
        fence = revoke(cluster.settings, opened, now_ms=NOW)
    assert fence.fenced_out == ()
    assert fence.milliseconds < 1000


def test_a_worker_that_hangs_is_shut_out_and_cannot_commit_what_it_had_open(
    cluster: Cluster, unique: str, opened: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fences, "SILENCE_S", 0.5)
    topic = state(cluster.settings).grants[opened].topic
    with Worker(cluster.settings, f"{unique}.r", f"{unique}.worker", quiet=True) as worker:
        assert worker.producer is not None
        worker.producer.begin_transaction()
        worker.producer.produce(topic, b"x", b"k", partition=0)
        worker.producer.flush(10)
        fence = revoke(cluster.settings, opened, now_ms=NOW)
        assert fence.fenced_out == (f"{unique}.worker",)
        with pytest.raises(KafkaException, match=r"fenced|FENCED"):
            worker.producer.commit_transaction(5)
    assert fence.milliseconds >= 500


def test_a_dead_worker_is_shut_out_at_once(cluster: Cluster, unique: str, opened: str) -> None:
    with Worker(cluster.settings, f"{unique}.r", f"{unique}.worker", quiet=True):
        pass
    fence = revoke(cluster.settings, opened, now_ms=NOW)
    assert fence.fenced_out == (f"{unique}.worker",)
    assert fence.milliseconds < fences.SILENCE_S * 1000


def test_a_grant_ends_even_if_its_fence_cannot_be_had_yet(
    cluster: Cluster, unique: str, opened: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fences, "GIVE_UP_S", 0.3)
    with Worker(cluster.settings, f"{unique}.r", f"{unique}.worker", quiet=True):
        with pytest.raises(TransientError, match="not confirmed"):
            revoke(cluster.settings, opened, now_ms=NOW)
        ended = state(cluster.settings).grants[opened]
        assert (ended.ended is not None, ended.fence) == (True, None)
    again = revoke(cluster.settings, opened, now_ms=NOW)
    assert state(cluster.settings).grants[opened].fence == again.offsets
    assert again.epoch == ended.ended


def test_an_unknown_grant_and_an_ended_one_are_refused(cluster: Cluster, opened: str) -> None:
    with pytest.raises(ConfigError, match="no grant"):
        revoke(cluster.settings, "nobody.nothing")
    revoke(cluster.settings, opened, now_ms=NOW)
    with pytest.raises(ConfigError, match="ended already"):
        revoke(cluster.settings, opened, now_ms=NOW)


def test_a_revocation_takes_precedence_over_a_command_that_is_running(cluster: Cluster, opened: str) -> None:
    with ControlLog(cluster.settings) as running:
        revoke(cluster.settings, opened, now_ms=NOW)
        event = GrantEnded(grant=opened, generation=1, reason="suspended", at=0, by="t")
        with pytest.raises(TransientError, match="another command"):
            running.append([event])


def test_lists_show_active_grants_and_on_demand_ended_ones(cluster: Cluster, opened: str) -> None:
    def states(settings: Settings, *, ended: bool) -> list[str]:
        return [g.state for g in list_grants(settings, ended=ended, now_ms=NOW) if g.grant == opened]

    assert states(cluster.settings, ended=False) == ["active"]
    append(cluster.settings, [GrantEnded(grant=opened, generation=1, reason="withdrawn", at=0, by="t")])
    assert states(cluster.settings, ended=False) == []
    assert states(cluster.settings, ended=True) == ["ended"]
