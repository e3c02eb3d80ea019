"""What was acknowledged stays, whatever happens to the processes. One cluster folder, started again and again."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.cluster import doctor, down, status, up
from infra.cluster.ports import HOST
from schemas.errors import ConfigError
from tests.conftest import Cluster
from tests.infra.cluster.traffic import create, produce, read, register, registered
from tests.kit.power_cut import kill_9

RECORDS = 3000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder of this module, named as a person in Guiyang might, its cluster tied to the test process."""
    folder = tmp_path_factory.mktemp("durable") / "数据 交换"
    yield folder
    down(folder)


def test_kill_9_of_both_loses_nothing_that_was_acknowledged(home: Path, unique: str) -> None:
    state = up(home, tied=True)
    create(state, unique)
    schemas: dict[str, int] = {}

    def kill() -> None:
        schemas.update({f"{unique}.{n}": register(state, f"{unique}.{n}") for n in range(10)})
        kill_9(state)

    acknowledged = produce(state, unique, RECORDS, halfway=kill)
    assert status(home).phase == "dead"
    assert {check.level for check in doctor(home) if check.name == "state"} == {"fail"}
    again = up(home, tied=True)
    assert again.ports == state.ports
    assert 0 < len(acknowledged) < RECORDS
    assert set(acknowledged) <= set(read(again, unique))
    assert {subject: registered(again, subject) for subject in schemas} == schemas


def test_down_and_up_on_other_ports_keeps_everything(home: Path, unique: str) -> None:
    state = up(home, tied=True)
    create(state, unique)
    assert len(produce(state, unique, RECORDS)) == RECORDS
    assert down(home)
    assert status(home).phase == "stopped"
    with (
        socket.create_server((HOST, state.ports.broker)),
        socket.create_server((HOST, state.ports.controller)),
        socket.create_server((HOST, state.ports.registry)),
    ):
        moved = up(home, tied=True)
    now, before = ({port for _, port in s.ports.places} for s in (moved, state))
    assert not now & before
    assert read(moved, unique) == list(range(RECORDS))


def test_two_folders_run_two_clusters_that_do_not_know_each_other(home: Path, cluster: Cluster, unique: str) -> None:
    mine = up(home, tied=True)
    assert mine.bootstrap_servers != cluster.bootstrap_servers
    other = mine.model_copy(
        update={"bootstrap_servers": cluster.bootstrap_servers, "registry_url": cluster.registry_url}
    )
    for where, records in ((mine, 10), (other, 20)):
        create(where, unique)
        assert len(produce(where, unique, records)) == records
    assert (len(read(mine, unique)), len(read(other, unique))) == (10, 20)


def test_a_running_cluster_is_in_order_and_private(home: Path) -> None:
    up(home, tied=True)
    seen = status(home)
    assert seen.phase == "running"
    assert seen.owner_pid == os.getpid()
    assert all(process.alive and process.rss_bytes for process in seen.processes)
    assert [check for check in doctor(home) if check.level == "fail"] == []
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_nothing_listens_beyond_loopback(home: Path) -> None:
    state = up(home, tied=True)
    assert state.processes is not None
    for pid in (state.processes.broker.pid, state.processes.registry.pid):
        listening = [c for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert listening
        assert {str(c.laddr[0]).removeprefix("::ffff:") for c in listening} == {HOST}


def test_other_ports_for_a_running_cluster_are_refused_not_ignored(home: Path) -> None:
    state = up(home, tied=True)
    with pytest.raises(ConfigError, match="bus down"):
        up(home, tied=True, kafka_port=state.ports.broker + 1)
    assert status(home).phase == "running"
