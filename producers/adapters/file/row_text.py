"""Rows as texts and back: how the state remembers what was published."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from schemas.avro_types import logical, primitive, without_null
from schemas.change_event import Row
from schemas.contract import Contract


class RowText:
    """Rows of one contract <-> JSON texts. Equal rows give equal texts while the contract has the same fields."""

    def __init__(self, contract: Contract) -> None:
        self._encode = json.JSONEncoder(ensure_ascii=False, default=_plain).encode
        self._absent = {f.name: f.default if f.has_default else None for f in contract.fields}
        self._readers: list[tuple[str, Callable[[Any], Any]]] = []
        for field in contract.fields:
            inner = without_null(field.type)
            reader = _READERS.get(logical(inner) or primitive(inner))
            if reader is not None:
                self._readers.append((field.name, reader))

    def write(self, row: Row) -> str:
        """The text of a row whose fields stand in the contract's order."""
        return self._encode(row)

    def read(self, text: str) -> Row:
        """The row of a text, laid out per the contract of today: unknown fields fall away, new ones get their default."""
        stored = json.loads(text)
        row = {n: stored.get(n, absent) for n, absent in self._absent.items()}
        for name, reader in self._readers:
            if isinstance(row[name], str):
                row[name] = reader(row[name])
        return row


def _plain(value: Any) -> Any:
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value).__name__)


_READERS: dict[str, Callable[[Any], Any]] = {
    "date": dt.date.fromisoformat,
    "timestamp-millis": dt.datetime.fromisoformat,
    "timestamp-micros": dt.datetime.fromisoformat,
    "decimal": Decimal,
    "bytes": bytes.fromhex,
}
