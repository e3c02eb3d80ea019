"""The text of every key of a batch at once; equal, row by row, to `schemas.keys.key_text`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.keys import ESCAPE, SEPARATOR


def key_texts(key: pa.StructArray, fields: Sequence[str]) -> pa.StringArray:
    """The key text of each row of a struct column, from its `fields` in key order (strings, whole numbers, dates).

    A row whose key, or any part of it, is null has null for text: the caller must not use it as a key.
    """
    parts = [_part(pc.struct_field(key, [name])) for name in fields]
    joined: pa.StringArray = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, SEPARATOR)
    return joined


def _part(column: Any) -> Any:
    text = column if pa.types.is_string(column.type) else column.cast(pa.string())
    if text is not column:
        return text  # digits and dates hold nothing to escape
    return pc.replace_substring(pc.replace_substring(text, ESCAPE, ESCAPE * 2), SEPARATOR, ESCAPE + SEPARATOR)
