"""`truncate`: no more than the first characters. A shorter value is released whole: this mask coarsens, it does not hide."""

from __future__ import annotations

from typing import Any, ClassVar

import pyarrow.compute as pc
from pydantic import Field

from schemas.avro_types import AvroType, primitive
from schemas.text import Text
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import About, Example, Mask
from stream_apps.policy.masks.reveal import Reveal


class Truncate(Mask):
    """`row(v) == v[: self.length]`, in Unicode code points."""

    name: ClassVar[str] = "truncate"
    about: ClassVar[About] = About(
        does=Text("the first characters only", "仅保留前若干字符"),
        of=Text("strings", "文本"),
        examples=(
            Example("{mask: truncate, length: 3}", "贵阳市云岩区中华北路1号", "贵阳市"),
            Example("{mask: truncate, length: 3}", "贵阳", "贵阳"),
        ),
        parameters=(("length", Text("how many characters stay", "保留的字符数")),),
    )
    length: int = Field(ge=1, le=1000, strict=True)

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Strings."""
        return primitive(avro) == "string"

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return value[: self.length]

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """The slice of every value."""
        return pc.utf8_slice_codeunits(column, 0, self.length)

    def reveals(self) -> Reveal:
        """The beginning."""
        return Reveal("ends", head=self.length)
