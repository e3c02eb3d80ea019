"""A resource and a grant of a test's own, and a worker that answers the control plane as the exchange does."""

from __future__ import annotations

import json
import threading
import time
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from infra.runtime.kafka import consumer_config, producer_config
from infra.runtime.policy_log import PolicyReader
from infra.runtime.settings import Settings
from schemas.contract import Contract, parse_contract
from schemas.grant import Grant, parse_grant
from schemas.ids import EXCHANGE_GROUP, source_topic

NOW = 1_795_500_000_000
"""2026-11-24 in Asia/Shanghai."""


def contract_source(resource: str, **attributes: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "Enterprise",
        "namespace": "scjg",
        "resource": {
            "id": resource,
            "title": {"zh": "企业", "en": "Enterprises"},
            "provider": "scjg",
            "key": ["uscc"],
            "sharing": "conditional",
            "basis": "test",
            **attributes,
        },
        "fields": [
            {"name": "uscc", "type": "string", "filterable": True},
            {"name": "name", "type": ["null", "string"], "default": None},
            {"name": "person", "type": ["null", "string"], "personal": "personal", "masks": ["drop", "pseudonym"]},
        ],
    }


def contract(resource: str, **attributes: Any) -> Contract:
    return parse_contract(contract_source(resource, **attributes))


def grant_document(word: str, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "Grant",
        "id": f"{word}.grant",
        "subscriber": "shuiwu",
        "resource": f"{word}.r",
        "purpose": "test",
        "basis": "test",
        "fields": {"uscc": "pass", "name": "pass"},
        "valid": {"from": "2026-11-01", "until": "2027-10-31"},
        **changes,
    }


def grant(word: str, **changes: Any) -> Grant:
    return parse_grant(grant_document(word, **changes))


class Worker:
    """A member of the exchange's group that owns a source topic and announces epoch and transactional.id.

    quiet   announces once, at the epoch it finds, and never again: a worker that hangs
    """

    def __init__(self, settings: Settings, resource: str, transaction: str, *, quiet: bool = False) -> None:
        self._settings, self._topic, self._transaction, self._quiet = (
            settings,
            source_topic(resource),
            transaction,
            quiet,
        )
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.producer: Producer | None = None

    def __enter__(self) -> Worker:
        if self._quiet:
            self.producer = Producer(producer_config(self._settings, self._transaction))
            self.producer.init_transactions(10)
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        consumer = Consumer(consumer_config(self._settings, EXCHANGE_GROUP))
        consumer.subscribe([self._topic])
        with PolicyReader(self._settings) as reader:
            epoch, announced = reader.read_to_end().epoch, -2
            while not self._stop.is_set():
                consumer.poll(0.01)
                if consumer.assignment() and epoch > announced:
                    said = json.dumps({"e": epoch, "t": self._transaction})
                    places = [TopicPartition(p.topic, p.partition, 0, said) for p in consumer.assignment()]
                    consumer.commit(offsets=places, asynchronous=False)
                    announced = epoch
                    self._ready.set()
                if not self._quiet:
                    epoch = reader.poll(0.0).epoch
        consumer.close()


def wait_for(condition: Any, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.02)
