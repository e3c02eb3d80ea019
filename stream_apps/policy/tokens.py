"""A column of text -> a column of tokens. Nulls stay null; equal values are hashed once.

A token is the key's version, `-`, and the first half of an HMAC in hexadecimal: `1-5f0c…`, 32 digits. Half of the HMAC is
what RFC 2104 allows at the least; two of a thousand million values meet with a probability of 10^-21.
"""

from __future__ import annotations

import hmac
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stream_apps.policy.keys import Hmac, TokenKey

_DIGEST, _HALF = 32, 16


def token(text: str, key: TokenKey) -> str:
    """The token of one text: the definition of what `tokens` computes."""
    return f"{key.version}-{hmac.digest(key.key, text.encode(), key.suite).hex()[: 2 * _HALF]}"


def tokens(column: Any, key: TokenKey) -> Any:
    """`token` of every value (text of whole numbers is their decimal form)."""
    text = column if pa.types.is_string(column.type) else column.cast(pa.string())
    encoded = pc.dictionary_encode(text)
    words = encoded.dictionary
    if len(words) == len(text):  # no value twice and none null: the indices are 0, 1, 2 …
        return _hashed(text, key)
    return _hashed(words, key).take(encoded.indices)


def _hashed(words: Any, key: TokenKey) -> Any:
    n = len(words)
    digests = Hmac(key.key, key.suite).digests(words.cast(pa.binary()).to_pylist())
    halves = np.frombuffer(digests, np.uint8).reshape(n, _DIGEST)[:, :_HALF]
    digits = np.frombuffer(halves.tobytes().hex().encode(), np.uint8).reshape(n, 2 * _HALF)
    head = np.frombuffer(f"{key.version}-".encode(), np.uint8)
    width = len(head) + 2 * _HALF
    whole: Any = np.empty((n, width), np.uint8)
    whole[:, : len(head)] = head
    whole[:, len(head) :] = digits
    offsets: Any = np.arange(0, n * width + 1, width, dtype=np.int32)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(whole))
