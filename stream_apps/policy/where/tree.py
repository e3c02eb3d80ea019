"""The row filter once it is understood: a small typed tree. Two evaluators read it, by columns and by rows.

Logic has three values. A comparison with null is unknown, and what is unknown is withheld.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Kind = Literal["string", "integer", "decimal", "number", "boolean", "date", "timestamp"]
"""What can be compared: the three kinds of numbers with any number literal, all else only with its own kind."""

Comparison = Literal["=", "<>", "<", "<=", ">", ">="]
Value = str | int | float | bool | dt.date | Decimal
"""A literal, in the one form of its field's kind, so that equal literals have one `repr`: of an integer or a decimal an int
if it is whole, else a Decimal without trailing zeros; of a number a float, never -0.0; of a timestamp milliseconds since
1970 UTC (int)."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the row, by its path (`residence.street` is two steps)."""

    path: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Compare:
    """A field with a literal."""

    op: Comparison
    field: Field
    value: Value


@dataclass(frozen=True, slots=True)
class Like:
    """A string field with an SQL pattern: `%` any characters, `_` one character; case matters."""

    field: Field
    pattern: str


@dataclass(frozen=True, slots=True)
class IsNull:
    """Whether a field is null: never unknown."""

    field: Field


@dataclass(frozen=True, slots=True)
class Truth:
    """A boolean field on its own."""

    field: Field


@dataclass(frozen=True, slots=True)
class Not:
    """Unknown stays unknown."""

    term: Predicate


@dataclass(frozen=True, slots=True)
class All:
    """AND: false if any is false, else unknown if any is unknown."""

    terms: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """OR: true if any is true, else unknown if any is unknown."""

    terms: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class OneOf:
    """`field IN (literals)`: true if the field equals any of them."""

    field: Field
    values: tuple[Value, ...]


Predicate = Compare | Like | IsNull | Truth | Not | All | Some | OneOf


def fields_of(predicate: Predicate) -> set[tuple[str, ...]]:
    """The paths of all fields a predicate looks at."""
    if isinstance(predicate, Not):
        return fields_of(predicate.term)
    if isinstance(predicate, (All, Some)):
        return set().union(*(fields_of(t) for t in predicate.terms))
    return {predicate.field.path}
