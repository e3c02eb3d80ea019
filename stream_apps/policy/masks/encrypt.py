"""`encrypt`: the value sealed, for a subscriber that may have it but whose tables, files and helpers may not."""

from __future__ import annotations

import binascii
import hmac
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.avro_types import AvroType
from schemas.paths import path_text
from schemas.sealed import MARK, NONCE_BYTES, SealKey, associated, seal_all, sealed_text
from schemas.text import Text
from schemas.typed_text import Kind, kind_of, typed_text, typed_texts
from stream_apps.policy.keys import Hmac, TokenKey, ViewKeys
from stream_apps.policy.masks.mask import About, Example, Mask, Place
from stream_apps.policy.masks.reveal import ALL, Reveal

_DIGEST = 32
_WRITTEN: dict[str, pa.DataType] = {
    "double": pa.float64(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "local-timestamp": pa.timestamp("us"),
}
_URL = bytes.maketrans(b"+/", b"-_")


class Encrypt(Mask):
    """What a grant writes; bound to its place it is a `Sealed`."""

    name: ClassVar[str] = "encrypt"
    about: ClassVar[About] = About(
        does=Text(
            "the value sealed: who holds the grant's seal key opens it (AES-256-GCM, or SM4-GCM)",
            "加密后放行: 持有该授权密钥者方可解密(AES-256-GCM 或 SM4-GCM)",
        ),
        of=Text(
            "every single value (no record, array, map or union of several), but no key field", "所有标量字段, 主键除外"
        ),
        examples=(
            Example(
                "encrypt",
                "520102199001010014",
                "e1.1-89cb25ff020eb0b8.ts4KA-Ichvx_EwBX_13UZiCPhL9uE1bU7Nl1HZLqnL9qDUjvm1tSBH3TQfXnUEZiMWGtiCQ=",
                depends=Text(
                    "the grant and its keys (here shuiwu.things.2026-001 and the preview's, version 1), the field's path "
                    "(here f) and the row's key (here 1)",
                    "授权及其密钥(此处为 shuiwu.things.2026-001 与预览密钥, 版本 1)、字段路径(此处为 f)与行主键(此处为 1)",
                ),
            ),
        ),
    )

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """What has a typed text."""
        return kind_of(avro) is not None

    def bound(self, place: Place) -> Mask:
        """Bound to the path. ConfigError for a key field."""
        if place.key:
            place.refuse(
                "a key field is never encrypted: every row's would be another; use 'pseudonym' or 'drop'.",
                "主键字段不可加密: 各行密文互不相同; 请使用 'pseudonym' 或 'drop'。",
            )
        kind = kind_of(place.field.type)
        assert kind is not None  # it suits
        return Sealed(path=path_text(place.path), kind=kind)


class Sealed(Mask):
    """`row(v) == sealed(typed_text(v, self.kind), keys, self.path, row_key)`"""

    name: ClassVar[str] = "encrypt"
    path: str
    kind: Kind

    @property
    def salted(self) -> bool:
        """Equal values of different rows do not show."""
        return True

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """What has a typed text."""
        return kind_of(avro) is not None

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return sealed(typed_text(value, self.kind), keys, self.path, row_key)

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """Value by value: no two rows share anything. ValueError if a row has no key."""
        there = pc.is_valid(column)
        texts, rows = column.filter(there), row_keys.filter(there)
        if rows.null_count:
            raise ValueError("a row without a key")
        out = _released(self._texts(texts), rows, keys, self.path)
        if not column.null_count:
            return out
        flags = there.to_numpy(zero_copy_only=False)
        return out.take(pa.array(np.cumsum(flags) - 1, mask=~flags))

    def _texts(self, column: Any) -> Any:
        """`typed_text` of every value, written by Arrow where Arrow writes the same."""
        if self.kind in ("bytes", "boolean"):
            return pa.array(typed_texts(column.to_pylist(), self.kind), pa.string())
        plain = column.cast(_WRITTEN.get(self.kind, column.type)).cast(pa.string())
        if self.kind == "decimal" and pc.any(pc.match_substring(plain, "E")).as_py():  # an exponent
            return pa.array(typed_texts(column.to_pylist(), self.kind), pa.string())
        if "timestamp" in self.kind:
            plain = pc.replace_substring(plain, " ", "T")
        return pc.binary_join_element_wise(f"{self.kind}:", plain, "Z" if self.kind == "timestamp" else "", "")

    def reveals(self) -> Reveal:
        """Everything: the subscriber holds the key."""
        return ALL


def sealed(text: str, keys: ViewKeys, path: str, row_key: str) -> str:
    """One value's text sealed for its row: the definition of what a column of them is.

    The nonce is an HMAC of row and value, so one value in one row is the same bytes each time, and no nonce serves two
    values. Its key is not the subscriber's to know: with it the row's key could be found by trying.
    """
    key = _seal_key(keys)
    nonce = hmac.digest(_nonce_key(keys, path), _message(text, row_key), key.suite)[:NONCE_BYTES]
    (one,) = seal_all([text.encode()], [nonce], key.cipher_key, key.suite, associated(keys.grant, path))
    return sealed_text(one, key)


def _released(texts: Any, row_keys: Any, keys: ViewKeys, path: str) -> Any:
    key = _seal_key(keys)
    bare, rows = texts.cast(pa.binary()), row_keys.cast(pa.binary())
    lengths = pc.binary_length(rows).cast(pa.string()).cast(pa.binary())
    messages = pc.binary_join_element_wise(lengths, b":", rows, bare, b"").to_pylist()
    digests = Hmac(_nonce_key(keys, path), key.suite).digests(messages)
    nonces = [digests[at : at + NONCE_BYTES] for at in range(0, len(digests), _DIGEST)]
    all_sealed = seal_all(bare.to_pylist(), nonces, key.cipher_key, key.suite, associated(keys.grant, path))
    return _written(all_sealed, f"{MARK}.{key.id}.".encode())


def _written(all_sealed: list[bytes], head: bytes) -> Any:
    """`sealed_text` of each."""
    encode, count = binascii.b2a_base64, len(all_sealed)
    parts = [encode(one, newline=False) for one in all_sealed]
    ends = np.cumsum(np.fromiter(map(len, parts), np.int64, count) + len(head))
    if count and ends[-1] > np.iinfo(np.int32).max:
        raise OverflowError("more than one column holds")
    offsets: Any = np.concatenate(([0], ends)).astype(np.int32)
    text = (head + head.join(parts)).translate(_URL) if parts else b""  # the head has none of these characters
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text))


def _seal_key(keys: ViewKeys) -> SealKey:
    shared: TokenKey = keys.seal()
    return SealKey(shared.version, shared.key, shared.suite)


def _nonce_key(keys: ViewKeys, path: str) -> bytes:
    own = keys.seal_nonces()
    return hmac.digest(own.key, path.encode(), own.suite)


def _message(text: str, row_key: str) -> bytes:
    row = row_key.encode()
    return b"%d:%b%b" % (len(row), row, text.encode())
