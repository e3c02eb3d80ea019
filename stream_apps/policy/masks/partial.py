"""`partial`: the first and last characters stay, every character between becomes one `*`."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from schemas.avro_types import AvroType, primitive
from schemas.text import Text
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import About, Mask
from stream_apps.policy.masks.reveal import Reveal

_MAX_KEPT = 64


class Partial(Mask):
    """`row(v) == v[:keep_first] + "*" * (len(v) - keep_first - keep_last) + v[len(v) - keep_last:]`, and all stars where
    the value is no longer than what would be kept. Characters are Unicode code points.
    """

    name: ClassVar[str] = "partial"
    about: ClassVar[About] = About(
        does=Text("first and last characters stay, stars between", "保留首尾字符, 中间以 * 代替"),
        of=Text("strings", "文本"),
        examples=(),
    )
    keep_first: int = Field(default=0, ge=0, le=_MAX_KEPT, strict=True)
    keep_last: int = Field(default=0, ge=0, le=_MAX_KEPT, strict=True)

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Strings."""
        return primitive(avro) == "string"

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        n, kept = len(value), self.keep_first + self.keep_last
        if n <= kept:
            return "*" * n
        return value[: self.keep_first] + "*" * (n - kept) + value[n - self.keep_last :]

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """Head, stars and tail joined; a value too short has neither head nor tail."""
        lengths: Any = pc.utf8_length(column)
        kept = self.keep_first + self.keep_last
        long_enough: Any = pc.greater(lengths, pa.scalar(kept, pa.int32()))
        hidden = pc.if_else(long_enough, pc.subtract(lengths, kept), lengths)
        parts = [_stars(hidden)]
        if self.keep_first:
            head = pc.utf8_slice_codeunits(column, 0, self.keep_first)
            parts.insert(0, pc.if_else(long_enough, head, ""))
        if self.keep_last:
            tail = pc.utf8_slice_codeunits(column, -self.keep_last)
            parts.append(pc.if_else(long_enough, tail, ""))
        return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "")

    def reveals(self) -> Reveal:
        """Beginning and end."""
        return Reveal("ends", head=self.keep_first, tail=self.keep_last)


def _stars(counts: Any) -> Any:
    """A string of that many `*` for each count, cut from one long run of them; null for null."""
    numbers = pc.fill_null(counts, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    offsets: Any = np.concatenate(([0], np.cumsum(numbers)))
    if offsets[-1] > np.iinfo(np.int32).max:
        raise OverflowError("more stars than one column holds")
    run = pa.py_buffer(b"*" * int(offsets[-1]))
    validity = None if counts.null_count == 0 else pc.is_valid(counts).buffers()[1]
    return pa.StringArray.from_buffers(len(counts), pa.py_buffer(offsets.astype(np.int32)), run, validity)
