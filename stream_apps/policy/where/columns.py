"""A filter over columns: a boolean column with null for unknown, by Arrow's Kleene kernels."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stream_apps.policy.where.tree import (
    All,
    Compare,
    Comparison,
    Field,
    IsNull,
    Like,
    Not,
    OneOf,
    Predicate,
    Some,
    Truth,
)

_KERNELS = {
    "=": pc.equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_INT64 = np.iinfo(np.int64)


def truth(predicate: Predicate, rows: pa.StructArray) -> Any:
    """True, false or null (unknown) for each row of a struct column. Where the row itself is null the answer is void."""
    if isinstance(predicate, Not):
        return pc.invert(truth(predicate.term, rows))
    if isinstance(predicate, (All, Some)):
        join = pc.and_kleene if isinstance(predicate, All) else pc.or_kleene
        answer = truth(predicate.terms[0], rows)
        for term in predicate.terms[1:]:
            answer = join(answer, truth(term, rows))
        return answer
    column = _column(predicate.field, rows)
    if isinstance(predicate, IsNull):
        return pc.is_null(column)
    if isinstance(predicate, Truth):
        return column
    if isinstance(predicate, Like):
        return pc.match_substring_regex(column, _regex(predicate.pattern))
    if isinstance(predicate, OneOf):
        found = pc.is_in(column, value_set=pa.array(predicate.values, column.type))
        return pc.if_else(pc.is_valid(column), found, pa.scalar(None, pa.bool_()))
    return _compare(predicate, column)


def _column(field: Field, rows: pa.StructArray) -> Any:
    """The field's column. A top field is taken without asking whether its row is null: those rows are void anyway."""
    column: Any = rows.field(field.path[0])
    if len(field.path) > 1:
        column = pc.struct_field(column, list(field.path[1:]))
    if pa.types.is_floating(column.type):
        # NaN compares with nothing; SQL would call it unknown
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def _compare(predicate: Compare, column: Any) -> Any:
    value, kind = predicate.value, predicate.field.kind
    if kind == "integer" and isinstance(value, (int, float)):
        return _whole(predicate.op, column, value)
    if kind == "timestamp":
        return _KERNELS[predicate.op](column, pa.scalar(value, pa.timestamp("ms")).cast(column.type))
    if kind == "number" and isinstance(value, (int, float)):
        return _KERNELS[predicate.op](pc.cast(column, pa.float64()), pa.scalar(float(value)))
    return _KERNELS[predicate.op](column, pa.scalar(value, column.type))


def _whole(op: Comparison, column: Any, value: float) -> Any:
    """A whole-number column with any number, exactly: never through floats, which merge neighbours beyond 2^53."""
    if isinstance(value, float) and not value.is_integer():
        if op in ("=", "<>"):
            return _constant(op == "<>", column)
        # below 2.5 is below 3; above 2.5 is above 2
        value = math.ceil(value) if op in ("<", ">=") else math.floor(value)
    value = int(value)
    if value > _INT64.max or value < _INT64.min:
        above = value > 0
        return _constant({"=": False, "<>": True}.get(op, above == (op in ("<", "<="))), column)
    return _KERNELS[op](pc.cast(column, pa.int64()), pa.scalar(value, pa.int64()))


def _constant(answer: bool, column: Any) -> Any:
    return pc.if_else(pc.is_valid(column), pa.scalar(answer), pa.scalar(None, pa.bool_()))


def _regex(pattern: str) -> str:
    """The pattern as a regular expression of RE2, which takes time linear in the text."""
    parts = {"%": ".*", "_": "."}
    return r"(?s)\A" + "".join(parts.get(c) or (re.escape(c) if c.isascii() else c) for c in pattern) + r"\z"
