"""Grants end by time, on a real cluster; the time is the test's."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from infra.control import apply_contract, apply_grant, expiry, state
from infra.control.controller import Controller, Duty
from infra.control.duties import BY, duties
from infra.control.expiry import complete_fences, end_expired
from infra.runtime.policy_log import ControlLog, append
from schemas.clock import end_of_day_ms
from schemas.policy_log import GrantEnded
from schemas.policy_state import PolicyState
from tests.conftest import Cluster
from tests.infra.control.world import NOW, Worker, contract, grant, wait_for

LAST = {"from": "2026-11-01", "until": "2026-11-24"}
MIDNIGHT = end_of_day_ms(dt.date(2026, 11, 24)) + 1


def one(cluster: Cluster, name: str, resources: ExitStack) -> Duty:
    return next(d for d in duties(resources) if d.name == name)


def controller(cluster: Cluster, duty: Duty, now_ms: int) -> Controller:
    return Controller(cluster.settings, [duty], now_ms=lambda: now_ms, monotonic=lambda: 0.0)


def test_the_controller_ends_and_fences_what_expired_and_deletes_no_topic(cluster: Cluster, unique: str) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    topic = apply_grant(cluster.settings, grant(unique, valid=LAST), now_ms=NOW).topic
    with ExitStack() as resources, Worker(cluster.settings, f"{unique}.r", f"{unique}.worker"):
        duty = one(cluster, "expiry", resources)
        [too_early] = controller(cluster, duty, MIDNIGHT - 1).once()
        assert (too_early.outcome, too_early.did) == ("done", ())
        [in_time] = controller(cluster, duty, MIDNIGHT).once()
        assert in_time.outcome == "done", in_time.error
        assert [f.grant for f in in_time.did] == [f"{unique}.grant"]  # type: ignore[attr-defined]
        [again] = controller(cluster, duty, MIDNIGHT + 1).once()
        assert again.did == ()
    found = state(cluster.settings).grants[f"{unique}.grant"]
    assert (found.end_reason, found.ended_at, found.fence) == ("expired", MIDNIGHT, {0: 0})
    assert topic in AdminClient({"bootstrap.servers": cluster.bootstrap_servers}).list_topics(timeout=10).topics


def test_a_grant_that_was_renewed_since_the_log_was_read_goes_on(cluster: Cluster, unique: str) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    apply_grant(cluster.settings, grant(unique, valid=LAST), now_ms=NOW)
    old = state(cluster.settings)
    apply_grant(cluster.settings, grant(unique, valid=LAST | {"until": "2027-10-31"}), now_ms=NOW)
    end_expired(cluster.settings, now_ms=MIDNIGHT, seen=old)
    renewed = state(cluster.settings).grants[f"{unique}.grant"]
    assert (renewed.generation, renewed.ended) == (2, None)


def test_looking_for_what_expired_disturbs_no_other_command(cluster: Cluster, unique: str) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    apply_grant(cluster.settings, grant(unique), now_ms=NOW)
    end_expired(cluster.settings, now_ms=NOW)
    with ControlLog(cluster.settings) as log:
        assert end_expired(cluster.settings, now_ms=NOW) == ()
        log.append([GrantEnded(grant=f"{unique}.grant", generation=1, reason="revoked", at=NOW, by="t")])


def test_ending_insists_when_another_command_is_faster(
    cluster: Cluster, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    apply_grant(cluster.settings, grant(unique, valid=LAST), now_ms=NOW)
    decide, turns = expiry.expired, []

    def overtaken_once(found: PolicyState, now_ms: int) -> object:
        turns.append(found)
        if len(turns) == 2:  # within the turn at the log: somebody else takes one
            with ControlLog(cluster.settings):
                pass
        return decide(found, now_ms)

    monkeypatch.setattr(expiry, "expired", overtaken_once)
    assert f"{unique}.grant" in [f.grant for f in end_expired(cluster.settings, now_ms=MIDNIGHT)]
    assert len(turns) == 3


def test_of_two_controllers_one_ends_a_grant_and_neither_fails(cluster: Cluster, unique: str) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    apply_grant(cluster.settings, grant(unique, valid=LAST), now_ms=NOW)
    with ThreadPoolExecutor(2) as both:
        started = [both.submit(end_expired, cluster.settings, now_ms=MIDNIGHT) for _ in range(2)]
        ended = [fence.grant for done in started for fence in done.result(30)]
    assert ended.count(f"{unique}.grant") == 1
    assert state(cluster.settings).grants[f"{unique}.grant"].fence == {0: 0}


def test_a_fence_is_completed_once_its_command_must_have_given_up_and_not_before(cluster: Cluster, unique: str) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    apply_grant(cluster.settings, grant(unique), now_ms=NOW)
    append(cluster.settings, [GrantEnded(grant=f"{unique}.grant", generation=1, reason="revoked", at=NOW, by="t")])
    with ExitStack() as resources:
        duty = one(cluster, "fences", resources)
        controller(cluster, duty, NOW + 29_000).once()
        assert state(cluster.settings).grants[f"{unique}.grant"].fence is None
        [run] = controller(cluster, duty, NOW + 30_000).once()
        assert f"{unique}.grant" in [f.grant for f in run.did]  # type: ignore[attr-defined]
    assert state(cluster.settings).grants[f"{unique}.grant"].fence == {0: 0}
    assert f"{unique}.grant" not in [f.grant for f in complete_fences(cluster.settings, now_ms=NOW)]


def test_the_command_ends_what_expired_and_stops_when_asked(cluster: Cluster, unique: str, tmp_path: Path) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    before = end_of_day_ms(dt.date(2026, 11, 10))
    apply_grant(cluster.settings, grant(unique, valid=LAST | {"until": "2026-11-20"}), now_ms=before)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("BUS_", "LC_", "LANG"))}
    addresses = {
        "BUS_HOME": str(tmp_path),
        "BUS_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "BUS_REGISTRY_URL": cluster.registry_url,
    }
    command = [sys.executable, "-m", "infra.bus", "--json", "controller", "--every", "0.2"]
    with subprocess.Popen(command, env=clean | addresses, stderr=subprocess.PIPE, text=True) as running:
        try:
            wait_for(lambda: state(cluster.settings).grants[f"{unique}.grant"].fence is not None, 30)
            running.send_signal(signal.SIGTERM)
            said = running.communicate(timeout=20)[1]
        finally:
            running.kill()
    assert running.returncode == 0, said
    assert "The controller has stopped." in said
    found = state(cluster.settings).grants[f"{unique}.grant"]
    assert found.end_reason == "expired"
    assert BY == "bus controller"
