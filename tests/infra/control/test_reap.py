"""Topics are deleted only when nobody can need or write them any more."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient

from infra.control import apply_contract, apply_grant, fences, reap, revoke, state
from infra.runtime.policy_log import append
from schemas.ids import grant_topic, source_topic
from schemas.policy_log import GrantEnded
from tests.conftest import Cluster
from tests.infra.control.world import NOW, Worker, contract, grant, wait_for

DAY_MS = 24 * 3600 * 1000


def topics(cluster: Cluster) -> set[str]:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    return set(admin.list_topics(timeout=10).topics)


def test_the_topic_of_an_ended_grant_goes_after_its_time_and_not_before(cluster: Cluster, unique: str) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    topic = apply_grant(cluster.settings, grant(unique), now_ms=NOW).topic
    revoke(cluster.settings, f"{unique}.grant", now_ms=NOW)
    kept = reap(cluster.settings, now_ms=NOW + 6 * DAY_MS)
    assert topic in kept.kept
    assert topic not in kept.deleted
    planned = reap(cluster.settings, now_ms=NOW + 8 * DAY_MS, dry_run=True)
    assert topic in planned.deleted
    assert topic in topics(cluster)
    done = reap(cluster.settings, now_ms=NOW + 8 * DAY_MS)
    assert topic in done.deleted
    wait_for(lambda: topic not in topics(cluster))


def test_the_topic_of_an_active_grant_is_never_touched(cluster: Cluster, unique: str) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    apply_grant(cluster.settings, grant(unique), now_ms=NOW)
    amended = apply_grant(cluster.settings, grant(unique, purpose="more"), now_ms=NOW)
    done = reap(cluster.settings, older_than=0, now_ms=NOW + DAY_MS)
    assert grant_topic(f"{unique}.grant", 1) in done.deleted
    assert amended.topic not in done.deleted


def test_an_expired_grant_is_ended_and_fenced(cluster: Cluster, unique: str) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    apply_grant(cluster.settings, grant(unique, valid={"from": "2026-11-01", "until": "2026-11-24"}), now_ms=NOW)
    assert f"{unique}.grant" not in reap(cluster.settings, now_ms=NOW).expired
    assert f"{unique}.grant" in reap(cluster.settings, now_ms=NOW + DAY_MS).expired
    found = state(cluster.settings).grants[f"{unique}.grant"]
    assert (found.end_reason, found.fence) == ("expired", {0: 0})


def test_a_fence_that_an_interrupted_command_left_out_is_completed(cluster: Cluster, unique: str) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    apply_grant(cluster.settings, grant(unique), now_ms=NOW)
    append(cluster.settings, [GrantEnded(grant=f"{unique}.grant", generation=1, reason="revoked", at=NOW, by="t")])
    reap(cluster.settings, now_ms=NOW)
    assert state(cluster.settings).grants[f"{unique}.grant"].fence == {0: 0}


def test_a_topic_stays_while_a_worker_has_not_passed_its_end(
    cluster: Cluster, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fences, "SILENCE_S", 0.2)
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    topic = apply_grant(cluster.settings, grant(unique), now_ms=NOW).topic
    with Worker(cluster.settings, f"{unique}.r", f"{unique}.worker", quiet=True):
        revoke(cluster.settings, f"{unique}.grant", now_ms=NOW)
        done = reap(cluster.settings, older_than=0, now_ms=NOW + DAY_MS)
    assert topic in done.kept


def test_the_topic_of_an_ended_grant_goes_also_when_its_source_is_gone(cluster: Cluster, unique: str) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    topic = apply_grant(cluster.settings, grant(unique), now_ms=NOW).topic
    revoke(cluster.settings, f"{unique}.grant", now_ms=NOW)
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    source = source_topic(f"{unique}.r")
    admin.delete_topics([source])[source].result()
    wait_for(lambda: source not in topics(cluster))

    done = reap(cluster.settings, now_ms=NOW + 8 * DAY_MS)

    assert topic in done.deleted
