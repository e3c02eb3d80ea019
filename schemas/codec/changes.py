"""Change events of one resource, whichever version of its contract wrote them, as one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.avro_types import check_avro
from schemas.change_event import change_event_schema
from schemas.codec.choice import codec_for
from schemas.codec.frame import schema_ids
from schemas.codec.model import BadValue, Codec, Decoded, Reason
from schemas.codec.project import Projection
from schemas.contract import Contract
from schemas.errors import ConfigError, PermanentError


class ChangeDecoder:
    """Decodes to the layout of the newest contract's change events. One per resource and contract version.

    `resolve(id)` gives the schema registered under an id. It is asked once per id; its TransientError passes through
    with nothing half-done (the caller retries the whole call), its PermanentError makes that id's values bad, each time
    anew, because a registry may learn an id later.
    """

    def __init__(self, contract: Contract, schema_id: int, resolve: Callable[[int], dict[str, Any]]) -> None:
        self.codec = codec_for(change_event_schema(contract), schema_id)
        self._resolve = resolve
        self._older: dict[int, tuple[Codec, Projection]] = {}

    @property
    def arrow(self) -> pa.Schema:
        """Layout of every batch: op, key, before, after, event_id, source, position, occurred_at, published_at."""
        return self.codec.arrow

    def decode(self, values: Sequence[bytes]) -> Decoded:
        """One row for each value that decoded, in the order of `values`. TransientError if `resolve` raises it."""
        decoded = self.codec.decode(values)
        others = self._others(decoded, values)
        if not others:
            return decoded
        parts = [decoded, *(self._part(writer, rows, values) for writer, rows in others.items())]
        return _merged(parts, decoded, {i for rows in others.values() for i in rows})

    def _others(self, decoded: Decoded, values: Sequence[bytes]) -> dict[int, list[int]]:
        """Positions of the values written with another id, by that id."""
        foreign = [b.position for b in decoded.bad if b.reason is Reason.UNKNOWN_SCHEMA]
        out: dict[int, list[int]] = {}
        for position, writer in zip(foreign, schema_ids([values[i] for i in foreign]).tolist(), strict=True):
            out.setdefault(writer, []).append(position)
        return out

    def _part(self, writer: int, rows: list[int], values: Sequence[bytes]) -> Decoded:
        reader = self._reader(writer)
        if reader is None:
            return Decoded(self._none(), np.array([], np.int32), [BadValue(i, Reason.UNKNOWN_SCHEMA) for i in rows])
        codec, project = reader
        part = project(codec.decode([values[i] for i in rows]))
        places = np.array(rows, np.int32)
        return Decoded(part.batch, places[part.rows], [BadValue(rows[b.position], b.reason) for b in part.bad])

    def _reader(self, writer: int) -> tuple[Codec, Projection] | None:
        if writer not in self._older:
            try:
                schema = self._resolve(writer)
                check_avro(schema, f"schema {writer}")
                codec = codec_for(schema, writer)
            except (PermanentError, ConfigError):
                return None
            self._older[writer] = codec, Projection(schema, self.codec.schema)
        return self._older[writer]

    def _none(self) -> pa.RecordBatch:
        return self.codec.decode([]).batch


def _merged(parts: list[Decoded], own: Decoded, foreign: set[int]) -> Decoded:
    rows = np.concatenate([p.rows for p in parts])
    order = np.argsort(rows, kind="stable")
    joined: pa.RecordBatch = pa.concat_batches([p.batch for p in parts])  # type: ignore[attr-defined]
    batch = joined.take(pa.array(order, pa.int64()))
    bad = [b for p in parts if p is not own for b in p.bad] + [b for b in own.bad if b.position not in foreign]
    return Decoded(batch, rows[order].astype(np.int32), sorted(bad, key=lambda b: b.position))
