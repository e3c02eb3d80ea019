"""The view event: what a subscriber receives. It holds operation, release time, key and released fields and nothing
else, so that nothing in it joins it to another view (DESIGN 3.2).

    op           c, u, d or r
    released_at  milliseconds since 1970 UTC, no finer than the grant says
    key          the view key: the key fields as released, or `_key`, a token of the raw key
    before       only if the grant releases it
    after        the released fields, or null for a delete
A delete is followed by a tombstone (null value) under the same Kafka key, so that compaction can forget the row.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from schemas.change_event import OPERATION, TIMESTAMP

HASHED_KEY = "_key"
"""Name of the one key field of a view whose key is a token."""


def view_event_schema(key: list[dict[str, Any]], fields: list[dict[str, Any]], *, before: bool) -> dict[str, Any]:
    """Avro schema of a view's events from the Avro fields of its key and its row (name and type only)."""
    row = {"type": "record", "name": "Row", "fields": fields}
    middle = [{"name": "before", "type": ["null", row]}, {"name": "after", "type": ["null", "Row"]}]
    return {
        "type": "record",
        "name": "ViewEvent",
        "namespace": "bus.view",
        "fields": [
            {"name": "op", "type": OPERATION},
            {"name": "released_at", "type": TIMESTAMP},
            {"name": "key", "type": {"type": "record", "name": "Key", "fields": key}},
            *(middle if before else [{"name": "after", "type": ["null", row]}]),
        ],
    }


def canonical(schema: dict[str, Any]) -> str:
    """One text per schema: compact JSON with sorted keys."""
    return json.dumps(schema, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def fingerprint(schema: dict[str, Any]) -> str:
    """SHA-256 (hex) of the canonical text."""
    return hashlib.sha256(canonical(schema).encode()).hexdigest()
