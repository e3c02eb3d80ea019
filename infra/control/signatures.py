"""Signatures made with a private key that its person keeps; `infra.runtime.signers` checks them. Ed25519; keys are PEM files as `openssl genpkey -algorithm ed25519` makes them."""

from __future__ import annotations

import base64
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from schemas.errors import ConfigError
from schemas.signature import Signature, key_id, parse_signature
from schemas.text import Text
from schemas.validation import read_text

SUFFIX = ".sig"
"""Of the file beside a document that holds its signature."""


def read_signature(document: Path) -> Signature | None:
    """The signature beside a document, if there is one. ConfigError if the file holds something else."""
    path = document.with_name(document.name + SUFFIX)
    return parse_signature(read_text(path), str(path)) if path.exists() else None


@dataclass(frozen=True, slots=True)
class Signing:
    """A private key that has been read: it signs many things without being read again. Never shown."""

    _key: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> bytes:
        """The public half, 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, said: bytes) -> Signature:
        """`said` signed."""
        return Signature(key=key_id(self.public), value=base64.b64encode(self._key.sign(said)).decode())


def read_private_key(private_key: Path) -> Signing:
    """The key in a file. ConfigError if it is no private Ed25519 key, or others may read it."""
    return Signing(_private_key(private_key))


def sign(private_key: Path, said: bytes) -> Signature:
    """`said` signed. ConfigError if the file is no private Ed25519 key, or others may read it."""
    return read_private_key(private_key).sign(said)


def _private_key(path: Path) -> Ed25519PrivateKey:
    text = read_text(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigError(
            Text(f"others may read the private key (mode {mode:04o}).", f"私钥可被他人读取(权限 {mode:04o})。"),
            where=str(path),
            hint=Text(f"Run: chmod 600 {path}", f"请执行: chmod 600 {path}"),
        )
    try:
        key = load_pem_private_key(text.encode(), None)
    except TypeError as error:
        raise _wrong(path, "the private key is encrypted with a password.", "私钥带有口令。") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _wrong(path, "not a private key in PEM.", "不是 PEM 格式的私钥。") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _wrong(path, "not an Ed25519 key.", "不是 Ed25519 密钥。")
    return key


def _wrong(path: Path, en: str, zh: str) -> ConfigError:
    return ConfigError(
        Text(en, zh),
        where=str(path),
        hint=Text(
            "Make a pair: openssl genpkey -algorithm ed25519 -out PRIVATE.pem; "
            "openssl pkey -in PRIVATE.pem -pubout -out DEPARTMENT.pub",
            "生成密钥对: openssl genpkey -algorithm ed25519 -out PRIVATE.pem; "
            "openssl pkey -in PRIVATE.pem -pubout -out DEPARTMENT.pub",
        ),
    )
