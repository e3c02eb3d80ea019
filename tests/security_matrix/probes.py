"""Operations as a client does them, each on many things at once; of every thing, whether the broker let it be done.

None: it was done (or would have been, had there been what it is done to). Else the name of what the broker said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from confluent_kafka import (
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ScramMechanism,
    UserScramCredentialDeletion,
)
from confluent_kafka.cimpl import NewTopic

from infra.runtime.kafka import client_config, producer_config
from infra.runtime.settings import Settings
from infra.security.reconcile import Held, exactly
from tests.kit.wire import NotLetIn, Wire

Said = dict[str, str | None]
_DONE = {
    KafkaError.TOPIC_ALREADY_EXISTS, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._PARTITION_EOF,
    KafkaError._UNKNOWN_PARTITION, KafkaError.GROUP_ID_NOT_FOUND, KafkaError.INVALID_PARTITIONS, KafkaError.RESOURCE_NOT_FOUND,
}  # fmt: skip
"""Answers that come only after the broker has allowed the question."""


_ANSWER_S = 15.0
"""A bare request is answered within this, if only by a closed connection."""


class Probes:
    """One user's clients. `wait_s`: how long an answer may take; who cannot log in never gets one."""

    def __init__(self, settings: Settings, wait_s: float = 15.0) -> None:
        self._settings, self._wait = settings, wait_s
        self._admin = AdminClient(client_config(settings) | {"log_level": 0})

    def topics(self, operation: str, names: Sequence[str]) -> Said:
        """An operation of `TOPIC_OPERATIONS` on topics."""
        work: Mapping[str, Callable[[Sequence[str]], Said]] = {
            "fetch": lambda names: self._wire(Wire.fetch, names),
            "produce": lambda names: self._wire(Wire.produce, names, "INVALID_RECORD"),
            "truncate": lambda names: self._wire(Wire.delete_records, names),
            "list": self._list,
            "describe": self._describe,
            "describe configs": self._describe_configs,
            "alter configs": self._alter_configs,
            "alter partitions": self._partitions,
            "create": self._create,
            "write": self._write,
            "delete": self._delete,
        }
        return work[operation](names)

    def groups(self, operation: str, names: Sequence[str]) -> Said:
        """`describe group`, or `commit`: an offset in the group's name, which takes the right to read in it."""
        if operation == "describe group":
            return self._futures(self._admin.describe_consumer_groups(list(names), request_timeout=self._wait))
        return self._wire(Wire.commit, names, "TOPIC_AUTHORIZATION_FAILED")  # of a topic, once the group is allowed

    def transactions(self, operation: str, names: Sequence[str]) -> Said:
        """Taking over a transactional.id: as a client does (`transactional id`), or the request itself (`init producer`)."""
        if operation == "init producer":
            return self._wire(Wire.init_producer, names)
        with ThreadPoolExecutor(8) as pool:
            return dict(zip(names, pool.map(self._take_over, names), strict=True))

    def cluster(self, operation: str) -> str | None:
        """An operation of `CLUSTER_OPERATIONS`."""
        nothing = exactly(Held("User:nobody", "topic", "no-such-topic", "literal", "read", "no-such-host"))
        nobody = UserScramCredentialDeletion("nobody", ScramMechanism.SCRAM_SHA_512)
        whole = ConfigResource(ConfigResource.Type.BROKER, "1")
        broker = ConfigResource(
            ConfigResource.Type.BROKER, "1", incremental_configs=[_setting("background.threads", "5")]
        )
        calls: Mapping[str, Callable[[], Any]] = {
            "alter acls": lambda: self._admin.delete_acls([nothing], request_timeout=self._wait),
            "alter credentials": lambda: self._admin.alter_user_scram_credentials([nobody], request_timeout=self._wait),
            "describe broker": lambda: self._admin.describe_configs([whole], request_timeout=self._wait),
            "alter broker": lambda: self._admin.incremental_alter_configs(
                [broker], validate_only=True, request_timeout=self._wait
            ),
        }
        return next(iter(self._futures(calls[operation]()).values()))

    def _wire(self, ask: Callable[[Wire, Sequence[str]], Said], names: Sequence[str], allowed: str = "") -> Said:
        """The request itself, whatever an ordinary client would ask first. `allowed`: the error that says it was let do it."""
        try:
            with Wire(self._settings, _ANSWER_S) as wire:
                said = ask(wire, names)
        except NotLetIn as error:
            return dict.fromkeys(names, str(error))
        except OSError as error:
            return dict.fromkeys(names, type(error).__name__)
        return {n: None if said[n] == allowed else said[n] for n in names}

    def _list(self, names: Sequence[str]) -> Said:
        try:
            there = self._admin.list_topics(timeout=self._wait).topics
        except KafkaException as error:
            return dict.fromkeys(names, _said(error.args[0]))
        return {n: None if n in there else "not shown" for n in names}

    def _describe(self, names: Sequence[str]) -> Said:
        return self._futures(self._admin.describe_topics(TopicCollection(list(names)), request_timeout=self._wait))

    def _describe_configs(self, names: Sequence[str]) -> Said:
        asked = [ConfigResource(ConfigResource.Type.TOPIC, n) for n in names]
        return self._futures(self._admin.describe_configs(asked, request_timeout=self._wait))

    def _alter_configs(self, names: Sequence[str]) -> Said:
        asked = [
            ConfigResource(ConfigResource.Type.TOPIC, n, incremental_configs=[_setting("retention.ms", "1000")])
            for n in names
        ]
        answers = self._admin.incremental_alter_configs(asked, validate_only=True, request_timeout=self._wait)
        return self._futures(answers)

    def _partitions(self, names: Sequence[str]) -> Said:
        asked = [NewPartitions(n, 9) for n in names]
        return self._futures(self._admin.create_partitions(asked, validate_only=True, request_timeout=self._wait))

    def _create(self, names: Sequence[str]) -> Said:
        asked = [NewTopic(n, 1) for n in names]
        return self._futures(self._admin.create_topics(asked, validate_only=True, request_timeout=self._wait))

    def _delete(self, names: Sequence[str]) -> Said:
        return self._futures(self._admin.delete_topics(list(names), request_timeout=self._wait))

    def _write(self, names: Sequence[str]) -> Said:
        quick = {"message.timeout.ms": int(self._wait * 1000), "enable.idempotence": False, "log_level": 0}
        producer = Producer(producer_config(self._settings, None, **quick))
        found: Said = {}
        for name in names:
            producer.produce(name, b"probe", b"probe", partition=0, on_delivery=_note(found, name))
        producer.flush(self._wait + 1)
        return {n: found.get(n, "no answer") for n in names}

    def _take_over(self, name: str) -> str | None:
        # its own config's timeouts are as long as a transaction's; librdkafka insists on the same for its sockets
        producer = Producer(producer_config(self._settings, name, **{"log_level": 0}))
        try:
            producer.init_transactions(self._wait)
        except KafkaException as error:
            return _said(error.args[0])
        return None

    def _futures(self, answers: Mapping[Any, Any]) -> Said:
        return {getattr(k, "topic", None) or getattr(k, "name", None) or str(k): _answer(f) for k, f in answers.items()}


def _answer(future: Any) -> str | None:
    try:
        future.result()
    except KafkaException as error:
        return _said(error.args[0])
    return None


def _said(error: KafkaError | None) -> str | None:
    return None if error is None or error.code() in _DONE else error.name()


def _note(found: Said, name: str) -> Callable[[KafkaError | None, Any], None]:
    def landed(error: KafkaError | None, _message: Any) -> None:
        found[name] = _said(error)

    return landed


def _setting(name: str, value: str) -> ConfigEntry:
    return ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
