"""Released values as JSON has them, for people: dates, times and decimals as text, instants in Asia/Shanghai."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import math
from collections.abc import Mapping
from typing import Any

from schemas.avro_types import AvroType, logical, without_null
from schemas.clock import SHANGHAI


def shown_row(row: Mapping[str, Any] | None, types: Mapping[str, AvroType]) -> dict[str, Any] | None:
    """A row with every value as JSON has it; `types` are the Avro types of its fields (a key token has none)."""
    return None if row is None else {name: shown(value, types.get(name, "string")) for name, value in row.items()}


def shown(value: Any, avro: AvroType) -> Any:
    """One value. The type tells wall-clock times from instants, which look alike."""
    avro = without_null(avro)
    parts: dict[str, Any] = avro if isinstance(avro, dict) else {}
    if isinstance(value, dict):
        members = {f["name"]: f["type"] for f in parts.get("fields", ())}
        return {k: shown(v, members.get(k, parts.get("values", "null"))) for k, v in value.items()}
    if isinstance(value, list):
        return [shown(v, parts.get("items", "null")) for v in value]
    if isinstance(value, dt.datetime):
        return value.isoformat() if (logical(avro) or "").startswith("local-") else _instant(value)
    return _scalar(value)


def _instant(value: dt.datetime) -> str:
    moment = value.replace(tzinfo=dt.UTC)
    try:
        return moment.astimezone(SHANGHAI).isoformat()
    except OverflowError:  # the last hours of the year 9999 have no date in Asia/Shanghai
        return moment.isoformat()


def _scalar(value: Any) -> Any:
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
