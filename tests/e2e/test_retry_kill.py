"""The exchange is killed while it judges dead letters once more, and every record is counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from infra.control.letters.ordering import order_retry
from infra.control.letters.reading import Chosen, DeadLetter, letters
from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab, Worker, row, within
from tests.kit.stranger import Stranger

_FAULTY = 300


def test_a_worker_killed_during_retries_neither_loses_nor_doubles_one(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    lab = Lab(cluster.settings, unique)
    lab.apply()
    lab.open(1)
    lab.publish([("c", None, row(i)) for i in range(1000, 2000)])  # so that the faults are not half of the records
    stranger = Stranger(lab)
    stranger.publish(*range(_FAULTY))
    exchange = Worker(lab.settings, tmp_path / "log", [f"{unique}-x"])
    exchange.start()
    kills = 0
    try:
        lab.settled()
        stranger.mend()
        found, released = of(lab), len(lab.released(1))
        assert len(found) == _FAULTY
        for n in range(0, _FAULTY, 10):
            order_retry(lab.settings, found[n : n + 10])
            if n % 100 == 50:
                within(30, lambda: any(one.state == "retried" for one in of(lab)))
                exchange.kill()
                kills += 1
                exchange.start()
        within(60, lambda: {one.state for one in of(lab)} == {"retried"})
    finally:
        exchange.stop()
    counted = Counter(key for key, _ in lab.released(1)[released:])
    assert counted == {f"k{i}".encode(): 1 for i in range(_FAULTY)}
    assert kills == 3


def of(lab: Lab) -> list[DeadLetter]:
    return letters(lab.settings, Chosen(resource=lab.resource))
