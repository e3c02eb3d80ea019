"""`truncate`: no more than the first characters. A shorter value is released whole: this mask coarsens, it does not hide."""

from __future__ import annotations

from typing import Any, ClassVar

import pyarrow.compute as pc
from pydantic import Field

from schemas.avro_types import AvroType, primitive
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import Mask


class Truncate(Mask):
    """`row(v) == v[:length]`, in Unicode code points."""

    name: ClassVar[str] = "truncate"
    length: int = Field(ge=1, le=1000, strict=True)

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Strings."""
        return primitive(avro) == "string"

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def row(self, value: Any, keys: ViewKeys) -> Any:
        """See the class."""
        return value[: self.length]

    def columns(self, column: Any, keys: ViewKeys) -> Any:
        """The slice of every value."""
        return pc.utf8_slice_codeunits(column, 0, self.length)
