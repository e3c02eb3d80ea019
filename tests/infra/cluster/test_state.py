"""The state file and the identity of processes."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from infra.cluster.ports import Ports
from infra.cluster.processes import ProcessId, stop
from infra.cluster.state import ClusterState, Processes, read_state, write_state
from infra.cluster.status import status
from infra.runtime.settings import Settings
from schemas.errors import ConfigError

PORTS = Ports(broker=20001, controller=20002, registry=20003)


def started() -> ClusterState:
    me = ProcessId.of(os.getpid())
    return ClusterState(
        ports=PORTS, processes=Processes(guard=me, broker=me, registry=me, owner=me, started_at=time.time())
    )


def test_addresses_are_found_only_while_the_cluster_is_ready(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, bootstrap_servers=None, registry_url=None)
    for state in (started(), started().ready(owner=None).stopped()):
        write_state(tmp_path, state)
        with pytest.raises(ConfigError, match="bus up"):
            settings.located()
    write_state(tmp_path, started().ready(owner=None))
    assert settings.located().bootstrap_servers == "127.0.0.1:20001"
    assert settings.located().registry_url == "http://127.0.0.1:20003/apis/ccompat/v7"


def test_a_state_is_read_as_it_was_written_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    for state in (started(), started().ready(owner=None), started().stopped()):
        write_state(tmp_path, state)
        assert read_state(tmp_path) == state
    assert [file.name for file in tmp_path.iterdir()] == ["cluster.json"]


def test_a_file_that_is_no_state_names_itself(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_state(tmp_path)
    assert caught.value.where == str(tmp_path / "cluster.json")


def test_phases_follow_the_state(tmp_path: Path) -> None:
    assert status(tmp_path).phase == "absent"
    write_state(tmp_path, started())
    assert status(tmp_path).phase == "starting"
    write_state(tmp_path, started().ready(owner=None))
    assert status(tmp_path).phase == "running"
    write_state(tmp_path, started().stopped())
    assert status(tmp_path).phase == "stopped"


def test_a_number_used_again_is_not_the_old_process() -> None:
    me = ProcessId.of(os.getpid())
    assert me.alive
    assert not me.model_copy(update={"created": me.created - 60}).alive


def test_a_zombie_is_dead_and_stopping_it_returns() -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        pid = ProcessId.of(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not pid.alive
        stop([pid], 1.0)


def test_what_does_not_end_when_asked_is_killed() -> None:
    program = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(["/bin/sh", "-c", program], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        pid = ProcessId.of(child.pid)
        stop([pid], 0.3)
        assert not pid.alive
