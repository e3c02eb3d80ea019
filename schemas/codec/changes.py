"""Change events of one resource, whichever version of its contract wrote them, as one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.avro_types import check_avro
from schemas.change_event import change_event_schema
from schemas.codec.avro_tree import MAX_TYPES
from schemas.codec.choice import codec_for
from schemas.codec.columns import empty_batch
from schemas.codec.frame import NOT_FRAMED, schema_ids
from schemas.codec.model import BadValue, Decoded, Reason
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
        self._older: dict[int, Callable[[list[bytes]], Decoded]] = {}

    @property
    def arrow(self) -> pa.Schema:
        """Layout of every batch: op, key, before, after, event_id, source, position, occurred_at, published_at."""
        return self.codec.arrow

    def decode(self, values: Sequence[bytes]) -> Decoded:
        """One row for each value that decoded, in the order of `values`. TransientError if `resolve` raises it."""
        ids = schema_ids(values)
        if (ids == self.codec.schema_id).all():
            return self.codec.decode(values)
        parts = [self._part(int(i), np.flatnonzero(ids == i).astype(np.int32), values) for i in np.unique(ids)]
        rows = np.concatenate([p.rows for p in parts])
        order = np.argsort(rows)
        joined: pa.RecordBatch = pa.concat_batches([p.batch for p in parts])  # type: ignore[attr-defined]
        bad = sorted((b for p in parts for b in p.bad), key=lambda b: b.position)
        return Decoded(joined.take(pa.array(order, pa.int64())), rows[order], bad)

    def _part(self, writer: int, places: npt.NDArray[np.int32], values: Sequence[bytes]) -> Decoded:
        """The values at `places`, all written with the id `writer` (-1: not framed)."""
        reader = None if writer == NOT_FRAMED else self._reader(writer)
        if reader is None:
            reason = Reason.NOT_FRAMED if writer == NOT_FRAMED else Reason.UNKNOWN_SCHEMA
            return Decoded(empty_batch(self.arrow), places[:0], [BadValue(int(i), reason) for i in places])
        part = reader([values[i] for i in places])
        return Decoded(part.batch, places[part.rows], [BadValue(int(places[b.position]), b.reason) for b in part.bad])

    def _reader(self, writer: int) -> Callable[[list[bytes]], Decoded] | None:
        if writer == self.codec.schema_id:
            return self.codec.decode
        if writer not in self._older:
            try:
                schema = self._resolve(writer)
                check_avro(schema, f"schema {writer}", most=MAX_TYPES)
                codec = codec_for(schema, writer)
            except (PermanentError, ConfigError):
                return None
            project = Projection(schema, self.codec.schema)
            self._older[writer] = lambda given: project(codec.decode(given))
        return self._older[writer]
