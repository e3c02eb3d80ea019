"""Change events as Kafka messages: columns built field by field, encoded together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from schemas.change_event import ChangeEvent, Row, change_event_schema
from schemas.codec import codec_for, key_texts
from schemas.contract import Contract
from schemas.errors import PermanentError
from schemas.text import Text

Message = dict[str, Any]
"""What `produce_batch` takes: key and value, as bytes."""


class EventEncoder:
    """Encodes the change events of one contract, framed with the id its schema has in the registry."""

    def __init__(self, contract: Contract, schema_id: int) -> None:
        self._contract = contract
        self._codec = codec_for(change_event_schema(contract), schema_id)
        self._defaults = {f.name: f.default for f in contract.fields if f.has_default and f.default is not None}

    def messages(self, events: Sequence[ChangeEvent], published_at: int) -> list[Message]:
        """One message per event, in order. PermanentError for a value its type cannot hold."""
        batch = self._batch(events, published_at)
        keys: Any = key_texts(batch.column("key"), self._contract.key)  # type: ignore[arg-type]
        values = self._codec.encode(batch)
        return [{"key": key.encode(), "value": value} for key, value in zip(keys.to_pylist(), values, strict=True)]

    def _batch(self, events: Sequence[ChangeEvent], published_at: int) -> pa.RecordBatch:
        layout = self._codec.arrow
        columns: dict[str, list[Any]] = {
            "op": [e.op.value for e in events],
            "event_id": [e.event_id for e in events],
            "source": [e.source for e in events],
            "position": [e.position for e in events],
            "occurred_at": [e.occurred_at for e in events],
            "published_at": [published_at] * len(events),
        }
        try:
            arrays: dict[str, Any] = {
                name: pa.array(values, layout.field(name).type) for name, values in columns.items()
            }
            arrays["key"] = _structs([e.key for e in events], layout.field("key").type, {})
            for name in ("before", "after"):
                rows = [getattr(e, name) for e in events]
                arrays[name] = _structs(rows, layout.field(name).type, self._defaults)
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            # Arrow's message quotes the value, so it goes no further
            raise PermanentError(
                Text("a row does not fit the contract's types.", "数据行与契约类型不符。"), where=self._contract.id
            ) from None
        return pa.RecordBatch.from_arrays([arrays[name] for name in layout.names], schema=layout)


def _structs(rows: list[Row | None], layout: Any, defaults: Row) -> Any:
    present = [row for row in rows if row is not None]
    if not present:
        return pa.nulls(len(rows), layout)
    children = [pa.array([row.get(f.name, defaults.get(f.name)) for row in present], f.type) for f in layout]
    found: Any = pa.StructArray.from_arrays(children, fields=list(layout))
    if len(present) == len(rows):
        return found
    places = iter(range(len(present)))
    return found.take(pa.array([None if row is None else next(places) for row in rows], pa.int32()))
