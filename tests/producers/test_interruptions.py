"""What a run does when the broker or the registry dies under it, on a cluster of its own."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cluster import read_state, running, up
from producers import publisher
from producers.run import publish_file
from schemas.errors import TransientError
from tests.conftest import Cluster, own_key
from tests.producers.conftest import Bench, make_bench


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Cluster]]:
    home = tmp_path_factory.mktemp("own")
    with running(home) as state:
        assert state.bootstrap_servers and state.registry_url
        key_file = own_key(tmp_path_factory.mktemp("custodian"))
        yield home, Cluster(state.bootstrap_servers, state.registry_url, home, key_file)


class Killer:
    """Progress of a run, in which one process of the cluster dies when the third batch is published."""

    def __init__(self, home: Path, name: str) -> None:
        self.home = home
        self.name = name
        self.killed = 0

    def __call__(self, stage: str, rows: int) -> None:
        if stage == "publish" and rows == 150 and not self.killed:
            processes = read_state(self.home).processes
            assert processes is not None
            os.kill(getattr(processes, self.name).pid, signal.SIGKILL)
            self.killed += 1


def _keys(bench: Bench) -> Counter[str]:
    return Counter(e["key"]["code"] for e in bench.events())


def test_a_broker_that_dies_and_comes_back_in_the_middle_costs_no_event_and_doubles_none(
    own: tuple[Path, Cluster], unique: str, tmp_path: Path
) -> None:
    home, cluster = own
    bench = make_bench(cluster, unique, tmp_path)
    killer = Killer(home, "broker")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        up(home, tied=True)

    file = bench.file([f"k{n},{n},N/A" for n in range(300)])
    report = publish_file(bench.settings, bench.mapping(), file, progress=killer, wait=wait, batch_rows=50)
    assert killer.killed == 1 and waits
    assert (report.published, report.unchanged, report.rows) == ({"c": 300}, 0, 300)
    assert _keys(bench) == Counter({f"k{n}": 1 for n in range(300)})


def test_a_registry_that_dies_stops_no_run_under_way_and_is_named_by_the_next(
    own: tuple[Path, Cluster], unique: str, tmp_path: Path
) -> None:
    home, cluster = own
    bench = make_bench(cluster, unique, tmp_path)
    file = bench.file([f"k{n},{n},N/A" for n in range(300)])
    report = publish_file(bench.settings, bench.mapping(), file, progress=Killer(home, "registry"), batch_rows=50)
    assert report.published == {"c": 300}
    waits: list[float] = []
    with pytest.raises(TransientError, match="registry is out of reach"):
        publish_file(bench.settings, bench.mapping(), file, wait=waits.append)
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0]


def test_a_cluster_that_is_not_there_is_one_clear_message(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "_LOOK_TIMEOUT_S", 0.3)
    nowhere = bench.settings.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:1: no Kafka broker answers there"):
        publish_file(nowhere, bench.mapping(), bench.file(["a,1,N/A"]), wait=lambda _: None)
