"""`bucket`: the interval a number lies in, as text: `<0`, `[0,100)`, `[100,200)`, `>=200`. The short name of `generalise` to
a bucket.
"""

from __future__ import annotations

import bisect
import decimal
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, Field, StrictFloat, StrictInt

from schemas.avro_types import AvroType, logical, primitive
from schemas.codec.arrow_types import decimal_of
from schemas.text import Text
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import About, Example, Mask
from stream_apps.policy.masks.reveal import Reveal

_MAX_EXACT = 1 << 53
_EXACT = decimal.Context(prec=400)
"""More digits than any edge has in its scale."""


def _ascending(edges: tuple[int | float, ...]) -> tuple[int | float, ...]:
    if any(isinstance(e, float) and not np.isfinite(e) for e in edges) or any(abs(e) > _MAX_EXACT for e in edges):
        raise ValueError("edges are finite numbers below 2^53 / 分段边界须为有限数值")
    if any(b <= a for a, b in pairwise(edges)):
        raise ValueError("edges must ascend / 分段边界须递增")
    return edges


Edges = Annotated[tuple[StrictInt | StrictFloat, ...], Field(min_length=1, max_length=100), AfterValidator(_ascending)]
"""Where one interval ends and the next begins."""


def as_decimal(number: float) -> Decimal:
    """A number as it is written: 0.1 is a tenth, not the float that stands for it."""
    return Decimal(repr(number))


def is_number(avro: AvroType) -> bool:
    """Whether values of the type are plain numbers or decimals."""
    plain = primitive(avro) in ("int", "long", "float", "double") and logical(avro) is None
    return plain or decimal_of(avro) is not None


class Bucket(Mask):
    """`row(v) == self.labels()[bisect.bisect_right(self.edges_for(v), v)]`

    The half-open interval that holds v. A float that is no number is in none, and its event is withheld.
    """

    name: ClassVar[str] = "bucket"
    about: ClassVar[About] = About(
        does=Text("the range a number lies in", "数值所在区间"),
        of=Text("numbers and decimals", "数值与小数"),
        examples=(Example("{mask: bucket, edges: [0, 10000000]}", 2_500_000, "[0,10000000)", "long"),),
        parameters=(
            (
                "edges",
                Text("ascending; an interval holds its lower edge and not its upper", "递增; 区间含下界不含上界"),
            ),
        ),
    )
    edges: Edges

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Numbers and decimals."""
        return is_number(avro)

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def labels(self) -> list[str]:
        """The intervals from the lowest."""
        inner = [f"[{a},{b})" for a, b in pairwise(self.edges)]
        return [f"<{self.edges[0]}", *inner, f">={self.edges[-1]}"]

    def edges_for(self, value: Any) -> list[Any]:
        """The edges as what `value` is compared with: a decimal is compared with the edge as it is written."""
        return [as_decimal(e) for e in self.edges] if isinstance(value, Decimal) else list(self.edges)

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        if value != value:  # NaN
            raise ValueError("not a number")
        return self.labels()[bisect.bisect_right(self.edges_for(value), value)]

    def refuses(self, column: Any) -> Any:
        """What is no number."""
        return pc.is_nan(column) if pa.types.is_floating(column.type) else None

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """The count of edges at or below each value is the place of its label. ValueError if one is no number."""
        if pa.types.is_floating(column.type) and pc.any(pc.is_nan(column)).as_py():
            raise ValueError("not a number")
        place: Any = pa.array(np.zeros(len(column), np.int32), mask=pc.is_null(column).to_numpy(zero_copy_only=False))
        for edge in self.edges:
            place = pc.add(place, pc.cast(_at_or_above(column, edge), pa.int32()))
        return pa.array(self.labels(), pa.string()).take(place)

    def reveals(self) -> Reveal:
        """Between which edges."""
        return Reveal("cell", grain="bucket", edges=tuple(float(e) for e in self.edges))


def _at_or_above(column: Any, edge: float) -> Any:
    """`column >= edge`, exactly: a whole number or a decimal is never compared as a float."""
    if pa.types.is_integer(column.type):
        return pc.greater_equal(pc.cast(column, pa.int64()), pa.scalar(int(np.ceil(edge)), pa.int64()))
    if pa.types.is_decimal(column.type):
        return _decimal_at_or_above(column, as_decimal(edge))
    return pc.greater_equal(pc.cast(column, pa.float64()), pa.scalar(float(edge)))


def _decimal_at_or_above(column: Any, edge: Decimal) -> Any:
    """The edge goes up to the next value the column can hold; if it can hold none, no value is that high, or all are."""
    unit = Decimal((0, (1,), -column.type.scale))
    least = edge.quantize(unit, decimal.ROUND_CEILING, _EXACT)
    if len(least.as_tuple().digits) > column.type.precision:
        return pc.and_(pc.is_valid(column), pa.scalar(least < 0))
    return pc.greater_equal(column, pa.scalar(least, column.type))
