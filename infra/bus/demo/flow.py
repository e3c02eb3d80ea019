"""The running parts of a demonstration: the exchange as a process, deliveries as threads, and waiting until all is through."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from consumers.deliver import deliver_many
from infra.bus.workers import process
from infra.runtime.kafka import admin, ends
from infra.runtime.settings import Settings
from schemas.errors import BusError, PermanentError, TransientError
from schemas.grant import Grant
from schemas.ids import EXCHANGE_GROUP, source_topic
from schemas.text import Text

_LOOK_S = 0.05


@contextmanager
def exchange(settings: Settings, log: Path) -> Iterator[str]:
    """`bus exchange` in a process of its own; the address of its metrics."""
    port = _free_port()
    with process(settings, "infra.bus.main", ["exchange", "--metrics-port", str(port)], log):
        yield f"http://127.0.0.1:{port}/metrics"


@contextmanager
def deliveries(settings: Settings, grants: Sequence[Grant], folder: Path) -> Iterator[dict[str, Path]]:
    """Every grant into its department's SQLite file, from now until the block ends; the file of each grant.

    Raises the first delivery's error when the block ends.
    """
    files = {g.id: folder / g.subscriber / f"{g.id}.db" for g in grants}
    pairs = [(g, f"sqlite:{path}") for g, path in files.items()]
    stop = threading.Event()
    with ThreadPoolExecutor(1, "deliveries") as pool:
        running = pool.submit(deliver_many, settings, pairs, stop=stop)
        try:
            yield files
        finally:
            stop.set()
        _raise_first(running.result())


def drain(settings: Settings, files: dict[str, Path]) -> None:
    """Deliver whatever is still in the grants' topics, to their ends."""
    _raise_first(deliver_many(settings, [(g, f"sqlite:{p}") for g, p in files.items()], until="caught_up"))


def wait_exchanged(settings: Settings, resources: Sequence[str], limit_s: float) -> None:
    """Return when the exchange has committed the end of every resource. TransientError after `limit_s` seconds."""
    client = admin(settings)
    places = [TopicPartition(source_topic(r), 0) for r in resources]
    deadline = time.monotonic() + limit_s
    while behind := _behind(client, places):
        if time.monotonic() > deadline:
            raise TransientError(
                Text(f"the exchange is still {behind} offsets behind.", f"交换程序仍落后 {behind} 个位点。"),
                where=EXCHANGE_GROUP,
                hint=Text("See the exchange's log.", "请查看交换程序日志。"),
            )
        time.sleep(_LOOK_S)


def _behind(client: AdminClient, places: list[TopicPartition]) -> int:
    """Offsets between what the group has committed and the ends."""
    found = ends(client, places)
    request = ConsumerGroupTopicPartitions(EXCHANGE_GROUP, places)
    answer = client.list_consumer_group_offsets([request])[EXCHANGE_GROUP].result()
    held = {(p.topic, p.partition): max(0, p.offset) for p in answer.topic_partitions}
    return sum(found.get(place, 1) - held.get(place, 0) for place in [(p.topic, p.partition) for p in places])


def _raise_first(outcomes: Sequence[object]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, BusError):
            raise outcome
    if not outcomes:
        raise PermanentError(Text("nothing was delivered.", "没有任何交付。"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
