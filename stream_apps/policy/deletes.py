"""Deletes for keys that are known only as text: of a record that could not be decoded, the Kafka key is all there is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.avro_types import AvroType, logical, primitive
from schemas.codec import arrow_type
from schemas.keys import ESCAPE, SEPARATOR, KeyPart, key_text
from stream_apps.policy.evaluate import delete_rows, may_release
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.released import Outcome, Released, nothing
from stream_apps.policy.view import View


def delete_for_keys(view: View, texts: Sequence[str], *, keys: ViewKeys, at_ms: int) -> Released:
    """A delete for each raw key given as its text (`schemas.keys`), or nothing at a time when nothing may be released.

    ValueError if a text is no key of the resource.
    """
    rows = [_parsed(text, [avro for _, avro in view.raw_key]) for text in texts]
    columns = [_column([row[i] for row in rows], avro) for i, (_, avro) in enumerate(view.raw_key)]
    if not may_release(view, keys, at_ms):
        return nothing(view.arrow, np.full(len(rows), Outcome.NOT_VALID, np.int8), [])
    return delete_rows(view, pa.StructArray.from_arrays(columns, [n for n, _ in view.raw_key]), keys=keys, at_ms=at_ms)


def _parsed(text: str, types: Sequence[AvroType]) -> list[KeyPart]:
    """The one key whose text this is: a text that only resembles a key (`007`, `20260131`) is no key."""
    parts = split_key(text)
    if len(parts) != len(types):
        raise ValueError("not a key of this resource")
    try:
        values = [_value(part, avro) for part, avro in zip(parts, types, strict=True)]
    except ValueError:  # its text holds the key
        raise ValueError("not a key of this resource") from None
    if key_text(values) != text:
        raise ValueError("not a key of this resource")
    return values


def split_key(text: str) -> list[str]:
    """The parts of a key text, unescaped."""
    parts, part, escaped = [], "", False
    for c in text:
        if escaped:
            part, escaped = part + c, False
        elif c == ESCAPE:
            escaped = True
        elif c == SEPARATOR:
            parts.append(part)
            part = ""
        else:
            part += c
    return [*parts, part]


def _value(text: str, avro: AvroType) -> KeyPart:
    if logical(avro) == "date":
        return dt.date.fromisoformat(text)
    return text if primitive(avro) == "string" else int(text)


def _column(values: list[KeyPart], avro: AvroType) -> Any:
    try:
        return pa.array(values, arrow_type(avro))
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        raise ValueError("not a key of this resource") from None
