"""The exchange is killed while it judges dead letters once more, and every record is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from infra.control.letters.ordering import order_retry
from infra.control.letters.reading import Chosen, DeadLetter, letters
from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab, Worker, row, within
from tests.kit.poison import poisoned_by
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


def test_a_record_that_kills_is_isolated_again_until_a_worker_withstands_it(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    lab = Lab(cluster.settings, unique)
    lab.apply()
    lab.open(1)
    exchange = Worker(lab.settings, tmp_path / "log", [unique], poisoned_by(unique))
    lab.publish([("c", None, row(1)), ("c", None, row(2, name=unique)), ("c", None, row(3))])
    try:
        exchange.start()
        restarted_until(exchange, lambda: [one.reason for one in of(lab)] == ["kills_worker"])
        lab.settled()
        order_retry(lab.settings, of(lab))
        assert restarted_until(exchange, lambda: of(lab)[0].state == "failed") <= 2
        assert of(lab)[0].times == 2
        exchange.stop()
        exchange.environment = {}  # the version that withstands it
        exchange.start()
        order_retry(lab.settings, of(lab))
        within(30, lambda: of(lab)[0].state == "retried")
    finally:
        exchange.stop()
    events = [(key, event and event["op"]) for key, event in lab.released(1)]
    assert events[-1] == (b"k2", "c")
    assert Counter(key for key, op in events if op == "c") == {b"k1": 1, b"k2": 1, b"k3": 1}


def restarted_until(exchange: Worker, true: Callable[[], bool]) -> int:
    """How often a worker dies and is started again until something is true."""
    died = 0

    def reached() -> bool:
        nonlocal died
        if exchange.process.poll() is not None:
            died += 1
            exchange.start()
        return true()

    within(60, reached)
    return died


def of(lab: Lab) -> list[DeadLetter]:
    return letters(lab.settings, Chosen(resource=lab.resource))
