"""Sealed values: text that only who holds the grant's seal key can open (what the mask `encrypt` releases).

    e1.<key id>.<base64url of nonce (12 bytes), ciphertext, tag (16 bytes)>

    key id          `<version>-<16 hexadecimal digits>`: which key opens it, without telling anything of the key
    cipher          AES-256-GCM under the suite sha256; SM4-GCM (GB/T 32907, RFC 8998) under sm3
    cipher key      HMAC(seal key, ["exchange-bus","seal-cipher"]) under the suite: 32 bytes for AES, the first 16 for SM4.
                    Derived, so that the two ciphers never share a key and the seal key itself enters neither; each part of
                    an HMAC is as good a key as the whole
    authenticated   ["exchange-bus","sealed",GRANT,PATH]: a value moved to another grant or field does not open
    plaintext       `schemas.typed_text`: the value comes back as what it was

JSON arrays above are without spaces, in UTF-8. The seal key travels as one line `<key id>:<64 hexadecimal digits>`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.errors import ConfigError, PermanentError
from schemas.key_ring import Suite
from schemas.text import Text
from schemas.typed_text import typed_value

MARK = "e1"
"""What a sealed value begins with: this form of it."""
NONCE_BYTES = 12
_TAG_BYTES = 16
_KEY_BYTES: dict[Suite, int] = {"sha256": 32, "sm3": 16}
_LINE = re.compile(r"([1-9][0-9]{0,8})-[0-9a-f]{16}:([0-9a-f]{64})\Z")


def key_id(version: int, key: bytes, suite: Suite) -> str:
    """`1-5f0c…`: the same wherever version, key and suite are; it reveals nothing of the key."""
    label = f"exchange-bus seal {version} {suite}\0".encode()
    return f"{version}-{hashlib.sha256(label + key).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class SealKey:
    """What a grant's values are sealed with and its subscriber opens them with: 32 bytes, never shown."""

    version: int
    key: bytes = field(repr=False)
    suite: Suite = "sha256"

    @property
    def id(self) -> str:
        """Which key this is."""
        return key_id(self.version, self.key, self.suite)

    @property
    def cipher_key(self) -> bytes:
        """See the module."""
        label = _json("exchange-bus", "seal-cipher")
        return hmac.digest(self.key, label, self.suite)[: _KEY_BYTES[self.suite]]

    def line(self) -> str:
        """As it is handed to the subscriber. Secret."""
        return f"{self.id}:{self.key.hex()}"


def parse_seal_key(line: str, where: str = "seal key") -> SealKey:
    """The key of a line. ConfigError if it is none, or was mistyped: its id then is not the id it says."""
    text = line.strip()
    found = _LINE.match(text)
    if found:
        for suite in get_args(Suite):
            key = SealKey(int(found[1]), bytes.fromhex(found[2]), suite)
            if key.line() == text:
                return key
    raise ConfigError(
        Text(
            "not a seal key: one line ID:HEX, exactly as it was handed over.", "不是解密密钥: 须为原样的一行 ID:HEX。"
        ),
        where=where,
    )


def associated(grant: str, path: str) -> bytes:
    """What a value is bound to. `path` as grants write it: `id_no`, `members[].id_no`."""
    return _json("exchange-bus", "sealed", grant, path)


def seal_all(texts: Sequence[bytes], nonces: Sequence[bytes], key: bytes, suite: Suite, aad: bytes) -> list[bytes]:
    """Nonce, ciphertext and tag of each text. `key`: the cipher key. No nonce may serve two texts under one key."""
    if suite == "sha256":
        encrypt = AESGCM(key).encrypt
        return [nonce + encrypt(nonce, text, aad) for nonce, text in zip(nonces, texts, strict=True)]
    out: list[bytes] = []
    cipher = Cipher(algorithms.SM4(key), modes.GCM(bytes(NONCE_BYTES)))
    for nonce, text in zip(nonces, texts, strict=True):
        cipher.mode = modes.GCM(nonce)  # a third cheaper than a cipher of its own for each value
        one = cipher.encryptor()
        one.authenticate_additional_data(aad)
        out.append(nonce + one.update(text) + one.finalize() + one.tag)
    return out


def sealed_text(sealed: bytes, key: SealKey) -> str:
    """Nonce, ciphertext and tag as they are released."""
    return f"{MARK}.{key.id}.{base64.urlsafe_b64encode(sealed).decode()}"


def open_value(text: str, *, grant: str, path: str, keys: Mapping[str, SealKey]) -> Any:
    """The value of a sealed text. `keys` by id.

    ConfigError if the key it was sealed with is not among them. PermanentError if it is no sealed value, was changed, or is
    of another grant or field.
    """
    parts = text.split(".")
    if len(parts) != 3 or parts[0] != MARK:
        _refuse(path, "not a sealed value.", "不是加密值。")
    key = keys.get(parts[1])
    if key is None:
        raise ConfigError(
            Text(f"sealed with another key than those given ({parts[1]}).", f"所用密钥({parts[1]})不在给定密钥之中。")
            if re.fullmatch(r"[0-9]{1,9}-[0-9a-f]{16}", parts[1])
            else Text("sealed with another key than those given.", "所用密钥不在给定密钥之中。"),
            where=path,
            hint=Text("Ask the bureau for the grant's seal key.", "请向数据局索取该授权的解密密钥。"),
        )
    try:
        return typed_value(_unsealed(_decoded(parts[2]), key, associated(grant, path)).decode())
    except (binascii.Error, InvalidTag, ValueError, KeyError, ArithmeticError):
        pass  # what these say may quote what was sealed
    _refuse(
        path,
        "does not open: changed on its way, or of another grant or field.",
        "无法解密: 内容被改动, 或属于其他授权或字段。",
    )


def _decoded(text: str) -> bytes:
    sealed = base64.b64decode(text, altchars=b"-_", validate=True)
    if base64.urlsafe_b64encode(sealed).decode() != text:
        raise ValueError("another spelling of the same bytes")
    return sealed


def _unsealed(sealed: bytes, key: SealKey, aad: bytes) -> bytes:
    if len(sealed) < NONCE_BYTES + _TAG_BYTES:
        raise ValueError("too short")
    nonce, body, tag = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:-_TAG_BYTES], sealed[-_TAG_BYTES:]
    if key.suite == "sha256":
        return AESGCM(key.cipher_key).decrypt(nonce, body + tag, aad)
    one = Cipher(algorithms.SM4(key.cipher_key), modes.GCM(nonce, tag)).decryptor()
    one.authenticate_additional_data(aad)
    return one.update(body) + one.finalize()


def _json(*parts: str) -> bytes:
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()


def _refuse(path: str, en: str, zh: str) -> NoReturn:
    raise PermanentError(Text(en, zh), where=path)
