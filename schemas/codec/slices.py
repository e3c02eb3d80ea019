"""Batches whose arrays begin where their buffers do: native code loses its way in slices of nested arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa


def compact(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch itself, or a copy of it if any array in it, however deep, is a slice."""
    if not any(_sliced(column) for column in batch.columns):
        return batch
    return batch.take(pa.array(np.arange(len(batch)), pa.int64()))


def _sliced(array: Any) -> bool:
    if array.offset:
        return True
    kind = array.type
    if pa.types.is_struct(kind) or pa.types.is_union(kind):
        return any(_sliced(array.field(i)) for i in range(kind.num_fields))
    if pa.types.is_map(kind):
        return _sliced(array.keys) or _sliced(array.items)
    return pa.types.is_list(kind) and _sliced(array.values)
