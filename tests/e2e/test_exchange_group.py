"""Three workers share six resources over three brokers; workers come, go and are killed, and every record is counted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from confluent_kafka import Producer

from infra.cluster import running
from infra.runtime.kafka import producer_config
from infra.runtime.settings import Settings
from schemas.ids import grant_topic
from tests.conftest import own_key
from tests.kit.exchange_lab import Lab, Worker, row, within

RESOURCES = 6


def test_workers_share_the_resources_and_one_that_comes_goes_or_dies_costs_no_event_and_doubles_none(
    tmp_path: Path, unique: str
) -> None:
    with running(tmp_path / "cluster", brokers=3) as state, ExitStack() as open_:
        settings = Settings(
            home=tmp_path / "cluster",
            bootstrap_servers=state.bootstrap_servers,
            registry_url=state.registry_url,
            key_file=own_key(tmp_path),
        )
        labs = [Lab(settings, f"{unique}{n}") for n in range(RESOURCES)]
        for lab in labs:
            lab.apply()
            lab.open()
        workers = [Worker(settings, tmp_path / f"{n}.log", [f"{unique}-{n}"]) for n in range(4)]
        for worker in workers[:3]:
            worker.start()
            open_.callback(worker.stop)
        with publishing(settings, labs) as published:
            within(60, lambda: sharing(labs) == [2, 2, 2])
            workers[0].stop()
            within(60, lambda: sharing(labs) == [3, 3])
            workers[1].kill()
            within(60, lambda: sharing(labs) == [6])
            workers[3].start()
            open_.callback(workers[3].stop)
            within(60, lambda: sharing(labs) == [3, 3])
        for lab in labs:
            lab.settled(60)
        expected = Counter({f"k{i}".encode(): 1 for i in range(published[0])})
        for lab in labs:
            found = [m.key() for m in lab.messages(grant_topic(f"{lab.word}.g.1", 1))]
            assert Counter(found) == expected
            assert found == sorted(found, key=lambda key: int(key[1:]))


def sharing(labs: Sequence[Lab]) -> list[int]:
    """How many resources each worker had at its last commit, the fewest first."""
    owners = Counter(lab.committed()[1].transaction for lab in labs)
    return sorted(owners.values()) if None not in owners else []


@contextmanager
def publishing(settings: Settings, labs: Sequence[Lab]) -> Iterator[list[int]]:
    """Rows 0, 1, 2 … to every resource while the block runs; `[0]` counts those acknowledged in all of them."""
    stop, done = threading.Event(), [0]

    def run() -> None:
        producer = Producer(producer_config(settings))
        while not stop.wait(0.05):
            events = [("c", None, row(i)) for i in range(done[0], done[0] + 20)]
            for lab in labs:
                for key, value in lab.values(events):
                    producer.produce(lab.topic, value, key, partition=0)
            assert producer.flush(60) == 0
            done[0] += 20

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()
