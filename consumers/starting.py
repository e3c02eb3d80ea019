"""From where a replay reads: a time or an offset, as an offset in each partition of a grant's topic."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumers.kafka_errors import as_ours
from infra.runtime.kafka import consumer_config
from infra.runtime.settings import Settings
from schemas.clock import SHANGHAI, read_moment
from schemas.errors import ConfigError, TransientError
from schemas.ids import own_groups
from schemas.policy_state import GrantInForce
from schemas.text import Text

_TIMEOUT_S = 10.0
_WHERE = "--from"


@dataclass(frozen=True, slots=True)
class From:
    """Where to begin: `offset`, or else the first record that is not older than `at_ms` (milliseconds since 1970 UTC)."""

    offset: int | None = None
    at_ms: int | None = None


def read_from(text: str) -> From:
    """`1234` is an offset; everything else is ISO 8601, in Asia/Shanghai where it names no zone. ConfigError for neither."""
    if text.isascii() and text.isdigit():
        return From(offset=int(text))
    return From(at_ms=read_moment(text, _WHERE))


def shown_moment(at_ms: int) -> str:
    """A moment as people here read it."""
    return dt.datetime.fromtimestamp(at_ms / 1000, SHANGHAI).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Beginning:
    """Offsets by partition. `places`: where to begin, of the partitions chosen. `ends`: where each partition ends now.
    `first`: of each place, the first record that is still there, where that is a later one (None: none is)."""

    places: Mapping[int, int]
    ends: Mapping[int, int]
    first: Mapping[int, int | None]


class Topic:
    """A grant's topic, asked where things stand in it. Close it when done. TransientError if the cluster is out of reach."""

    def __init__(self, settings: Settings, grant: GrantInForce, partitions: int) -> None:
        self._grant, self._partitions = grant, partitions
        self._consumer = Consumer(
            consumer_config(settings, own_groups(grant.grant.subscriber) + "replay", **{"enable.partition.eof": True})
        )

    def beginning(self, start: From, partition: int | None) -> Beginning:
        """Where a replay begins; `partition` None: in all of them. ConfigError for what is not there."""
        chosen = self._chosen(start, partition)
        bounds = {p: self._bounds(p) for p in range(self._partitions)}
        ends = {p: high for p, (_, high) in bounds.items()}
        if start.offset is None:
            return Beginning(self._at(start.at_ms or 0, chosen, ends), ends, {})
        for p in chosen:
            self._check(p, start.offset, *bounds[p])
        places = dict.fromkeys(chosen, start.offset)
        there = {p: self._first(p, start.offset) for p in chosen if start.offset < ends[p]}
        return Beginning(places, ends, {p: first for p, first in there.items() if first != start.offset})

    def close(self) -> None:
        """Give back the connections."""
        self._consumer.close()

    def __enter__(self) -> Topic:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _chosen(self, start: From, partition: int | None) -> Sequence[int]:
        if partition is not None and not 0 <= partition < self._partitions:
            raise ConfigError(
                Text(
                    f"the topic has partitions 0 to {self._partitions - 1}.",
                    f"该主题的分区为 0 至 {self._partitions - 1}。",
                ),
                where="--partition",
            )
        if partition is None and start.offset and self._partitions > 1:
            raise ConfigError(
                Text(
                    f"the topic has {self._partitions} partitions, each with offsets of its own.",
                    f"该主题有 {self._partitions} 个分区, 各有自己的位点。",
                ),
                where=_WHERE,
                hint=Text("Add --partition, or say a time.", "请加上 --partition, 或改为给出时间。"),
            )
        return range(self._partitions) if partition is None else [partition]

    def _check(self, partition: int, offset: int, low: int, high: int) -> None:
        where = f"{self._grant.topic}[{partition}]@{offset}"
        if offset > high:
            raise ConfigError(
                Text(f"the partition ends before it, at offset {high}.", f"该分区止于位点 {high}, 尚无此位点。"),
                where=where,
            )
        if offset < low:
            raise ConfigError(
                Text(
                    f"what stands before offset {low} has been removed from the topic.",
                    f"位点 {low} 之前的内容已从主题中清除。",
                ),
                where=where,
                hint=Text(f"Begin at {low} or later.", f"请从 {low} 或之后开始。"),
            )

    def _at(self, at_ms: int, chosen: Sequence[int], ends: Mapping[int, int]) -> dict[int, int]:
        """The first record of each partition that is not older. Where all are older it is the partition's end."""
        if at_ms < self._grant.opened_at:
            raise ConfigError(
                Text(
                    f"the topic of generation {self._grant.generation} begins later, at {shown_moment(self._grant.opened_at)}.",
                    f"第 {self._grant.generation} 代的主题始于 {shown_moment(self._grant.opened_at)}, 晚于该时间。",
                ),
                where=_WHERE,
                hint=Text("--from 0 is its beginning.", "--from 0 表示自其起点。"),
            )
        asked = [TopicPartition(self._grant.topic, p, at_ms) for p in chosen]
        try:
            found = self._consumer.offsets_for_times(asked, _TIMEOUT_S)
        except KafkaException as error:
            raise as_ours(error.args[0], self._grant.topic) from error
        if all(place.offset < 0 for place in found):
            raise ConfigError(
                Text("nothing in the topic is as new as that.", "主题中没有该时间及以后的内容。"),
                where=f"{_WHERE} {shown_moment(at_ms)}",
            )
        return {p.partition: p.offset if p.offset >= 0 else ends[p.partition] for p in found}

    def _bounds(self, partition: int) -> tuple[int, int]:
        place = TopicPartition(self._grant.topic, partition)
        try:
            low, high = self._consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S, cached=False)
        except KafkaException as error:
            raise as_ours(error.args[0], self._grant.topic) from error
        return low, high

    def _first(self, partition: int, offset: int) -> int | None:
        """The first record at or after an offset."""
        self._consumer.assign([TopicPartition(self._grant.topic, partition, offset)])
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            message = self._consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                return message.offset()
            if error.code() == KafkaError._PARTITION_EOF:
                return None
            raise as_ours(error, f"{self._grant.topic}[{partition}]")
        raise TransientError(
            Text("the cluster falls silent.", "集群停止应答。"), where=f"{self._grant.topic}[{partition}]"
        )
