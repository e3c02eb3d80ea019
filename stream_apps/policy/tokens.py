"""A column of text -> a column of hexadecimal HMAC-SHA256 tokens. Nulls stay null; equal values are hashed once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stream_apps.policy.keys import Hmac

_TOKEN = 64


def tokens(column: Any, key: bytes) -> Any:
    """`hmac.new(key, value.encode(), sha256).hexdigest()` of every value (text of whole numbers is their decimal form)."""
    text = column if pa.types.is_string(column.type) else column.cast(pa.string())
    encoded = pc.dictionary_encode(text)
    words = encoded.dictionary
    if len(words) == len(text):  # no value twice and none null: the indices are 0, 1, 2 …
        return _hashed(text, key)
    return _hashed(words, key).take(encoded.indices)


def _hashed(words: Any, key: bytes) -> Any:
    digests = Hmac(key).digests(words.cast(pa.binary()).to_pylist())
    offsets: Any = np.arange(0, len(words) * _TOKEN + 1, _TOKEN, dtype=np.int32)
    return pa.StringArray.from_buffers(len(words), pa.py_buffer(offsets), pa.py_buffer(digests.hex().encode()))
