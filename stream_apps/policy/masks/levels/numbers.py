"""Numbers down to a multiple of a step.

Down, not to the nearest: a multiple then stands for the values from it to the next, as a bucket does, and no rule for halves
is needed. Whole numbers and decimals are exact. A float is compared with multiples that are each the float nearest to the
decimal number they are, so 26.65 is in the cell of 26.65 and what is released has no noise (26.650000000000002).
"""

from __future__ import annotations

import decimal
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import StrictFloat, StrictInt

from schemas.avro_types import AvroType, logical, primitive
from schemas.codec.arrow_types import decimal_of
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.bucket import as_decimal
from stream_apps.policy.masks.mask import Mask
from stream_apps.policy.masks.passed import Pass
from stream_apps.policy.masks.reveal import Reveal

Step = StrictInt | StrictFloat

_EXACT = decimal.Context(prec=400)
_MOST = 1 << 50
"""Of that many steps, which one a float is in is off by less than one when divided as floats, and then corrected."""
_MOST_SINGLE = 1 << 22
"""Likewise of floats of 32 bits."""


def multiple_below(value: int | Decimal, step: Step) -> int | Decimal:
    """The largest multiple of `step` that is not above `value`, exactly."""
    if isinstance(value, int):
        return value - value % int(step)
    size = as_decimal(step)
    rest = _EXACT.remainder(value, size)
    return _EXACT.subtract(value, _EXACT.add(rest, size) if rest < 0 else rest)


class Multiple(Mask):
    """`row(v) == multiple_below(v, self.step)`. Withheld if the field's type has no such number."""

    name: ClassVar[str] = "generalise"
    step: Step

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Whole numbers and decimals."""
        return decimal_of(avro) is not None or (primitive(avro) in ("int", "long") and logical(avro) is None)

    def result(self, avro: AvroType) -> AvroType:
        """The field's own type, bare."""
        return Pass().result(avro)

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return multiple_below(value, self.step)

    def refuses(self, column: Any) -> Any:
        """What is below the least multiple the type has."""
        below = multiple_below(_most(column.type), self.step)
        least = _EXACT.minus(below) if isinstance(below, Decimal) else -below
        return pc.less(column, pa.scalar(least, column.type))

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """Down to the multiple. ValueError if the type does not hold one: Arrow itself does not always notice."""
        if pc.any(self.refuses(column)).as_py():
            raise ValueError("out of range")
        step: Any = as_decimal(self.step) if pa.types.is_decimal(column.type) else int(self.step)
        return pc.round_to_multiple(column, multiple=pa.scalar(step, column.type), round_mode="down")

    def reveals(self) -> Reveal:
        """In which step."""
        return Reveal("cell", grain=f"step:{self.step}")


def _most(type_: Any) -> Any:
    """As far below 0 as the type goes."""
    if pa.types.is_decimal(type_):
        return Decimal((0, (9,) * type_.precision, -type_.scale))
    return 1 << (type_.bit_width - 1)


def edge(count: int, step: Step) -> float:
    """`count` steps, as the nearest float."""
    over, under = as_decimal(step).as_integer_ratio()
    return count * over / under  # of whole numbers: rounded once


def lower_edge(value: float, step: Step, single: bool) -> float:
    """The largest multiple of `step` that, as a float of the value's own width, is not above `value`."""
    over, under = as_decimal(step).as_integer_ratio()
    count = Fraction(value) * under // over
    above = edge(count + 1, step)
    return above if (float(np.float32(above)) if single else above) <= value else edge(count, step)


def reach_of(step: Step, *, single: bool) -> float:
    """How far from 0 values may be for `lower_edge` to tell them apart."""
    over, _ = as_decimal(step).as_integer_ratio()
    return edge(min(_MOST_SINGLE if single else _MOST, (1 << 53) // over - 2), step)


class Cell(Mask):
    """`row(v) == lower_edge(v, self.step, self.single)`

    step    with at most nine decimal places
    single  whether the values are floats of 32 bits
    reach   farther from 0 nothing is released, nor what is no number
    """

    name: ClassVar[str] = "generalise"
    step: Step
    single: bool
    reach: float

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Floats."""
        return primitive(avro) in ("float", "double")

    def result(self, avro: AvroType) -> AvroType:
        """A double: a float of 32 bits has noise of its own."""
        return "double"

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        if not abs(value) <= self.reach:
            raise ValueError("out of range")
        return lower_edge(value, self.step, self.single)

    def refuses(self, column: Any) -> Any:
        """What is no number or too far."""
        near = pc.less_equal(pc.abs(column.cast(pa.float64())), pa.scalar(self.reach))  # false for NaN
        return pc.invert(near)

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """The step each value is in by division, put right by comparison. ValueError if one is out of range."""
        if pc.any(self.refuses(column)).as_py():
            raise ValueError("out of range")
        over, under = as_decimal(self.step).as_integer_ratio()
        values = pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
        count = np.floor(values / float(self.step)).astype(np.int64)
        count += self._seen((count + 1) * over / under) <= values
        count -= self._seen(count * over / under) > values
        return pa.array(count * over / under, pa.float64(), mask=pc.is_null(column).to_numpy(zero_copy_only=False))

    def _seen(self, edges: Any) -> Any:
        return edges.astype(np.float32).astype(np.float64) if self.single else edges

    def reveals(self) -> Reveal:
        """In which step."""
        return Reveal("cell", grain=f"step:{self.step}")
