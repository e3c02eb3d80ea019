"""A grant's records as Kafka holds them -> typed view events. What cannot be read stops the reader: nothing is skipped."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
from confluent_kafka import Message

from consumers.column_records import ColumnRecords, check_times
from consumers.events import Place, Tombstone
from schemas.avro_types import logical, primitive, without_null
from schemas.codec import Reason, codec_for
from schemas.errors import PermanentError
from schemas.keys import ESCAPE, SEPARATOR
from schemas.text import Text


class ViewDecoder:
    """Decodes the records of one grant topic. Stateless between calls."""

    def __init__(self, topic: str, schema: dict[str, Any], schema_id: int) -> None:
        self._topic = topic
        self._codec = codec_for(schema, schema_id)
        key = next(f for f in schema["fields"] if f["name"] == "key")
        self._key: list[tuple[str, Any]] = [(f["name"], f["type"]) for f in key["type"]["fields"]]

    def records(self, messages: Sequence[Message]) -> ColumnRecords:
        """The messages' view events and tombstones, in order. PermanentError, with the place, if one cannot be read."""
        framed = [m.value() for m in messages]
        full = [v for v in framed if v is not None]
        decoded = self._codec.decode(full)
        if decoded.bad:
            positions = [i for i, v in enumerate(framed) if v is not None]
            raise self._unreadable(messages[positions[decoded.bad[0].position]], decoded.bad[0].reason)
        try:
            for column in decoded.batch.columns:
                check_times(column)
        except (ValueError, OverflowError):  # a date or time no Python value can hold
            raise self._unreadable(messages[0], Reason.MALFORMED) from None
        tombstones = {i: self._tombstone(messages[i]) for i, v in enumerate(framed) if v is None}
        partitions = np.array([m.partition() for m in messages], np.int32)
        offsets = np.array([m.offset() for m in messages], np.int64)
        return ColumnRecords(decoded.batch, partitions, offsets, tombstones)

    def _tombstone(self, message: Message) -> Tombstone:
        try:
            parts = _parts((message.key() or b"").decode())
            if len(parts) != len(self._key):
                raise ValueError("another number of parts")  # noqa: TRY301
            key = {name: _value(part, avro) for part, (name, avro) in zip(parts, self._key, strict=True)}
        except ValueError:
            raise self._unreadable(message, Reason.MALFORMED) from None
        return Tombstone(key, _place(message))

    def _unreadable(self, message: Message, reason: Reason) -> PermanentError:
        return PermanentError(
            Text(
                f"a view event cannot be read ({reason.value}); delivery of this grant stops here.",
                f"视图事件无法读取({reason.value}); 该授权的投递在此停止。",
            ),
            where=f"{self._topic}[{message.partition()}]@{message.offset()}",
            hint=Text(
                "Nothing after it has been delivered. Find out who wrote it; the exchange alone may write this topic.",
                "其后的数据均未投递。请查明写入者; 该主题只允许交换进程写入。",
            ),
        )


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
