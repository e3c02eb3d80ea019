"""`pass`: the value as it is. Passing a field through is a decision, so it is a mask with a name."""

from __future__ import annotations

from typing import Any, ClassVar

from schemas.avro_types import AvroType, primitive
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import Mask


class Pass(Mask):
    """`row(v) == v`. An enumeration becomes a string, so that the view's schema does not list ungranted symbols."""

    name: ClassVar[str] = "pass"
    keeps_keys_apart: ClassVar[bool] = True

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Every type."""
        return True

    def result(self, avro: AvroType) -> AvroType:
        """The field's own type."""
        return "string" if primitive(avro) == "enum" else avro

    def row(self, value: Any, keys: ViewKeys) -> Any:
        """The value."""
        return value

    def columns(self, column: Any, keys: ViewKeys) -> Any:
        """The column."""
        return column
