"""Spellings of one identifier -> one text, so that one person has one token however a system wrote the number.

By the meaning of the value (the contract's `format`): full-width characters become plain ones, spaces and separators go,
letters become capitals; a 15-digit citizen identity number becomes the 18-digit one (GB 11643: century 19, check digit); a
mobile number loses its country code. A value of no known format is taken as it is: nothing tells how it may be spelt.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.formats import id_check_digit

_BETWEEN = re.compile(r"[\s\u200b\ufeff\-‐‑–—−_.]+")
_OLD_ID = re.compile(r"[0-9]{15}\Z")
_COUNTRY = re.compile(r"(?:\+|00)?86(?=1[3-9][0-9]{9}\Z)")


def _plain(text: str) -> str:
    return _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).upper()


def _id_number(text: str) -> str:
    plain = _plain(text)
    if not _OLD_ID.match(plain):
        return plain
    body = f"{plain[:6]}19{plain[6:]}"
    return body + id_check_digit(body)


def _mobile(text: str) -> str:
    return _COUNTRY.sub("", _plain(text))


_NORMAL: dict[str, tuple[str, Callable[[str], str]]] = {
    "cn-id": (r"^[0-9]{17}[0-9X]$", _id_number),
    "cn-uscc": (r"^[0-9A-Z]{18}$", _plain),
    "cn-mobile": (r"^1[0-9]{10}$", _mobile),
}
"""By format: what is certainly in normal form already, and how the rest comes into it."""


def normal(text: str, meaning: str) -> str:
    """The one spelling of `text`."""
    known = _NORMAL.get(meaning)
    return text if known is None else known[1](text)


def normalised(column: Any, meaning: str) -> Any:
    """`normal` of every value; nulls stay null. Costs one look where all are in normal form already."""
    known = _NORMAL.get(meaning)
    if known is None:
        return column
    text = column if pa.types.is_string(column.type) else column.cast(pa.string())
    odd = pc.invert(pc.fill_null(pc.match_substring_regex(text, known[0]), True))
    if not pc.any(odd).as_py():
        return text
    spelt = [known[1](value) for value in text.filter(odd).to_pylist()]
    return pc.replace_with_mask(text, odd, pa.array(spelt, pa.string()))
