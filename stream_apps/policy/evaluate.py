"""The policy at work: (view, change events, keys, time) -> released events. A pure function of its arguments.

Columns in, columns out. Masks are computed for released rows only, and of `before` only where equality decides or the
grant releases it. If anything raises, the batch is halved until the faulty row stands alone and fails by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.clock import SHANGHAI_OFFSET_MS
from schemas.codec import key_texts
from stream_apps.policy.judge import DELETE, OPS, FilterFailedError, Verdict, judge
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.released import Failure, Outcome, Released, joined, nothing
from stream_apps.policy.tokens import tokens
from stream_apps.policy.view import View, ViewField

_STEP_MS = {"millisecond": 1, "second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}

Rows = npt.NDArray[np.int64]


def evaluate(
    view: View, batch: pa.RecordBatch, *, keys: ViewKeys, at_ms: int, known: npt.NDArray[np.bool_] | None = None
) -> Released:
    """What `view` releases of a batch of change events (laid out as `schemas.codec.ChangeDecoder` does).

    at_ms  time of release, milliseconds since 1970 UTC
    known  per row, whether the row as it was is known to have been delivered; by default it is. Where it is not, an
           update is emitted even if no released field changed
    Never raises for what the batch holds: a row that cannot be judged or masked fails alone.
    """
    if not view.valid.covers(at_ms):
        return nothing(view.arrow, np.full(len(batch), Outcome.NOT_VALID, np.int8), [])
    if len(batch) == 0:
        return nothing(view.arrow, np.zeros(0, np.int8), [])
    known = np.ones(len(batch), np.bool_) if known is None else known
    return _isolating(view, batch, keys, at_ms, known)


def _isolating(view: View, batch: pa.RecordBatch, keys: ViewKeys, at_ms: int, known: npt.NDArray[np.bool_]) -> Released:
    try:
        return _evaluate(view, batch, keys, at_ms, known)
    except Exception as error:  # noqa: BLE001 - whatever a filter, mask or kernel raises, the row is withheld
        if len(batch) == 1:
            why = Failure.FILTER_FAILED if isinstance(error, FilterFailedError) else Failure.MASK_FAILED
            return _failed(view, batch, keys, at_ms, why)
    half = len(batch) // 2
    return joined(
        _isolating(view, batch.slice(0, half), keys, at_ms, known[:half]),
        _isolating(view, batch.slice(half), keys, at_ms, known[half:]),
    )


def _evaluate(view: View, batch: pa.RecordBatch, keys: ViewKeys, at_ms: int, known: npt.NDArray[np.bool_]) -> Released:
    verdict = judge(view, batch)
    _settle(view, batch, verdict, keys, known)
    gone, came = np.nonzero(verdict.goes)[0], np.nonzero(verdict.comes)[0]
    if len(gone) + len(came) == 0:
        return nothing(view.arrow, verdict.outcome, verdict.failed)
    # of one row a delete goes before a create
    order = np.argsort(np.concatenate((gone * 2, came * 2 + 1)), kind="stable") if len(gone) else np.arange(len(came))
    source = np.concatenate((gone, came))[order]
    raw_key = _raw_key(view, batch, verdict, gone, came, order)
    key_fields, kafka_keys = _view_key(view, raw_key, keys)
    body = _body(view, batch, verdict, keys, gone, came, order, key_fields)
    ops = np.concatenate((np.full(len(gone), DELETE, np.int8), verdict.op_out[came]))[order]
    columns: dict[str, Any] = {
        "op": pa.array(OPS, pa.string()).take(pa.array(ops, pa.int8())),
        "released_at": pa.array(np.full(len(order), _coarse(at_ms, view), np.int64)).cast(pa.timestamp("ms")),
        "key": _struct(list(key_fields.values()), view.arrow.field("key").type),
        **body,
    }
    events = pa.RecordBatch.from_arrays([columns[f.name] for f in view.arrow], schema=view.arrow)
    return Released(
        verdict.outcome, events, source.astype(np.int32), kafka_keys.cast(pa.binary()), ops == DELETE, verdict.failed
    )


def _settle(view: View, batch: pa.RecordBatch, verdict: Verdict, keys: ViewKeys, known: npt.NDArray[np.bool_]) -> None:
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
        moved = _unequal(before.field(field.name).take(at), after.field(field.name).take(at))
        unequal[field.name] = moved
        differs |= moved
        if field.mask.keeps_keys_apart:
            visible |= moved
    open_ = np.nonzero(differs & ~visible)[0]
    if len(open_):
        masked_differs = np.zeros(len(open_), np.bool_)
        some = pa.array(rows[open_])
        for field in view.fields:
            if not field.mask.keeps_keys_apart and unequal[field.name][open_].any():
                was = field.mask.columns(before.field(field.name).take(some), keys)
                now = field.mask.columns(after.field(field.name).take(some), keys)
                masked_differs |= _unequal(was, now)
        differs[open_] = masked_differs
    same = rows[~differs]
    verdict.outcome[same] = Outcome.UNCHANGED
    verdict.comes[same] = False


def _unequal(a: Any, b: Any) -> npt.NDArray[np.bool_]:
    """Whether two columns differ, row by row; null equals null."""
    if pa.types.is_nested(a.type):
        pairs = zip(a.to_pylist(), b.to_pylist(), strict=True)
        return np.fromiter((x != y for x, y in pairs), np.bool_, len(a))
    unequal = pc.not_equal(a, b)
    if a.null_count or b.null_count:
        unequal = pc.if_else(pc.is_valid(unequal), unequal, pc.xor(pc.is_null(a), pc.is_null(b)))
    out: npt.NDArray[np.bool_] = unequal.to_numpy(zero_copy_only=False)
    return out


def _raw_key(view: View, batch: pa.RecordBatch, verdict: Verdict, gone: Rows, came: Rows, order: Rows) -> Any:
    """The raw key of every event, as a struct column in output order."""
    key: Any = batch.column("key")
    rows = np.concatenate((gone, came))
    names = [name for name, _ in view.raw_key]
    columns = [key.field(name) for name in names]
    if verdict.old_key.any():
        before: Any = batch.column("before")
        columns = [pa.concat_arrays([c, before.field(name)]) for c, name in zip(columns, names, strict=True)]
        rows = np.concatenate((np.where(verdict.old_key[gone], gone + len(batch), gone), came))
    at = pa.array(rows[order])
    return pa.StructArray.from_arrays([c.take(at) for c in columns], names)


def _view_key(view: View, raw_key: Any, keys: ViewKeys) -> tuple[dict[str, Any], Any]:
    """The fields of the view key, and its text: what the event is keyed by in Kafka."""
    if view.key_mode == "token":
        text = key_texts(raw_key, [name for name, _ in view.raw_key])
        if text.null_count:
            raise ValueError("a key with a null in it")
        token = tokens(text, keys.key_token)
        return {view.arrow.field("key").type.field(0).name: token}, token
    fields = {f.name: _fit(f.mask.columns(raw_key.field(f.name), keys), f, view) for f in view.key_fields}
    struct = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    text = key_texts(struct, list(fields))
    if text.null_count:
        raise ValueError("a key with a null in it")
    return fields, text


def _body(
    view: View,
    batch: pa.RecordBatch,
    verdict: Verdict,
    keys: ViewKeys,
    gone: Rows,
    came: Rows,
    order: Rows,
    key_fields: dict[str, Any],
) -> dict[str, Any]:
    """The columns `after` and, if granted, `before`."""
    place = np.concatenate((np.full(len(gone), -1), np.arange(len(came))))[order]
    after = _masked(view, batch.column("after"), came, keys, place, key_fields)
    out = {"after": _spread(after, place, view.arrow.field("after").type)}
    if view.before:
        had = np.concatenate((verdict.before_in[gone], verdict.before_in[came] & (verdict.op_out[came] != 0)))[order]
        rows = np.concatenate((gone, came))[order][had]
        place = np.full(len(order), -1)
        place[had] = np.arange(len(rows))
        before = _masked(view, batch.column("before"), rows, keys, None, {})
        out["before"] = _spread(before, place, view.arrow.field("before").type)
    return out


def _masked(
    view: View, rows: Any, at: Rows, keys: ViewKeys, place: Rows | None, key_fields: dict[str, Any]
) -> list[Any]:
    """The released columns of some rows. A key field was masked for the view key already and is not hashed again."""
    everything = len(at) == len(rows)
    index = None if everything else pa.array(at)
    reuse = pa.array(np.nonzero(place >= 0)[0]) if place is not None and key_fields else None
    out = []
    for field in view.fields:
        if reuse is not None and field.name in key_fields:
            done = key_fields[field.name]
            out.append(done if len(reuse) == len(done) else done.take(reuse))
            continue
        column = rows.field(field.name)
        out.append(field.mask.columns(column if index is None else column.take(index), keys))
    return out


def _spread(columns: list[Any], place: Rows, type_: Any) -> Any:
    """A struct column with row `place[i]` of `columns` at i, and null where `place[i]` is -1."""
    absent = place < 0
    if absent.any():
        at = pa.array(place, mask=absent)
        columns = [c.take(at) for c in columns]
        return _struct(columns, type_, mask=pa.array(absent))
    return _struct(columns, type_)


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
    key_fields, kafka_keys = _view_key(view, struct, keys)
    columns: dict[str, Any] = {
        "op": pa.array(["d"] * n, pa.string()),
        "released_at": pa.array(np.full(n, _coarse(at_ms, view), np.int64)).cast(pa.timestamp("ms")),
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


def _coarse(at_ms: int, view: View) -> int:
    """The time of release, no finer than granted, in steps of civil time in Asia/Shanghai."""
    step = _STEP_MS[view.release_time]
    return (at_ms + SHANGHAI_OFFSET_MS) // step * step - SHANGHAI_OFFSET_MS
