"""`date_to_year`: of a date or an instant, the year in Asia/Shanghai."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from schemas.avro_types import AvroType, logical
from schemas.clock import SHANGHAI
from schemas.text import Text
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import About, Mask

_INSTANTS = ("timestamp-millis", "timestamp-micros")


class DateToYear(Mask):
    """`row(v) == v.year`; an instant (a datetime without zone, in UTC) is first taken to Asia/Shanghai."""

    name: ClassVar[str] = "date_to_year"
    about: ClassVar[About] = About(
        does=Text("the year of a date (Asia/Shanghai)", "日期仅保留年份(北京时间)"),
        of=Text("dates and timestamps", "日期与时间戳"),
        examples=(),
    )

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Dates and timestamps."""
        return logical(avro) in ("date", *_INSTANTS)

    def result(self, avro: AvroType) -> AvroType:
        """An int."""
        return "int"

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        if isinstance(value, dt.datetime):
            return value.replace(tzinfo=dt.UTC).astimezone(SHANGHAI).year
        return value.year

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """The year of every value."""
        if pa.types.is_timestamp(column.type):
            column = pc.local_timestamp(
                column.cast(pa.timestamp(column.type.unit, "UTC")).cast(pa.timestamp(column.type.unit, "Asia/Shanghai"))
            )
        return pc.cast(pc.year(column), pa.int32())
