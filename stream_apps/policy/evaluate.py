"""The policy at work: (view, change events, keys, time) -> released events. A pure function of its arguments.

Columns in, columns out. Masks are computed for released rows only. If anything raises, the batch is halved until the
faulty row stands alone and fails by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.clock import SHANGHAI_OFFSET_MS
from schemas.codec import key_texts
from stream_apps.policy.judge import CREATE, DELETE, OPS, FilterFailedError, Verdict, judge
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.released import Failure, Outcome, Released, joined, nothing
from stream_apps.policy.tokens import tokens
from stream_apps.policy.unchanged import drop_unchanged
from stream_apps.policy.view import View, ViewField

_STEP_MS = {"millisecond": 1, "second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}

_NONE: Mapping[str, Any] = {}

Rows = npt.NDArray[np.int64]


def evaluate(
    view: View, batch: pa.RecordBatch, *, keys: ViewKeys, at_ms: int, known: npt.NDArray[np.bool_] | None = None
) -> Released:
    """What `view` releases of a batch of change events (laid out as `schemas.codec.ChangeDecoder` does).

    at_ms  time of release, milliseconds since 1970 UTC
    known  per row, whether the row as it was is known to have been delivered; by default it is. Where it is not, an
           update is emitted even if no released field changed
    Never raises for what the batch holds: a row that cannot be judged or masked fails alone. MemoryError if there is too
    little for one row.
    """
    if not may_release(view, keys, at_ms):
        return nothing(view.arrow, np.full(len(batch), Outcome.NOT_VALID, np.int8), [])
    if len(batch) == 0:
        return nothing(view.arrow, np.zeros(0, np.int8), [])
    known = np.ones(len(batch), np.bool_) if known is None else known
    return _isolating(view, batch, keys.at(at_ms), at_ms, known)


def may_release(view: View, keys: ViewKeys, at_ms: int) -> bool:
    """Whether anything may be released at an instant: within the grant's validity, and not under a key whose time is over."""
    return view.valid.covers(at_ms) and (not view.keyed or keys.usable(at_ms))


def _isolating(view: View, batch: pa.RecordBatch, keys: ViewKeys, at_ms: int, known: npt.NDArray[np.bool_]) -> Released:
    try:
        return _evaluate(view, batch, keys, at_ms, known)
    except Exception as error:  # whatever a filter, mask or kernel raises, the row is withheld
        if len(batch) == 1:
            if isinstance(error, MemoryError):
                raise  # no fault of the row
            why = Failure.FILTER_FAILED if isinstance(error, FilterFailedError) else Failure.MASK_FAILED
            return _failed(view, batch, keys, at_ms, why)
    half = len(batch) // 2
    return joined(
        _isolating(view, batch.slice(0, half), keys, at_ms, known[:half]),
        _isolating(view, batch.slice(half), keys, at_ms, known[half:]),
    )


def _evaluate(view: View, batch: pa.RecordBatch, keys: ViewKeys, at_ms: int, known: npt.NDArray[np.bool_]) -> Released:
    verdict = judge(view, batch)
    drop_unchanged(view, batch, verdict, keys, known)
    source, kind = _events(verdict)
    if len(source) == 0:
        return nothing(view.arrow, verdict.outcome, verdict.failed)
    came = kind == _COMES
    raw_key = _raw_key(view, batch, source, kind == _GOES_OLD)
    key_fields, kafka_keys = _view_key(view, raw_key, keys)
    row_keys = key_texts(raw_key, [name for name, _ in view.raw_key]) if view.salted else None
    ops = np.where(came, verdict.op_out[source], DELETE)
    columns: dict[str, Any] = {
        "op": pa.array(OPS, pa.string()).take(pa.array(ops, pa.int8())),
        "released_at": _released_at(view, at_ms, len(source)),
        "key": _struct(list(key_fields.values()), view.arrow.field("key").type),
        "after": _after(view, batch, source, came, keys, key_fields, row_keys),
    }
    if view.before:
        had = verdict.before_in[source] & (ops != CREATE)
        rows = _masked(view, batch.column("before"), source[had], keys, _of(row_keys, had))
        columns["before"] = _spread(rows, had, view.arrow.field("before").type)
    events = pa.RecordBatch.from_arrays([columns[f.name] for f in view.arrow], schema=view.arrow)
    return Released(
        verdict.outcome, events, source.astype(np.int32), kafka_keys.cast(pa.binary()), ~came, verdict.failed
    )


_GOES_OLD, _GOES, _COMES = range(3)


def _events(verdict: Verdict) -> tuple[Rows, npt.NDArray[np.int8]]:
    """Input row and kind of every event, in output order: by row, and of one row the deletes before the create."""
    rows = [np.nonzero(part)[0] for part in (verdict.goes_old, verdict.goes, verdict.comes)]
    source = np.concatenate(rows)
    kind = np.repeat(np.array([_GOES_OLD, _GOES, _COMES], np.int8), [len(r) for r in rows])
    if len(source) == len(rows[_COMES]):
        return source, kind
    order = np.lexsort((kind, source))
    return source[order], kind[order]


def _raw_key(view: View, batch: pa.RecordBatch, source: Rows, old: npt.NDArray[np.bool_]) -> Any:
    """The raw key of every event, as a struct column; where `old`, that of the row in `before`."""
    key: Any = batch.column("key")
    names = [name for name, _ in view.raw_key]
    columns = [key.field(name) for name in names]
    rows = source
    if old.any():
        before: Any = batch.column("before")
        columns = [pa.concat_arrays([c, before.field(name)]) for c, name in zip(columns, names, strict=True)]
        rows = np.where(old, source + len(batch), source)
    at = pa.array(rows)
    return pa.StructArray.from_arrays([c.take(at) for c in columns], names)


def _view_key(view: View, raw_key: Any, keys: ViewKeys) -> tuple[dict[str, Any], Any]:
    """The fields of the view key, and its text: what the event is keyed by in Kafka."""
    if view.key_mode == "token":
        text = key_texts(raw_key, [name for name, _ in view.raw_key])
        if text.null_count:
            raise ValueError("a key with a null in it")
        token = tokens(text, keys.view_key())
        return {view.arrow.field("key").type.field(0).name: token}, token
    fields = {f.name: _fit(f.mask.columns(raw_key.field(f.name), keys), f, view) for f in view.key_fields}
    struct = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    text = key_texts(struct, list(fields))
    if text.null_count:
        raise ValueError("a key with a null in it")
    return fields, text


def _after(
    view: View,
    batch: pa.RecordBatch,
    source: Rows,
    came: npt.NDArray[np.bool_],
    keys: ViewKeys,
    key_fields: dict[str, Any],
    row_keys: Any,
) -> Any:
    """The column `after`. A key field was masked for the view key already and is not masked again."""
    done = key_fields
    if key_fields and not came.all():
        there = pa.array(np.nonzero(came)[0])
        done = {name: column.take(there) for name, column in key_fields.items()}
    columns = _masked(view, batch.column("after"), source[came], keys, _of(row_keys, came), done)
    return _spread(columns, came, view.arrow.field("after").type)


def _of(row_keys: Any, which: npt.NDArray[np.bool_]) -> Any:
    return None if row_keys is None else row_keys.filter(pa.array(which))


def _masked(
    view: View, rows: Any, at: Rows, keys: ViewKeys, row_keys: Any, done: Mapping[str, Any] = _NONE
) -> list[Any]:
    """The released columns of some rows of a struct column, `at` ascending and each once; `done` are masked already.
    `row_keys`: the texts of their keys, for masks that ask."""
    index = None if len(at) == len(rows) else pa.array(at)
    out = []
    for field in view.fields:
        if field.name in done:
            out.append(done[field.name])
            continue
        column = rows.field(field.source)
        out.append(field.mask.columns(column if index is None else column.take(index), keys, row_keys))
    return out


def _spread(columns: list[Any], present: npt.NDArray[np.bool_], type_: Any) -> Any:
    """A struct column with the rows of `columns`, in order, where `present`, and null elsewhere."""
    if present.all():
        return _struct(columns, type_)
    at = pa.array(np.cumsum(present) - 1, mask=~present)
    return _struct([c.take(at) for c in columns], type_, mask=pa.array(~present))


def _struct(columns: list[Any], type_: Any, mask: Any = None) -> Any:
    cast = [c if c.type == f.type else c.cast(f.type) for c, f in zip(columns, type_, strict=True)]
    return pa.StructArray.from_arrays(cast, fields=list(type_), mask=mask)


def _fit(column: Any, field: ViewField, view: View) -> Any:
    want = view.arrow.field("key").type.field(field.name).type
    return column if column.type == want else column.cast(want)


def _failed(view: View, batch: pa.RecordBatch, keys: ViewKeys, at_ms: int, why: Failure) -> Released:
    """The answer to one row that cannot be judged or masked: its delete if that can be told, else nothing."""
    outcome = np.full(1, Outcome.FAILED, np.int8)
    if batch.column("op")[0].as_py() == OPS[0]:  # a create: nothing can have been delivered
        return nothing(view.arrow, outcome, [(0, why)])
    try:
        deletes = delete_rows(view, _concerned(view, batch), keys=keys, at_ms=at_ms)
    except Exception:  # noqa: BLE001 - without a key there is nothing to delete; the row stays a dead letter
        return nothing(view.arrow, outcome, [(0, why)])
    source = np.zeros(len(deletes.source), np.int32)
    return Released(outcome, deletes.events, source, deletes.kafka_keys, deletes.deletes, [(0, why)])


def _concerned(view: View, event: pa.RecordBatch) -> Any:
    """The raw keys one event is about: its own and, where its key changed, first the one its row had before."""
    before: Any = event.column("before")
    key: Any = event.column("key")
    names = [name for name, _ in view.raw_key]
    own = pa.StructArray.from_arrays([key.field(name) for name in names], names)
    if not before[0].is_valid:
        return own
    old = pa.StructArray.from_arrays([before.field(name) for name in names], names)
    return own if old[0].as_py() == own[0].as_py() else pa.concat_arrays([old, own])


def delete_rows(view: View, raw_key: Any, *, keys: ViewKeys, at_ms: int) -> Released:
    """A delete for each raw key (a struct column of the contract's key fields), whatever is known of its row.

    Raises what a mask raises, and ValueError for a key with a null in it.
    """
    n = len(raw_key)
    struct = pa.StructArray.from_arrays([raw_key.field(name) for name, _ in view.raw_key], [k for k, _ in view.raw_key])
    key_fields, kafka_keys = _view_key(view, struct, keys.at(at_ms))
    columns: dict[str, Any] = {
        "op": pa.array(["d"] * n, pa.string()),
        "released_at": _released_at(view, at_ms, n),
        "key": _struct(list(key_fields.values()), view.arrow.field("key").type),
    }
    for name in ("after", "before"):
        if name in view.arrow.names:
            columns[name] = pa.nulls(n, view.arrow.field(name).type)
    events = pa.RecordBatch.from_arrays([columns[f.name] for f in view.arrow], schema=view.arrow)
    outcome = np.full(n, Outcome.FAILED, np.int8)
    return Released(
        outcome, events, np.arange(n, dtype=np.int32), kafka_keys.cast(pa.binary()), np.ones(n, np.bool_), []
    )


def _released_at(view: View, at_ms: int, count: int) -> Any:
    """The time of release, no finer than granted, in steps of civil time in Asia/Shanghai."""
    step = _STEP_MS[view.release_time]
    moment = (at_ms + SHANGHAI_OFFSET_MS) // step * step - SHANGHAI_OFFSET_MS
    return pa.array(np.full(count, moment, np.int64)).cast(pa.timestamp("ms"))
