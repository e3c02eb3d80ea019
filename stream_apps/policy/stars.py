"""Text behind stars: what is kept of a value, and one `*` for every other character. Characters are Unicode code points.

Every function is columns in, column out; nulls stay null, and `starred_text` is the definition of one value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

STAR = "*"


def starred_text(text: str, first: int, last: int) -> str:
    """The first and last characters around stars; all stars where there is nothing to hide between them."""
    hidden = len(text) - first - last
    if hidden <= 0:
        return STAR * len(text)
    return text[:first] + STAR * hidden + text[len(text) - last :]


def starred(column: Any, first: int, last: int) -> Any:
    """`starred_text` of every value."""
    lengths: Any = pc.utf8_length(column)
    kept = first + last
    long_enough: Any = pc.greater(lengths, pa.scalar(kept, pa.int32()))
    parts = [stars(pc.if_else(long_enough, pc.subtract(lengths, kept), lengths))]
    if first:
        parts.insert(0, pc.if_else(long_enough, pc.utf8_slice_codeunits(column, 0, first), ""))
    if last:
        parts.append(pc.if_else(long_enough, pc.utf8_slice_codeunits(column, -last), ""))
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "")


def hidden(column: Any) -> Any:
    """Nothing but stars."""
    return stars(pc.utf8_length(column))


def between(column: Any, head: Any, tail: Any) -> Any:
    """A known beginning and a known end of every value, stars between. They do not overlap: that is the caller's to see to."""
    kept = pc.add(pc.utf8_length(head), pc.utf8_length(tail))
    return pc.binary_join_element_wise(head, stars(pc.subtract(pc.utf8_length(column), kept)), tail, "")


def stars(counts: Any) -> Any:
    """A string of that many `*` for each count, cut from one long run of them; null for null."""
    numbers = pc.fill_null(counts, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    offsets: Any = np.concatenate(([0], np.cumsum(numbers)))
    if offsets[-1] > np.iinfo(np.int32).max:
        raise OverflowError("more stars than one column holds")
    run = pa.py_buffer(STAR.encode() * int(offsets[-1]))
    validity = None if counts.null_count == 0 else pc.is_valid(counts).buffers()[1]
    return pa.StringArray.from_buffers(len(counts), pa.py_buffer(offsets.astype(np.int32)), run, validity)
