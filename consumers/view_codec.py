"""A grant's records as Kafka holds them -> typed view events. What cannot be read stops the reader: nothing is skipped."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
from confluent_kafka import Message

from consumers.column_records import ColumnRecords, check_times
from consumers.events import Place, Row, Tombstone
from schemas.avro_types import logical, primitive, without_null
from schemas.codec import Reason, codec_for
from schemas.errors import PermanentError
from schemas.keys import ESCAPE, SEPARATOR
from schemas.text import Text

_FOREIGN = (Reason.NOT_FRAMED, Reason.UNKNOWN_SCHEMA)
"""What the exchange never writes here, whatever goes wrong: somebody else did."""


class Unreadable(PermanentError):
    """One record of a grant's topic that cannot be read. `key`: what row it is of, where that is readable."""

    def __init__(self, topic: str, place: Place, reason: Reason, key: Row | None) -> None:
        super().__init__(
            Text(
                f"a view event cannot be read ({reason.value}); delivery of this grant stops here.",
                f"视图事件无法读取({reason.value}); 该授权的投递在此停止。",
            ),
            where=f"{topic}[{place.partition}]@{place.offset}",
            hint=Text(
                "What stands before it was delivered, nothing after it. Find out who wrote it; the exchange alone may write this "
                "topic.",
                "其前的数据已投递, 其后的均未投递。请查明写入者; 该主题只允许交换进程写入。",
            ),
        )
        self.place, self.reason, self.key = place, reason, key

    @property
    def skippable(self) -> bool:
        """Whether it may be passed over on order: it is of this topic's schema, and its row can be deleted."""
        return self.key is not None and self.reason not in _FOREIGN


class ViewDecoder:
    """Decodes the records of one grant topic. Stateless between calls."""

    def __init__(self, topic: str, schema: dict[str, Any], schema_id: int) -> None:
        self._topic = topic
        self._codec = codec_for(schema, schema_id)
        key = next(f for f in schema["fields"] if f["name"] == "key")
        self._key: list[tuple[str, Any]] = [(f["name"], f["type"]) for f in key["type"]["fields"]]

    def records(self, messages: Sequence[Message]) -> ColumnRecords:
        """The messages' view events and tombstones, in order. Unreadable, with the place, if one cannot be read."""
        framed = [m.value() for m in messages]
        full = [i for i, v in enumerate(framed) if v is not None]
        decoded = self._codec.decode([v for v in framed if v is not None])
        if decoded.bad:
            raise self._unreadable(messages[full[decoded.bad[0].position]], decoded.bad[0].reason)
        try:
            for column in decoded.batch.columns:
                check_times(column)
        except (ValueError, OverflowError):  # a date or time no Python value can hold
            raise self._unreadable(self._culprit(messages), Reason.MALFORMED) from None
        tombstones = {i: self._tombstone(messages[i]) for i, v in enumerate(framed) if v is None}
        partitions = np.array([m.partition() for m in messages], np.int32)
        offsets = np.array([m.offset() for m in messages], np.int64)
        return ColumnRecords(decoded.batch, partitions, offsets, tombstones)

    def readable(self, messages: Sequence[Message]) -> tuple[ColumnRecords, Unreadable | None]:
        """What stands before the first record that cannot be read, and that one; None if all can."""
        try:
            return self.records(messages), None
        except Unreadable as fault:
            cut = next(i for i, m in enumerate(messages) if _place(m) == fault.place)
            good, earlier = self.readable(messages[:cut])
            return good, earlier or fault

    def _culprit(self, messages: Sequence[Message]) -> Message:
        """The first record whose values no Python value can hold."""
        for message in messages:
            value = message.value()
            if value is None:
                continue
            try:
                for column in self._codec.decode([value]).batch.columns:
                    check_times(column)
            except (ValueError, OverflowError):
                return message
        raise AssertionError("together they cannot be held, but each of them can")

    def _tombstone(self, message: Message) -> Tombstone:
        key = self._key_of(message)
        if key is None:
            raise self._unreadable(message, Reason.MALFORMED)
        return Tombstone(key, _place(message))

    def _key_of(self, message: Message) -> Row | None:
        """The key that the Kafka key is the text of; None if it is of none."""
        try:
            parts = _parts((message.key() or b"").decode())
            if len(parts) != len(self._key):
                return None
            return {name: _value(part, avro) for part, (name, avro) in zip(parts, self._key, strict=True)}
        except ValueError:
            return None

    def _unreadable(self, message: Message, reason: Reason) -> Unreadable:
        key = None if message.value() is None else self._key_of(message)
        return Unreadable(self._topic, _place(message), reason, key)


def _place(message: Message) -> Place:
    partition, offset = message.partition(), message.offset()
    assert partition is not None and offset is not None
    return Place(partition, offset)


def _parts(text: str) -> list[str]:
    """The parts of a key text: what `schemas.keys.key_text` joined. ValueError if it joined no such thing."""
    if ESCAPE not in text:
        return text.split(SEPARATOR)
    parts, current, characters = [], "", iter(text)
    for character in characters:
        if character == SEPARATOR:
            parts.append(current)
            current = ""
        elif character == ESCAPE:
            escaped = next(characters, "")
            if escaped not in (SEPARATOR, ESCAPE):
                raise ValueError("not a key text")
            current += escaped
        else:
            current += character
    return [*parts, current]


def _value(part: str, avro: Any) -> str | int | dt.date:
    plain = without_null(avro)
    if logical(plain) == "date":
        return dt.date.fromisoformat(part)
    return part if primitive(plain) == "string" else int(part)
