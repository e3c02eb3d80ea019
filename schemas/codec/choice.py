"""Which codec a schema gets."""

from __future__ import annotations

from typing import Any

import pyruhvro

from schemas.codec.avro_tree import expand, option
from schemas.codec.columns import ColumnCodec, framed_schema
from schemas.codec.model import Codec
from schemas.codec.rows import RowCodec
from schemas.errors import ConfigError
from schemas.text import Text

_NATIVE = frozenset({"boolean", "int", "long", "float", "double", "string", "enum", "array", "map", "record"})
_NATIVE_LOGICAL = frozenset({("int", "date"), ("long", "timestamp-millis"), ("long", "timestamp-micros")})


def codec_for(schema: dict[str, Any], schema_id: int) -> Codec:
    """The fastest codec that knows every type of an Avro record schema. ConfigError for any other, or a recursive one."""
    if schema.get("type") != "record":
        raise ConfigError(Text("values on the bus are Avro records.", "总线上的值必须是 Avro record。"))
    if _native(expand(schema), top=True) and _probed(framed_schema(schema)):
        return ColumnCodec(schema, schema_id)
    return RowCodec(schema, schema_id)


def _native(tree: Any, *, top: bool = False) -> bool:
    """Whether pyruhvro 0.4.0 reads and writes the type as we need it. It knows no bytes, fixed and what is made of
    them, no times and local timestamps, no empty records; a field that is always null it refuses in records and maps; in a
    wider union an enum loses its name, and a map is laid out in another way."""
    if isinstance(tree, list):
        lost = option(tree) is None and any(isinstance(b, dict) and b["type"] in ("enum", "map") for b in tree)
        return len(tree) > 1 and not lost and all(b == "null" or _native(b) for b in tree)
    kind = tree if isinstance(tree, str) else tree["type"]
    if kind not in _NATIVE:
        return False
    if kind == "record":
        return (top or bool(tree["fields"])) and all(_native(f["type"]) for f in tree["fields"])
    if kind in ("array", "map"):
        return _native(tree["items"] if kind == "array" else tree["values"])
    logical = None if isinstance(tree, str) else tree.get("logicalType")
    return logical is None or (kind, logical) in _NATIVE_LOGICAL


def _probed(framed: str) -> bool:
    """Whether pyruhvro takes the schema. It panics where it does not, and a Rust panic is no `Exception`."""
    try:
        pyruhvro.avro_to_arrow_schema(framed)
        pyruhvro.deserialize_array([], framed)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 the panic's class is not importable
        return False
    return True
