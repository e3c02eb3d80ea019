"""A filter over columns: a boolean column with null for unknown, by Arrow's Kleene kernels."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stream_apps.policy.where.tree import (
    All,
    Compare,
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
_EXACT = Context(prec=200)


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
        return _one_of(predicate, column)
    return _compare(predicate, column)


def _column(field: Field, rows: pa.StructArray) -> Any:
    """The field's column. A top field is taken without asking whether its row is null: those rows are void anyway."""
    column: Any = rows.field(field.path[0])
    if len(field.path) > 1:
        column = pc.struct_field(column, list(field.path[1:]))
    if field.kind == "integer":
        return pc.cast(column, pa.int64())
    if field.kind == "number":
        column = pc.cast(column, pa.float64())
        # NaN compares with nothing; SQL would call it unknown
        return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def _one_of(predicate: OneOf, column: Any) -> Any:
    kind, values = predicate.field.kind, list(predicate.values)
    if kind in ("integer", "decimal"):
        grid = _Grid(column.type)
        steps = [grid.steps(v) for v in values]
        listed = pa.array([grid.value(int(s)) for s in steps if grid.holds(s)], column.type)
    elif kind == "timestamp":
        listed = pa.array(values, pa.timestamp("ms")).cast(column.type)
    else:
        if kind == "number" and 0.0 in values:
            values.append(-0.0)  # equal, but is_in looks at the bits
        listed = pa.array(values, column.type)
    return _where_known(column, pc.is_in(column, value_set=listed))


def _compare(predicate: Compare, column: Any) -> Any:
    op, value, kind = predicate.op, predicate.value, predicate.field.kind
    if kind in ("integer", "decimal"):
        grid = _Grid(column.type)
        steps = grid.steps(value)
        if op not in ("=", "<>"):
            # below 2.5 is below 3; above 2.5 is above 2
            steps = Fraction(math.ceil(steps) if op in ("<", ">=") else math.floor(steps))
        if grid.holds(steps):
            return _KERNELS[op](column, pa.scalar(grid.value(int(steps)), column.type))
        answer = op == "<>" if op in ("=", "<>") else (steps > 0) == (op in ("<", "<="))
        return _where_known(column, pa.scalar(answer))
    if kind == "timestamp":
        return _KERNELS[op](column, pa.scalar(value, pa.timestamp("ms")).cast(column.type))
    return _KERNELS[op](column, pa.scalar(value, column.type))


class _Grid:
    """The values a column of int64 or decimals can hold: whole multiples of a step. Literals are compared with it exactly,
    never through floats, which merge neighbours beyond 2^53."""

    def __init__(self, layout: Any) -> None:
        whole = pa.types.is_integer(layout)
        self._scale = 0 if whole else int(layout.scale)
        self._least = -(1 << 63) if whole else 1 - 10**layout.precision
        self._most = (1 << 63) - 1 if whole else 10**layout.precision - 1
        self.value: Callable[[int], int | Decimal] = int if whole else self._decimal

    def steps(self, value: Any) -> Fraction:
        """A literal in steps."""
        scaled: Fraction = Fraction(value) * 10**self._scale
        return scaled

    def holds(self, steps: Fraction) -> bool:
        """Whether some row could equal it."""
        return steps.denominator == 1 and self._least <= steps <= self._most

    def _decimal(self, steps: int) -> Decimal:
        return Decimal(steps).scaleb(-self._scale, _EXACT)


def _where_known(column: Any, answer: Any) -> Any:
    """`answer` where the column holds a value, unknown elsewhere."""
    return pc.if_else(pc.is_valid(column), answer, pa.scalar(None, pa.bool_()))


def _regex(pattern: str) -> str:
    """The pattern as a regular expression of RE2, which takes time linear in the text."""
    parts = {"%": ".*", "_": "."}
    return r"(?s)\A" + "".join(parts.get(c) or (re.escape(c) if c.isascii() else c) for c in pattern) + r"\z"
