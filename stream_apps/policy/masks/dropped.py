"""`drop`: the field is absent from the view, as if the grant did not name it. Always permitted."""

from __future__ import annotations

from typing import ClassVar

from schemas.avro_types import AvroType
from schemas.text import Text
from stream_apps.policy.masks.mask import About, Mask
from stream_apps.policy.masks.reveal import NOTHING, Reveal


class Drop(Mask):
    """No result at all; a view never calls `row` or `columns` of it."""

    name: ClassVar[str] = "drop"
    about: ClassVar[About] = About(
        does=Text("the field is absent from what is released; always permitted", "字段不出现在放行内容中; 始终允许"),
        of=Text("every type", "所有类型"),
        examples=(),
    )

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Every type."""
        return True

    def reveals(self) -> Reveal:
        """Nothing."""
        return NOTHING
