"""An embedded cluster of three brokers: copies of everything on each, and what `up`, `status` and `doctor` say when one dies."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from infra.bus.bench.recovery import wait_whole
from infra.cluster import ClusterState, doctor, down, read_state, running, status, up
from infra.cluster.lifecycle import broker_count
from infra.cluster.ports import choose
from infra.control import apply_contract, apply_grant
from infra.runtime.kafka import admin, begin_transactions, producer_config
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from tests.conftest import own_key
from tests.infra.bus.command import bus
from tests.infra.cluster.traffic import produce, read
from tests.kit.exchange_lab import Lab
from tests.kit.power_cut import kill_broker

RECORDS = 2000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder whose three brokers run, tied to the test process."""
    folder = tmp_path_factory.mktemp("three") / "数据"
    with running(folder, brokers=3):
        yield folder
    down(folder)


def now(home: Path) -> ClusterState:
    """What runs."""
    found = read_state(home)
    assert found is not None
    return found


def settings_of(home: Path, folder: Path) -> Settings:
    """Settings of a process that works on it."""
    state = now(home)
    return Settings(
        home=home,
        bootstrap_servers=state.bootstrap_servers,
        registry_url=state.registry_url,
        key_file=own_key(folder),
    )


def test_whatever_the_bus_makes_has_three_copies_and_is_acknowledged_by_two(
    home: Path, unique: str, tmp_path: Path
) -> None:
    settings = settings_of(home, tmp_path)
    lab = Lab(settings, unique)
    apply_contract(settings, lab.contract())
    apply_grant(settings, lab.grant())
    begin_transactions(Producer(producer_config(settings, unique)), 20)
    lab.committed()  # whoever asks for a group's offsets makes their topic
    client = admin(settings)
    topics = client.list_topics(timeout=10).topics
    expected = {
        "__transaction_state",
        "__consumer_offsets",
        "bus.grants",
        "bus.evidence",
        "bus.dead-letters",
        lab.topic,
    }
    assert expected <= set(topics)
    assert {len(p.replicas) for t in topics.values() for p in t.partitions.values()} == {3}
    assert {_least_in_sync(client, name) for name in topics} == {"2"}


def make(state: ClusterState, topic: str) -> None:
    """A topic of one partition, with as many copies as the brokers think right."""
    client = AdminClient({"bootstrap.servers": state.bootstrap_servers})
    client.create_topics([NewTopic(topic, 1)])[topic].result(30)


def _least_in_sync(client: AdminClient, topic: str) -> str:
    place = ConfigResource(ResourceType.TOPIC, topic)
    return str(client.describe_configs([place])[place].result()["min.insync.replicas"].value)


@pytest.mark.parametrize("node", [1, 2, 3])
def test_one_broker_killed_is_told_survived_and_started_again_alone(home: Path, unique: str, node: int) -> None:
    state = now(home)
    make(state, unique)
    acknowledged = produce(state, unique, RECORDS, halfway=lambda: kill_broker(state, node), timeout_ms=30_000)
    assert acknowledged == list(range(RECORDS))
    assert status(home).phase == "degraded"
    name = "broker" if node == 1 else f"broker-{node}"
    levels = {check.name: check.level for check in doctor(home)}
    assert (levels["state"], levels[name], levels["copies"]) == ("warn", "fail", "warn")
    told = bus("up", home=home)
    assert told.returncode == 0 and f"was started again: {name}." in told.stderr
    after = now(home)
    assert after.processes and state.processes
    before = state.processes.named
    assert {n for n, process in after.processes.named.items() if process != before[n]} == {name}
    wait_whole(Settings(bootstrap_servers=after.bootstrap_servers, registry_url=after.registry_url))
    assert status(home).phase == "running"
    assert [check for check in doctor(home) if check.level == "fail"] == []
    assert read(after, unique) == list(range(RECORDS))


def test_folders_are_private_and_every_broker_listens_on_loopback(home: Path) -> None:
    assert {stat.S_IMODE((home / name).stat().st_mode) for name in ("broker", "broker-2", "broker-3")} == {0o700}
    found = {check.name: check for check in doctor(home)}
    assert found["listeners"].message.en == "all on loopback."
    assert found["files"].level == "ok"


def test_all_of_them_stop_and_start_again_on_other_ports_with_everything_they_held(home: Path, unique: str) -> None:
    state = now(home)
    make(state, unique)
    assert len(produce(state, unique, RECORDS)) == RECORDS
    assert down(home)
    (home / "cluster.json").unlink()
    moved = up(home, tied=True)
    assert len(moved.ports.nodes) == 3
    assert moved.ports.places != state.ports.places
    assert read(moved, unique) == list(range(RECORDS))


def test_a_folder_keeps_the_number_of_brokers_it_was_made_with(home: Path, tmp_path: Path) -> None:
    assert broker_count(home, None, secure=False) == broker_count(home, 3, secure=False) == 3
    refused = bus("up", "--brokers", 1, home=home)
    assert refused.returncode == 2
    assert "holds the data of a cluster of 3 brokers" in refused.stderr
    (tmp_path / "broker" / "data").mkdir(parents=True)
    (tmp_path / "broker" / "server.properties").write_text("node.id=1\n", encoding="ascii")
    assert broker_count(tmp_path, None, secure=False) == 1
    with pytest.raises(ConfigError, match="holds the data of a cluster of 1 broker"):
        broker_count(tmp_path, 3, secure=False)


def test_other_numbers_and_three_secured_ones_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 broker or 3"):
        broker_count(tmp_path, 2, secure=False)
    with pytest.raises(ConfigError, match="cannot be secured yet"):
        broker_count(tmp_path, 3, secure=True)
    assert broker_count(tmp_path, None, secure=True) == 1


def test_three_brokers_are_given_six_ports_of_their_own_and_find_them_again() -> None:
    first = choose(None, None, None, brokers=3)
    assert len(set(first.places)) == len(first.places) == 7
    assert choose(None, None, first, brokers=3) == first
