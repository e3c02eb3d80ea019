"""Avro on the wire (Confluent format) <-> Arrow columns: the one door for every room.

codec_for        the codec of a schema: columns where native code knows every type, rows for the rest
ChangeDecoder    change events of a resource, whichever version wrote them, laid out per the newest contract
arrow_schema     how a batch of a schema's values is laid out
schema_ids       which schema wrote each value
rows             a batch as Python rows
key_texts        the text of each row's key, as `schemas.keys.key_text` gives it
"""

from schemas.codec.arrow_types import arrow_schema, arrow_type
from schemas.codec.changes import ChangeDecoder
from schemas.codec.choice import codec_for
from schemas.codec.frame import schema_ids
from schemas.codec.key_columns import key_texts
from schemas.codec.model import MAX_VALUE_BYTES, BadValue, Codec, Decoded, Reason
from schemas.codec.python_rows import rows

__all__ = [
    "MAX_VALUE_BYTES",
    "BadValue",
    "ChangeDecoder",
    "Codec",
    "Decoded",
    "Reason",
    "arrow_schema",
    "arrow_type",
    "codec_for",
    "key_texts",
    "rows",
    "schema_ids",
]
