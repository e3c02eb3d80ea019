"""Coarser than a day: the month, the quarter, and how old somebody was on a fixed day. Days are days in Asia/Shanghai."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from schemas.avro_types import AvroType, logical, primitive
from schemas.clock import SHANGHAI
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.bucket import Bucket
from stream_apps.policy.masks.mask import Mask
from stream_apps.policy.masks.reveal import Reveal

_DAYS = ("date", "timestamp-millis", "timestamp-micros")
_BEYOND = (10_000, 1, 1)
"""What the last eight hours of 9999 in UTC are in Asia/Shanghai; Python has no date for it, Arrow has."""


def has_days(avro: AvroType) -> bool:
    """Whether values of the type are dates or instants."""
    return logical(avro) in _DAYS


def civil(value: dt.date) -> tuple[int, int, int]:
    """Year, month and day of a date, or of an instant (a datetime without zone, in UTC) in Asia/Shanghai."""
    if isinstance(value, dt.datetime):
        try:
            value = value.replace(tzinfo=dt.UTC).astimezone(SHANGHAI)
        except OverflowError:
            return _BEYOND
    return value.year, value.month, value.day


def civil_column(column: Any) -> Any:
    """A column whose years, months and days are those `civil` gives."""
    if not pa.types.is_timestamp(column.type):
        return column
    unit = column.type.unit
    return pc.local_timestamp(column.cast(pa.timestamp(unit, "UTC")).cast(pa.timestamp(unit, "Asia/Shanghai")))


def period(year: int, month: int, unit: Literal["month", "quarter"]) -> str:
    """`2026-11`, or `2026-Q4`."""
    return f"{year:04}-{month:02}" if unit == "month" else f"{year:04}-Q{(month + 2) // 3}"


class Period(Mask):
    """`row(v) == period(*civil(v)[:2], self.unit)`"""

    name: ClassVar[str] = "generalise"
    unit: Literal["month", "quarter"]

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Dates and timestamps."""
        return has_days(avro)

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return period(*civil(value)[:2], self.unit)

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """Each month there is gets its label once."""
        days = civil_column(column)
        counted: Any = pc.add(pc.multiply(pc.year(days), 12), pc.subtract(pc.month(days), 1))
        months = pc.dictionary_encode(counted)
        labels = [period(n // 12, n % 12 + 1, self.unit) for n in months.dictionary.to_pylist()]
        return pa.array(labels, pa.string()).take(months.indices)

    def reveals(self) -> Reveal:
        """The month tells the quarter, either tells the year."""
        coarser = {"month": ("quarter", "year"), "quarter": ("year",)}[self.unit]
        return Reveal("cell", grain=self.unit, coarser=frozenset(coarser))


def age(value: Any, as_of: dt.date | None) -> int:
    """Completed years on the day `as_of`; of who is born later 0. A whole number is an age already, ValueError if negative."""
    if isinstance(value, int):
        if value < 0:
            raise ValueError("no age")
        return value
    assert as_of is not None
    year, month, day = civil(value)
    return max(0, as_of.year - year - ((month, day) > (as_of.month, as_of.day)))


class AgeBand(Mask):
    """`row(v) == Bucket(edges=self.edges).row(age(v, self.as_of), keys)`

    The day is fixed when the view is made, because a released value must not change without an event. Who is born later is
    in the band of the newborn: a band of their own would tell the year of birth.
    """

    name: ClassVar[str] = "generalise"
    edges: tuple[int, ...]
    as_of: dt.date | None = None

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Dates, timestamps and whole numbers."""
        return has_days(avro) or (primitive(avro) in ("int", "long") and logical(avro) is None)

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return Bucket(edges=self.edges).row(age(value, self.as_of), keys)

    def refuses(self, column: Any) -> Any:
        """A negative number is no age."""
        return pc.less(column, pa.scalar(0, column.type)) if pa.types.is_integer(column.type) else None

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """The bucket of every age. ValueError if a number is none."""
        if pa.types.is_integer(column.type):
            if pc.any(self.refuses(column)).as_py():
                raise ValueError("no age")
            return Bucket(edges=self.edges).columns(column, keys)
        assert self.as_of is not None
        days = civil_column(column)
        year, month, day = (part(days) for part in (pc.year, pc.month, pc.day))
        today = pa.scalar(self.as_of.month * 100 + self.as_of.day)
        later = pc.greater(pc.add(pc.multiply(month, 100), day), today)
        ages: Any = pc.subtract(pc.subtract(self.as_of.year, year), pc.cast(later, pa.int64()))
        return Bucket(edges=self.edges).columns(pc.max_element_wise(ages, 0, skip_nulls=False), keys)

    def reveals(self) -> Reveal:
        """Between which ages."""
        return Reveal("cell", grain=f"age:{self.as_of}", edges=tuple(float(e) for e in self.edges))
