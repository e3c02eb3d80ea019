"""What is signed, as one exact text, and what a signature is. Who may sign and with which key is not known here."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from pydantic import Field, field_validator

from schemas.errors import ConfigError
from schemas.ids import Id
from schemas.text import Text
from schemas.validation import Model
from schemas.view_event import canonical, fingerprint

SIGNATURE_BYTES = 64


class Signature(Model):
    """An Ed25519 signature: the key's id (`key_id`) and 64 bytes in base64. Its file holds the two, a space between."""

    key: str = Field(pattern="^[0-9a-f]{16}$")
    value: str

    @field_validator("value")
    @classmethod
    def _whole(cls, value: str) -> str:
        try:
            whole = len(base64.b64decode(value, validate=True)) == SIGNATURE_BYTES
        except binascii.Error:
            whole = False
        if not whole:
            raise ValueError("a signature is 64 bytes in base64 / 签名须为 64 字节的 base64")
        return value

    @property
    def raw(self) -> bytes:
        """The 64 bytes."""
        return base64.b64decode(self.value)

    def __str__(self) -> str:
        return f"{self.key} {self.value}"


class ChangeSigned(Model):
    """Evidence that a provider signed a change of its contract: everything needed to check it again.

    replaces, since   fingerprint of the contract it replaces, and the epoch since which that one was in force
    """

    by: Id
    signature: Signature
    replaces: str
    since: int


def parse_signature(text: str, where: str) -> Signature:
    """The signature a file holds. ConfigError if it is none."""
    key, _, value = text.strip().partition(" ")
    try:
        return Signature(key=key, value=value.strip())
    except ValueError as error:
        raise ConfigError(
            Text(
                "not a signature: it holds a key id (16 hexadecimal digits), a space and 64 bytes in base64.",
                "不是签名: 应为密钥编号(16 位十六进制)、空格与 64 字节的 base64。",
            ),
            where=where,
            hint=Text(
                "Make it with: bus sign --key PRIVATE.pem CONTRACT.avsc", "请用 bus sign --key 私钥.pem 契约.avsc 生成"
            ),
        ) from error


def key_id(public: bytes) -> str:
    """Names a public key (its 32 raw bytes)."""
    return hashlib.sha256(public).hexdigest()[:16]


def contract_change(contract: dict[str, Any], replaces: dict[str, Any], since: int) -> bytes:
    """What a provider signs: this contract (an Avro schema) in place of that one, in force since an epoch.

    The epoch, because the same change may be made, undone and then be wanted no more: an old signature brings it back never.
    """
    said = {
        "kind": "contract.change",
        "resource": contract["resource"]["id"],
        "contract": contract,
        "replaces": fingerprint(replaces),
        "since": since,
    }
    return canonical(said).encode()
