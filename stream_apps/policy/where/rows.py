"""A filter over one row: the plain definition of what `columns` computes. Tests hold the two, and SQLite, equal."""

from __future__ import annotations

import datetime as dt
import operator
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from stream_apps.policy.where.tree import All, Compare, Field, IsNull, Like, Not, OneOf, Predicate, Some, Truth

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_OPERATORS = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def truth(predicate: Predicate, row: Mapping[str, Any]) -> bool | None:
    """True, false or None (unknown)."""
    if isinstance(predicate, Not):
        answer = truth(predicate.term, row)
        return None if answer is None else not answer
    if isinstance(predicate, All):
        return _all([truth(t, row) for t in predicate.terms])
    if isinstance(predicate, Some):
        opposite = _all([None if (a := truth(t, row)) is None else not a for t in predicate.terms])
        return None if opposite is None else not opposite
    value = _value(predicate.field, row)
    if isinstance(predicate, IsNull):
        return value is None
    if value is None:
        return None
    return _known(predicate, value)


def _known(predicate: Compare | Like | OneOf | Truth, value: Any) -> bool:
    if isinstance(predicate, Truth):
        return bool(value)
    if isinstance(predicate, Like):
        pattern = "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in predicate.pattern)
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    if isinstance(predicate, OneOf):
        return value in predicate.values
    return bool(_OPERATORS[predicate.op](value, predicate.value))


def _value(field: Field, row: Mapping[str, Any]) -> Any:
    value: Any = row
    for step in field.path:
        value = None if value is None else value.get(step)
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, dt.datetime):
        return Fraction((value.replace(tzinfo=dt.UTC) - _EPOCH) // dt.timedelta(microseconds=1), 1000)
    return value


def _all(answers: list[bool | None]) -> bool | None:
    if any(a is False for a in answers):
        return False
    return None if any(a is None for a in answers) else True
