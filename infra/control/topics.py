"""The data topics, made with the settings their promises rest on.

Source and grant topics are compacted, but neither a change nor a delete disappears within seven days (BUS_TOLERATED_OUTAGE_S):
who is away no longer than that catches up, who was away longer is rebuilt from a snapshot (DESIGN 3.4). A grant's topic can be purged besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra.runtime.kafka import MAX_MESSAGE_BYTES, await_topics, passes
from schemas.errors import PermanentError, TransientError
from schemas.ids import (
    DEAD_LETTER_TOPIC,
    EVIDENCE_TOPIC,
    grant_topic,
    positions_topic,
    quarantine_topic,
    source_topic,
)
from schemas.outage import TOLERATED_MS
from schemas.text import Text

RECORDS_MS = 3 * 366 * 24 * 3600 * 1000
"""Records of how data was handled are kept at least three years (政务数据共享条例 Art. 29)."""

_RECORDS_A_REQUEST = 5_000
"""Entries in the cluster's own log that one request may need: one for a topic, for each partition and each setting. More than
10,000 are refused ("excessively large batch operation")."""
_TIMEOUT_S = 30.0
_METADATA_S = 8.0
PURGEABLE = {"cleanup.policy": "compact,delete", "retention.ms": "-1", "retention.bytes": "-1"}
"""A broker purges only what may be deleted from (`purge.py`). Nothing is deleted by age or size."""
_POINTERS = {"cleanup.policy": "delete", "retention.ms": str(RECORDS_MS)}
_POSITIONS = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    # only closed segments are compacted, and every opening publisher reads all that is left: keep the open one small
    "segment.bytes": "1048576",
    "segment.ms": "3600000",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic that must exist."""

    name: str
    partitions: int
    config: Mapping[str, str]


def of_resource(resource: str, partitions: int, outage_ms: int = TOLERATED_MS) -> list[Wanted]:
    """Topics of a resource: its source, its quarantine, its publishers' positions; the dead letters and evidence all share.

    outage_ms   the longest absence of the exchange (BUS_TOLERATED_OUTAGE_S)
    """
    return [
        Wanted(source_topic(resource), partitions, _compacted(outage_ms)),
        Wanted(quarantine_topic(resource), 1, _POINTERS),
        Wanted(positions_topic(resource), 1, _POSITIONS),
        Wanted(DEAD_LETTER_TOPIC, 1, _POINTERS),
        Wanted(EVIDENCE_TOPIC, 1, _POINTERS),
    ]


def of_grant(grant: str, generation: int, partitions: int, outage_ms: int = TOLERATED_MS) -> Wanted:
    """Topic of one generation of a grant, with as many partitions as its source."""
    return Wanted(grant_topic(grant, generation), partitions, _compacted(outage_ms) | PURGEABLE)


def _compacted(outage_ms: int) -> dict[str, str]:
    return {
        "cleanup.policy": "compact",
        "min.compaction.lag.ms": str(outage_ms),
        "delete.retention.ms": str(outage_ms),
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
    }


def partition_counts(client: AdminClient) -> dict[str, int]:
    """Number of partitions of every topic there is. TransientError if the cluster is out of reach."""
    try:
        return {name: len(t.partitions) for name, t in client.list_topics(timeout=_METADATA_S).topics.items()}
    except KafkaException as error:
        raise refused(error) from error


def create(client: AdminClient, wanted: Iterable[Wanted], existing: Mapping[str, int]) -> list[str]:
    """Create what is missing, in as few requests as the cluster takes; the names created. PermanentError if it refuses one."""
    missing = {w.name: w for w in wanted if w.name not in existing}
    if not missing:
        return []
    for some in batches(missing.values()):
        new = [NewTopic(w.name, w.partitions, config=dict(w.config)) for w in some]
        made = client.create_topics(new, operation_timeout=_TIMEOUT_S, request_timeout=_TIMEOUT_S)
        for name, done in made.items():
            try:
                done.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise refused(error, name) from error
    await_topics(client, missing)
    return list(missing)


def batches(wanted: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    """The topics in requests of which each stays below what the controller writes at once."""
    batch: list[Wanted] = []
    records = 0
    for w in wanted:
        more = 1 + w.partitions + len(w.config)
        if batch and records + more > _RECORDS_A_REQUEST:
            yield batch
            batch, records = [], 0
        batch.append(w)
        records += more
    if batch:
        yield batch


def delete(client: AdminClient, names: list[str]) -> None:
    """Delete topics; one that is gone already is no error."""
    if not names:
        return
    for name, done in client.delete_topics(names, operation_timeout=_TIMEOUT_S).items():
        try:
            done.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise refused(error, name) from error


def refused(error: KafkaException, where: str | None = None) -> PermanentError | TransientError:
    """What the cluster answered, as our error: out of reach is transient, everything else is not."""
    answer: KafkaError = error.args[0]
    if passes(answer):
        return TransientError(
            Text(f"the Kafka cluster does not answer: {answer.str()}.", f"Kafka 集群无响应: {answer.str()}。"),
            where=where,
            hint=Text(
                "Run 'bus status', or check BUS_BOOTSTRAP_SERVERS.",
                "请运行 'bus status', 或检查 BUS_BOOTSTRAP_SERVERS。",
            ),
        )
    return PermanentError(Text(f"Kafka refuses: {answer.str()}.", f"Kafka 拒绝: {answer.str()}。"), where=where)
