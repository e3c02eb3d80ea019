"""`drop`: the field is absent from the view, as if the grant did not name it. Always permitted."""

from __future__ import annotations

from typing import ClassVar

from schemas.avro_types import AvroType
from stream_apps.policy.masks.mask import Mask


class Drop(Mask):
    """No result at all; a view never calls `row` or `columns` of it."""

    name: ClassVar[str] = "drop"

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Every type."""
        return True
