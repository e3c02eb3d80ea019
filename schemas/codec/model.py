"""What every codec promises, and what decoding gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class Reason(str, Enum):
    """Why a value could not be decoded. Names only: nothing of the value."""

    NOT_FRAMED = "not_framed"
    """Shorter than a Confluent header, or not beginning with the magic byte 0."""
    UNKNOWN_SCHEMA = "unknown_schema"
    """Written with a schema this decoder does not read."""
    TRUNCATED = "truncated"
    TRAILING_BYTES = "trailing_bytes"
    BAD_UTF8 = "bad_utf8"
    TOO_LARGE = "too_large"
    """Larger than a value may be, on the wire or once decoded."""
    MALFORMED = "malformed"
    """A number, date or time out of range, an unknown branch or symbol, a negative length, a map key twice."""
    NO_DEFAULT = "no_default"
    """The writer's contract lacks a field for which the newest contract has no default, or changed its type."""


@dataclass(frozen=True, slots=True)
class BadValue:
    """A value that did not decode: its position in the sequence given, and why."""

    position: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Decoded:
    """The values that decoded, in order, and the others.

    batch  one row for each of `rows`
    rows   positions (in the sequence given) of the batch's rows, ascending
    bad    the other positions, ascending, each with its reason
    """

    batch: pa.RecordBatch
    rows: npt.NDArray[np.int32]
    bad: list[BadValue]


class Codec(Protocol):
    """Values on the wire (Confluent framed) <-> one record batch, for one schema. Stateless and safe between threads.

    schema     the Avro record
    schema_id  its id in the registry: the four bytes after the magic byte
    arrow      how a batch of it is laid out
    kind       "columns" (native code, every field at once) or "rows" (one value at a time, every Avro type)
    """

    @property
    def schema(self) -> dict[str, Any]: ...
    @property
    def schema_id(self) -> int: ...
    @property
    def arrow(self) -> pa.Schema: ...
    @property
    def kind(self) -> Literal["columns", "rows"]: ...

    def decode(self, values: Sequence[bytes]) -> Decoded:
        """The values as columns. Never raises for what a value holds: a bad one is reported, its neighbours decode.
        A tombstone is no value: leave it out."""
        ...

    def encode(self, batch: pa.RecordBatch) -> list[bytes]:
        """One framed value per row. PermanentError, naming the field, if the batch is not laid out as `arrow`, holds
        null where the schema does not allow it, or an enum symbol the schema lacks."""
        ...


MAX_VALUE_BYTES = 4 << 20
"""Bytes of one value on the wire."""
MAX_GROWTH = 128
"""Bytes of memory that arrays and maps may make of one byte on the wire, so that a batch is bounded by its own size."""
FREE_BYTES = 16 << 10
"""Bytes of memory the arrays and maps of one value may take in any case."""
