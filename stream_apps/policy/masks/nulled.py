"""`null`: the field is there and empty, for receivers whose tables expect the column."""

from __future__ import annotations

from typing import Any, ClassVar

import pyarrow as pa

from schemas.avro_types import AvroType
from schemas.codec import arrow_type
from schemas.text import Text
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import About, Example, Mask, Place
from stream_apps.policy.masks.passed import Pass
from stream_apps.policy.masks.reveal import NOTHING, Reveal


class Null(Mask):
    """What a grant writes; bound to its place it is an `Empty` of the field's type."""

    name: ClassVar[str] = "null"
    about: ClassVar[About] = About(
        does=Text("always null; the column stays", "恒为空值; 保留该列"),
        of=Text("every type but a union of several", "除多类型联合外的所有类型"),
        examples=(Example("'null'", "贵阳市", None),),
    )

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Every type but a union of several: Arrow has no null of one."""
        return not isinstance(avro, list) and Pass.suits(avro)

    def bound(self, place: Place) -> Empty:
        """Empty in the field's own type, bare."""
        return Empty(type=Pass().result(place.field.type))


class Empty(Mask):
    """`row(v) == None`, of a null too."""

    name: ClassVar[str] = "null"
    hides_null: ClassVar[bool] = True
    gives_null: ClassVar[bool] = True
    type: Any

    def result(self, avro: AvroType) -> AvroType:
        """The field's own type; the view makes it nullable."""
        bare: AvroType = self.type
        return bare

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return None

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """Nulls."""
        layout: Any = arrow_type(self.type)
        return pa.nulls(len(column), layout)

    def reveals(self) -> Reveal:
        """Nothing."""
        return NOTHING
