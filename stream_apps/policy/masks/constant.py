"""`constant`: the same value in every row, whether it had one or not."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import StrictBool, StrictFloat, StrictInt, StrictStr

from schemas.avro_types import AvroType, logical, primitive
from schemas.text import Text
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import About, Example, Mask, Place
from stream_apps.policy.masks.reveal import NOTHING, Reveal


class Constant(Mask):
    """`row(v) == self.value`, of a null too."""

    name: ClassVar[str] = "constant"
    hides_null: ClassVar[bool] = True
    about: ClassVar[About] = About(
        does=Text("the same value in every row, also where there is none", "每行均为同一常量, 空值亦然"),
        of=Text("strings, enumerations, numbers, booleans", "文本、枚举、数值、布尔"),
        examples=(Example("{mask: constant, value: 已脱敏}", "张三", "已脱敏"),),
        parameters=(("value", Text("what is released; of the field's own type", "放行的值, 须与字段类型一致")),),
    )
    value: StrictStr | StrictBool | StrictInt | StrictFloat

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Plain strings, enumerations, numbers and booleans."""
        return logical(avro) is None and primitive(avro) in _FITS

    def bound(self, place: Place) -> Mask:
        """ConfigError if the value is not of the field's type."""
        if not _FITS[primitive(place.field.type)](self.value):
            place.refuse("the constant is not of the field's type.", "常量与字段类型不符。")
        return self

    def result(self, avro: AvroType) -> AvroType:
        """The field's type; of an enumeration a string."""
        kind = primitive(avro)
        return "string" if kind == "enum" else kind

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return self.value

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """The value as often as there are rows."""
        return pa.repeat(pa.scalar(self.value, column.type), len(column))

    def reveals(self) -> Reveal:
        """Nothing."""
        return NOTHING


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(bits: int) -> Any:
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and -(1 << bits) <= v < 1 << bits


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


_FITS: dict[str, Any] = {
    "string": _is_text,
    "enum": _is_text,
    "int": _is_whole(31),
    "long": _is_whole(63),
    "float": _is_number,
    "double": _is_number,
    "boolean": lambda v: isinstance(v, bool),
}
