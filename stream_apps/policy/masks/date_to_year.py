"""`date_to_year`: of a date or an instant, the year in Asia/Shanghai. The short name of `generalise` to the year."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from schemas.avro_types import AvroType
from schemas.text import Text
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.levels.dates import civil, civil_column, has_days
from stream_apps.policy.masks.mask import About, Example, Mask
from stream_apps.policy.masks.reveal import Reveal


class DateToYear(Mask):
    """`row(v) == civil(v)[0]`: an instant (a datetime without zone, in UTC) is first taken to Asia/Shanghai."""

    name: ClassVar[str] = "date_to_year"
    about: ClassVar[About] = About(
        does=Text("the year of a date (Asia/Shanghai)", "日期仅保留年份(北京时间)"),
        of=Text("dates and timestamps", "日期与时间戳"),
        examples=(Example("date_to_year", dt.date(1990, 6, 1), 1990, {"type": "int", "logicalType": "date"}),),
    )

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Dates and timestamps."""
        return has_days(avro)

    def result(self, avro: AvroType) -> AvroType:
        """An int."""
        return "int"

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return civil(value)[0]

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """The year of every value."""
        return pc.cast(pc.year(civil_column(column)), pa.int32())

    def reveals(self) -> Reveal:
        """The year."""
        return Reveal("cell", grain="year")
