"""Which change events a view releases, and as what: the table of transitions (DESIGN 3.2), on whole columns.

`in` means: there is such a row and the filter is true for it. Unknown is not true.

    op     before   after    emitted
    c r    –        in       c r
    c r    –        out      nothing, filtered
    u      in       in       u, or nothing (unchanged) if the released fields are equal and the predecessor was delivered
    u      out      in       c
    u      in       out      d
    u      out      out      nothing, filtered
    u      absent   in       u
    u      absent   out      d, and a failure: it may have been delivered
    d      in       –        d
    d      out      –        nothing, filtered
    d      absent   –        d
The contract says whether its source gives `before`: where it is `required`, u and d without it contradict themselves;
where the source `never` gives it, u absent out is a d and no failure.
A change of the raw key is two: d of the old row if it was in, c of the new one if it is in. An event that contradicts
itself fails; unless it is a create, its row may have been delivered, so its delete is emitted, and also that of the row
in `before` if that has another key. A row that is in but holds a value its mask refuses fails as if it had left the view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stream_apps.policy.released import Failure, Outcome
from stream_apps.policy.view import View
from stream_apps.policy.where import truth

Bools = npt.NDArray[np.bool_]

OPS = ("c", "u", "d", "r")
CREATE, UPDATE, DELETE, READ = range(4)


@dataclass(slots=True)
class Verdict:
    """Per input row.

    outcome      an `Outcome`; `UNCHANGED` is found later, among `settled`
    goes         a delete of the event's key is emitted
    goes_old     a delete of the key in `before`, which is another, is emitted
    comes        the row as it is is emitted, as operation `op_out`
    settled      u with both rows in the view: unchanged if the released fields are equal
    before_in    `before` is a row of the view
    """

    outcome: npt.NDArray[np.int8]
    goes: Bools
    goes_old: Bools
    comes: Bools
    op_out: npt.NDArray[np.int8]
    settled: Bools
    before_in: Bools
    failed: list[tuple[int, Failure]]


class FilterFailedError(Exception):
    """The row filter raised; its cause says why."""


def judge(view: View, batch: pa.RecordBatch) -> Verdict:
    """The verdict on every row. Raises FilterFailedError if the filter does, and whatever Arrow does."""
    before, after, key = batch.column("before"), batch.column("after"), batch.column("key")
    op = _codes(batch.column("op"))
    has_before, has_after = _bools(before.is_valid()), _bools(after.is_valid())
    before_in = has_before & _passes(view, before, has_before)
    after_in = has_after & _passes(view, after, has_after)
    names = [name for name, _ in view.raw_key]
    create, update, delete = (op == CREATE) | (op == READ), op == UPDATE, op == DELETE

    moved = has_before & ~_same_key(before, key, names)
    wrong = (op < 0) | ((create | update) & ~has_after) | (delete & has_after)
    wrong |= has_after & ~_same_key(key, after, names)
    wrong |= delete & moved
    if view.before_image == "required":
        wrong |= (update | delete) & ~has_before
    unseen_exit = update & ~has_before & ~after_in & ~wrong
    unknown_exit = unseen_exit & (view.before_image != "never")

    goes = (update & before_in & ~after_in & ~moved) | (delete & (before_in | ~has_before)) | unseen_exit
    goes = np.where(wrong, op != CREATE, goes)
    goes_old = moved & np.where(wrong, op != CREATE, update & before_in)
    comes = (create | update) & after_in & ~wrong
    odd_before = before_in & _refused(view, before)
    unmaskable = comes & _refused(view, after) | (view.before & odd_before & (goes | comes | goes_old) & ~wrong)
    comes &= ~unmaskable
    goes |= unmaskable & (op != CREATE) & ~moved & (before_in | ~has_before)
    op_out = np.where(update & has_before & (~before_in | moved), CREATE, op).astype(np.int8)

    outcome = np.where(goes | goes_old | comes, Outcome.EMITTED, Outcome.FILTERED).astype(np.int8)
    outcome[wrong | unknown_exit | unmaskable] = Outcome.FAILED
    return Verdict(
        outcome=outcome,
        goes=goes,
        goes_old=goes_old,
        comes=comes,
        op_out=op_out,
        settled=comes & update & before_in & ~moved & ~odd_before,
        before_in=before_in & ~wrong & ~odd_before,
        failed=_failures(wrong, unknown_exit, unmaskable),
    )


def _failures(wrong: Bools, unknown_exit: Bools, unmaskable: Bools) -> list[tuple[int, Failure]]:
    found: list[tuple[int, Failure]] = []
    for row in np.nonzero(wrong | unknown_exit | unmaskable)[0].tolist():
        reason = Failure.MISSING_BEFORE if unknown_exit[row] else Failure.MASK_FAILED
        found.append((row, Failure.INCONSISTENT if wrong[row] else reason))
    return found


def _refused(view: View, rows: Any) -> Bools | np.bool_:
    """Which rows of a struct column hold a value its mask refuses; void where the row is null."""
    answer: Bools | np.bool_ = np.False_
    for field in view.fields:
        refused = field.mask.refuses(rows.field(field.source))
        if refused is not None:
            answer = answer | _bools(pc.fill_null(refused, False))
    return answer


def _codes(op: Any) -> npt.NDArray[np.int8]:
    """Place of each operation in OPS; -1 for null or any other."""
    found = pc.fill_null(pc.index_in(op, value_set=pa.array(OPS, op.type)), -1)
    codes: npt.NDArray[np.int8] = found.to_numpy(zero_copy_only=False).astype(np.int8)
    return codes


def _passes(view: View, rows: Any, present: Bools) -> Bools | np.bool_:
    if view.where is None or not present.any():
        return np.True_
    try:
        return _bools(pc.fill_null(truth(view.where, rows), False))
    except Exception as error:
        raise FilterFailedError from error


def _same_key(a: Any, b: Any, names: list[str]) -> Bools:
    """Whether two struct columns hold the same key, row by row; false where either has a null in it. Where a struct itself
    is null the answer is void."""
    same: Any = None
    for name in names:
        equal = pc.equal(a.field(name), b.field(name))
        same = equal if same is None else pc.and_(same, equal)
    return _bools(pc.fill_null(same, False))


def _bools(column: Any) -> Bools:
    out: Bools = column.to_numpy(zero_copy_only=False)
    return out
