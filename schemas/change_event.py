"""The change event: what an adapter publishes to a resource's source topic, as an Avro schema per contract.

op            c create, u update, d delete, r read (snapshot), as Debezium names them
key           the key fields of the row
before        the row as it was (u, d), or null
after         the row as it is (c, u, r), or null
event_id      unique per event; joins logs and evidence, never released
source        id of the adapter
position      where in its source the adapter read it (opaque)
occurred_at   when it happened at the source, milliseconds since 1970 UTC, if known
published_at  when it was handed to Kafka, milliseconds since 1970 UTC
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from schemas.contract import Contract

Row = dict[str, Any]
"""Field name -> Python value, as fastavro reads and writes it."""


class Op(str, Enum):
    """Operation of an event."""

    CREATE = "c"
    UPDATE = "u"
    DELETE = "d"
    READ = "r"


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """One change of one row, before it is encoded. `published_at` is set by the publisher."""

    op: Op
    key: Row
    before: Row | None
    after: Row | None
    event_id: str
    source: str
    position: str
    occurred_at: int | None = None


TIMESTAMP = {"type": "long", "logicalType": "timestamp-millis"}
OPERATION = {"type": "enum", "name": "Operation", "symbols": [op.value for op in Op]}


def key_type(contract: Contract, name: str = "Key") -> dict[str, Any]:
    """Avro record of the raw key."""
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": k, "type": contract.by_name[k].type} for k in contract.key],
    }


def change_event_schema(contract: Contract) -> dict[str, Any]:
    """Avro schema of a resource's change events, as registered: the row is the contract itself, attributes included."""
    row = dict(contract.source)
    full = ".".join(p for p in (row.get("namespace"), row["name"]) if p)
    return {
        "type": "record",
        "name": f"{row['name']}Change",
        "namespace": row.get("namespace", ""),
        "fields": [
            {"name": "op", "type": OPERATION},
            {"name": "key", "type": key_type(contract, f"{row['name']}Key")},
            {"name": "before", "type": ["null", row], "default": None},
            {"name": "after", "type": ["null", full], "default": None},
            {"name": "event_id", "type": "string"},
            {"name": "source", "type": "string"},
            {"name": "position", "type": "string"},
            {"name": "occurred_at", "type": ["null", TIMESTAMP], "default": None},
            {"name": "published_at", "type": TIMESTAMP},
        ],
    }
