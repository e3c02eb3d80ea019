"""One tree for equal filters, so that equal views have one id and are computed once.

Every step keeps all three truth values, whatever the row: NOT is carried down to the fields (De Morgan holds for unknown
too, and `NOT a < 1` is `a >= 1`: both are unknown for null and NaN), then terms are flattened, equalities with one field
gathered, and all is sorted and told once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stream_apps.policy.where.tree import All, Compare, Comparison, Field, Like, Not, OneOf, Predicate, Some, Truth

_OPPOSITE: dict[Comparison, Comparison] = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def canonical(predicate: Predicate) -> Predicate:
    """The predicate in its one form: the same truth for every row, and nothing left to do a second time."""
    return _with_sign(predicate, positive=True)


def _with_sign(predicate: Predicate, *, positive: bool) -> Predicate:
    """The predicate, or its opposite, canonical."""
    if isinstance(predicate, Not):
        return _with_sign(predicate.term, positive=not positive)
    if isinstance(predicate, (All, Some)):
        kind = All if isinstance(predicate, All) == positive else Some
        return _joined(kind, [_with_sign(t, positive=positive) for t in predicate.terms])
    return _leaf(predicate, positive)


def _leaf(predicate: Predicate, positive: bool) -> Predicate:
    if isinstance(predicate, OneOf):
        return _among(predicate.field, predicate.values, positive)
    if isinstance(predicate, Like) and not set(predicate.pattern) & {"%", "_"}:
        return _among(predicate.field, [predicate.pattern], positive)
    if not isinstance(predicate, Compare):
        return predicate if positive else Not(predicate)
    if predicate.field.kind == "boolean":
        return _truth(predicate.field, (predicate.value == (predicate.op == "=")) == positive)
    return predicate if positive else Compare(_OPPOSITE[predicate.op], predicate.field, predicate.value)


def _among(field: Field, values: Iterable[Any], positive: bool) -> Predicate:
    """`field IN (values)`, or NOT IN."""
    told = sorted(set(values))
    if field.kind == "boolean":
        return _joined(Some if positive else All, [_truth(field, value == positive) for value in told])
    if len(told) == 1:
        return Compare("=" if positive else "<>", field, told[0])
    return OneOf(field, tuple(told)) if positive else Not(OneOf(field, tuple(told)))


def _truth(field: Field, value: bool) -> Predicate:
    return Truth(field) if value else Not(Truth(field))


def _joined(kind: type[All] | type[Some], terms: Iterable[Predicate]) -> Predicate:
    flat = [part for term in terms for part in (term.terms if isinstance(term, kind) else (term,))]
    told = dict.fromkeys(_gathered(flat, positive=kind is Some))
    return kind(tuple(sorted(told, key=repr))) if len(told) > 1 else next(iter(told))


def _gathered(terms: list[Predicate], positive: bool) -> list[Predicate]:
    """`a = 1 OR a IN (2, 3)` as one list; in an AND (not `positive`) the same for `<>` and NOT IN."""
    lists: dict[Field, list[Any]] = {}
    rest: list[Predicate] = []
    for term in terms:
        listed = _equalities(term, positive)
        if listed is None:
            rest.append(term)
        else:
            lists.setdefault(listed.field, []).extend(listed.values)
    return [*rest, *(_among(field, values, positive) for field, values in lists.items())]


def _equalities(term: Predicate, positive: bool) -> OneOf | None:
    if isinstance(term, Compare):
        return OneOf(term.field, (term.value,)) if term.op == ("=" if positive else "<>") else None
    inner = term if positive else term.term if isinstance(term, Not) else None
    return inner if isinstance(inner, OneOf) else None
