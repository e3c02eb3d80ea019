"""Changes of rows that come and go, published to a lab's resource, and what a grant on it must get of them, one by one."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Producer

from infra.runtime.kafka import producer_config
from schemas.ids import grant_topic
from tests.kit.exchange_lab import Event, Lab, row

Released = tuple[bytes, str | None, int | None]
"""Kafka key, operation and amount; a tombstone is a key alone."""


class Load:
    """Publishes creates, updates and deletes of `keys` rows in two districts. Every update changes the amount, so whether a
    grant gets it does not depend on what it had before; the same seed gives the same changes."""

    def __init__(self, lab: Lab, keys: int = 2_000, seed: int = 1, *, transactions: bool = False) -> None:
        """`transactions`: as our publishers write, so that markers stand between the records."""
        self.lab, self._keys, self._chance = lab, keys, random.Random(seed)
        self._rows: dict[int, dict[str, Any]] = {}
        self._amount = 0
        self.published: dict[int, list[Event]] = {p: [] for p in range(lab.partitions)}
        self._transactions = transactions
        self._producer = Producer(producer_config(lab.settings, f"{lab.word}.load" if transactions else None))
        if transactions:
            self._producer.init_transactions(30)

    def publish(self, count: int) -> None:
        """So many changes, acknowledged."""
        if self._transactions:
            self._producer.begin_transaction()
        for partition, events in self._changes(count).items():
            for key, value in self.lab.values(events) if events else []:
                self._producer.produce(self.lab.topic, value, key, partition=partition)
            self.published[partition] += events
        if self._transactions:
            self._producer.commit_transaction(30)
        assert self._producer.flush(30) == 0

    @contextmanager
    def going_on(self, count: int = 20, every_s: float = 0.02) -> Iterator[None]:
        """So many changes, again and again, while the block runs."""
        stop, failed = threading.Event(), list[BaseException]()

        def run() -> None:
            try:
                while not stop.wait(every_s):
                    self.publish(count)
            except BaseException as error:  # noqa: BLE001 - raised again where the thread is waited for
                failed.append(error)

        thread = threading.Thread(target=run, name="load", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        if failed:
            raise failed[0]

    def expected(self, district: str | None = None) -> dict[int, list[Released]]:
        """What a grant gets, by partition and in order; with a district, one that asks for rows in it alone."""
        return {p: [r for e in events for r in _released(e, district)] for p, events in self.published.items()}

    def received(self, n: int, generation: int = 1) -> dict[int, list[Released]]:
        """What stands in a grant's topic."""
        messages = self.lab.messages(grant_topic(f"{self.lab.word}.g.{n}", generation))
        events = iter(self.lab.read([m.value() for m in messages if m.value() is not None]))
        out: dict[int, list[Released]] = {p: [] for p in range(self.lab.partitions)}
        for m in messages:
            event = None if m.value() is None else next(events)
            after = event and event["after"]
            out[m.partition()].append((m.key(), event and event["op"], after and after["amount"]))
        return out

    def _changes(self, count: int) -> dict[int, list[Event]]:
        out: dict[int, list[Event]] = {p: [] for p in range(self.lab.partitions)}
        for _ in range(count):
            key = self._chance.randrange(self._keys)
            out[key % self.lab.partitions].append(self._change(key))
        return out

    def _change(self, key: int) -> Event:
        before = self._rows.pop(key, None)
        if before is not None and self._chance.random() < 0.1:
            return "d", before, None
        self._amount += 1
        after = self._rows[key] = row(key, self._chance.choice("aab"), amount=self._amount)
        return ("u", before, after) if before is not None else ("c", None, after)


def _released(event: Event, district: str | None) -> list[Released]:
    _, before, after = event
    key = str((after or before or {})["id"]).encode()
    had, has = (r is not None and district in (None, r["district"]) for r in (before, after))
    if has and after is not None:
        return [(key, "u" if had else "c", after["amount"])]
    return [(key, "d", None), (key, None, None)] if had else []
