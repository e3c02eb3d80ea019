"""What an older (or newer) version of a contract wrote, laid out as the contract in force has it.

A field the writer lacks gets the contract's default, a field the contract no longer has is dropped, and a number is
widened where Avro promotes it (int to long, float, double; long to float, double; float to double). A value for which
none of this is possible is bad (`no_default`), never guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from schemas.change_event import change_event_schema
from schemas.codec.model import Decoded
from schemas.contract import Contract


def projector(writer: dict[str, Any], contract: Contract, layout: pa.Schema) -> Callable[[Decoded], Decoded]:
    """A function that lays out what `writer`'s codec decoded per the contract's change events."""
    raise NotImplementedError(change_event_schema, contract, layout, writer)
