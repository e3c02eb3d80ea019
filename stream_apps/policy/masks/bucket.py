"""`bucket`: the interval a number lies in, as text: `<0`, `[0,100)`, `[100,200)`, `>=200`."""

from __future__ import annotations

import bisect
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, StrictFloat, StrictInt, field_validator

from schemas.avro_types import AvroType, logical, primitive
from schemas.text import Text
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import About, Mask

_MAX_EXACT = 1 << 53


class Bucket(Mask):
    """`row(v)`: the label of the half-open interval between `edges` that holds v. A float that is no number has none, and
    its event is withheld."""

    name: ClassVar[str] = "bucket"
    about: ClassVar[About] = About(
        does=Text("the range a number lies in", "数值所在区间"),
        of=Text("numbers", "数值"),
        examples=(),
    )
    edges: tuple[StrictInt | StrictFloat, ...] = Field(min_length=1, max_length=100)

    @field_validator("edges")
    @classmethod
    def _ascending(cls, edges: tuple[int | float, ...]) -> tuple[int | float, ...]:
        if any(isinstance(e, float) and not np.isfinite(e) for e in edges) or any(abs(e) > _MAX_EXACT for e in edges):
            raise ValueError("edges are finite numbers below 2^53 / 分段边界须为有限数值")
        if any(b <= a for a, b in pairwise(edges)):
            raise ValueError("edges must ascend / 分段边界须递增")
        return edges

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Numbers."""
        return primitive(avro) in ("int", "long", "float", "double") and logical(avro) is None

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def labels(self) -> list[str]:
        """The intervals from the lowest."""
        inner = [f"[{a},{b})" for a, b in pairwise(self.edges)]
        return [f"<{self.edges[0]}", *inner, f">={self.edges[-1]}"]

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        if value != value:  # NaN
            raise ValueError("not a number")
        return self.labels()[bisect.bisect_right(self.edges, value)]

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


def _at_or_above(column: Any, edge: float) -> Any:
    """`column >= edge`, exactly: a whole number is never compared as a float."""
    if pa.types.is_integer(column.type):
        return pc.greater_equal(pc.cast(column, pa.int64()), pa.scalar(int(np.ceil(edge)), pa.int64()))
    return pc.greater_equal(pc.cast(column, pa.float64()), pa.scalar(float(edge)))
