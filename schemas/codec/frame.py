"""The Confluent header: a 0 byte and the schema id in four bytes, big-endian."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

HEADER_BYTES = 5
NOT_FRAMED = -1


def header(schema_id: int) -> bytes:
    """The five bytes in front of a value."""
    return b"\x00" + schema_id.to_bytes(4, "big")


def schema_ids(values: Sequence[bytes | None]) -> npt.NDArray[np.int64]:
    """The schema id of each value; -1 where there is none (null, shorter than the header, another magic byte)."""
    heads = b"".join([_NO_HEADER if v is None or len(v) < HEADER_BYTES else v[:HEADER_BYTES] for v in values])
    table = np.frombuffer(heads, np.uint8).reshape(-1, HEADER_BYTES)
    ids = np.ascontiguousarray(table[:, 1:]).view(">u4").reshape(-1).astype(np.int64)
    ids[table[:, 0] != 0] = NOT_FRAMED
    return ids


_NO_HEADER = b"\xff" * HEADER_BYTES
