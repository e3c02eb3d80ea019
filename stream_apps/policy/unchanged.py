"""Updates that change nothing the subscriber sees, and are therefore not told (DESIGN 3.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.codec import key_texts
from stream_apps.policy.judge import Verdict
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.released import Outcome
from stream_apps.policy.view import View


def drop_unchanged(
    view: View, batch: pa.RecordBatch, verdict: Verdict, keys: ViewKeys, known: npt.NDArray[np.bool_]
) -> None:
    """Of the updates within the view, mark those as unchanged whose released fields are equal before and after.

    Equal raw fields are equal released ones, and a passed field that differs is a change; only what is left is masked.
    """
    rows = np.nonzero(verdict.settled & known)[0]
    if len(rows) == 0:
        return
    before: Any = batch.column("before")
    after: Any = batch.column("after")
    differs, visible = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
    at = pa.array(rows)
    unequal: dict[str, npt.NDArray[np.bool_]] = {}
    for field in view.fields:
        moved = _unequal(before.field(field.source).take(at), after.field(field.source).take(at))
        unequal[field.name] = moved
        differs |= moved
        if field.mask.keeps_keys_apart:
            visible |= moved
    open_ = np.nonzero(differs & ~visible)[0]
    if len(open_):
        masked_differs = np.zeros(len(open_), np.bool_)
        some = pa.array(rows[open_])
        row_keys = _row_keys(view, batch, some) if view.salted else None
        for field in view.fields:
            if not field.mask.keeps_keys_apart and unequal[field.name][open_].any():
                was = field.mask.columns(before.field(field.source).take(some), keys, row_keys)
                now = field.mask.columns(after.field(field.source).take(some), keys, row_keys)
                masked_differs |= _unequal(was, now)
        differs[open_] = masked_differs
    same = rows[~differs]
    verdict.outcome[same] = Outcome.UNCHANGED
    verdict.comes[same] = False


def _row_keys(view: View, batch: pa.RecordBatch, rows: Any) -> Any:
    key: Any = batch.column("key")
    names = [name for name, _ in view.raw_key]
    return key_texts(pa.StructArray.from_arrays([key.field(name).take(rows) for name in names], names), names)


def _unequal(a: Any, b: Any) -> npt.NDArray[np.bool_]:
    """Whether two columns differ, row by row; null equals null."""
    if pa.types.is_nested(a.type):
        pairs = zip(a.to_pylist(), b.to_pylist(), strict=True)
        # by their text, because to Python True, 1 and 1.0 (branches of a union) are equal
        return np.fromiter((repr(x) != repr(y) for x, y in pairs), np.bool_, len(a))
    unequal = pc.not_equal(a, b)
    if a.null_count or b.null_count:
        unequal = pc.if_else(pc.is_valid(unequal), unequal, pc.xor(pc.is_null(a), pc.is_null(b)))
    out: npt.NDArray[np.bool_] = unequal.to_numpy(zero_copy_only=False)
    return out
