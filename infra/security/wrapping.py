"""A key ring wrapped under a passphrase, to be kept apart from the host that uses it.

kind: WrappedKeyRing
current: 2                    # what is inside, to tell one backup from another; fingerprints reveal nothing
fingerprint: 0f3a…
salt: …                       # of scrypt (N = 2^17, r = 8, p = 1), hexadecimal
box: …                        # nonce and AES-256-GCM of the ring's text, base64; bound to the three lines above
checksum: …                   # SHA-256 of box: a damaged file is told from a wrong passphrase
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import unicodedata
from typing import Literal

import yaml
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import Field

from schemas.errors import ConfigError
from schemas.key_ring import KeyRing
from schemas.key_ring_file import parse_ring, ring_text
from schemas.text import Text
from schemas.validation import Model, build, parse_yaml

SHORTEST = 12
"""Characters of a passphrase: with scrypt as slow as it is, what a person makes up at this length withstands guessing."""
_SALT, _NONCE = 16, 12
_COST = 2**17
"""128 MB and about half a second for every guess. Fixed, so that no file can ask for more memory than that."""


class Wrapped(Model):
    """The file, as written above."""

    kind: Literal["WrappedKeyRing"]
    current: int
    fingerprint: str
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    box: str
    checksum: str


def wrap(ring: KeyRing, passphrase: str) -> str:
    """The text of a backup. ConfigError for a passphrase that is too short."""
    if len(_normal(passphrase)) < SHORTEST:
        raise ConfigError(
            Text(
                f"the passphrase is shorter than {SHORTEST} characters.",
                f"口令短于 {SHORTEST} 个字符。",
            ),
            hint=Text("Take several words, and keep them apart from the backup.", "请使用多个词语, 并与备份分开保管。"),
        )
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    fingerprint = ring.secrets[ring.current].fingerprint
    sealed = AESGCM(_key(passphrase, salt)).encrypt(
        nonce, ring_text(ring).encode(), _bound(ring.current, fingerprint, salt.hex())
    )
    box = base64.b64encode(nonce + sealed).decode()
    said = Wrapped(
        kind="WrappedKeyRing",
        current=ring.current,
        fingerprint=fingerprint,
        salt=salt.hex(),
        box=box,
        checksum=_checksum(box),
    )
    return yaml.safe_dump(said.model_dump(), sort_keys=False, width=100)


def unwrap(text: str, passphrase: str, where: str) -> KeyRing:
    """The ring in a backup. ConfigError, which tells a wrong passphrase from a file that is damaged or none of ours."""
    documents = [d for d in parse_yaml(text, where) if d is not None]
    if len(documents) != 1:
        raise _wrong(where, "is not a backup of a key ring.", "不是密钥环备份。")
    said = build(Wrapped, documents[0], where)
    try:
        whole = base64.b64decode(said.box, validate=True)
    except binascii.Error:
        whole = b""
    if said.checksum != _checksum(said.box) or len(whole) <= _NONCE:
        raise _wrong(where, "is damaged: its checksum does not match.", "已损坏: 校验和不符。")
    cipher = AESGCM(_key(passphrase, bytes.fromhex(said.salt)))
    bound = _bound(said.current, said.fingerprint, said.salt)
    try:
        opened = cipher.decrypt(whole[:_NONCE], whole[_NONCE:], bound)
    except InvalidTag:
        raise ConfigError(
            Text("the passphrase is wrong.", "口令错误。"),
            where=where,
            hint=Text(
                "If you are sure of it, the file was changed by somebody: take another copy of the backup.",
                "若确认口令无误, 则文件已被篡改: 请使用其他备份副本。",
            ),
        ) from None
    return parse_ring(opened.decode(), where)


def _normal(passphrase: str) -> str:
    """As one sequence of characters, whichever keyboard typed it."""
    return unicodedata.normalize("NFC", passphrase)


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_COST, r=8, p=1).derive(_normal(passphrase).encode())


def _bound(current: int, fingerprint: str, salt: str) -> bytes:
    return f"exchange-bus key ring 1\0{current}\0{fingerprint}\0{salt}".encode()


def _checksum(box: str) -> str:
    return hashlib.sha256(box.encode()).hexdigest()


def _wrong(where: str, en: str, zh: str) -> ConfigError:
    return ConfigError(Text(en, zh), where=where, hint=Text("Take another copy.", "请使用其他副本。"))
