"""Coarser places: the county, city or province of an administrative division's code (GB/T 2260)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from schemas.avro_types import AvroType, logical, primitive
from schemas.formats import is_division
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import Mask
from stream_apps.policy.masks.reveal import Reveal

_DIGITS = {"province": 2, "city": 4, "county": 6}
_COARSER = {"province": (), "city": ("province",), "county": ("city", "province")}

Division = Literal["province", "city", "county"]


def division_of(code: str, level: Division) -> str:
    """The six digits of the division at `level` a code (6, 9 or 12 digits) lies in; all stars if it is no code."""
    kept = _DIGITS[level]
    return code[:kept].ljust(6, "0") if is_division(code) else "*" * len(code)


class Within(Mask):
    """`row(v) == division_of(v, self.level)`"""

    name: ClassVar[str] = "generalise"
    level: Division

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Strings."""
        return primitive(avro) == "string" and logical(avro) is None

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return division_of(value, self.level)

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """Each code there is is cut once."""
        codes = pc.dictionary_encode(column)
        cut = [division_of(code, self.level) for code in codes.dictionary.to_pylist()]
        return pa.array(cut, pa.string()).take(codes.indices)

    def reveals(self) -> Reveal:
        """The county tells the city, the city the province."""
        return Reveal("cell", grain=self.level, coarser=frozenset(_COARSER[self.level]))
