"""Signatures of people who answer for a document: made with a private key they keep, checked with the public key a
department has deposited. Ed25519; keys are PEM files as `openssl genpkey -algorithm ed25519` makes them.
"""

from __future__ import annotations

import base64
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from schemas.errors import ConfigError
from schemas.ids import check_id
from schemas.signature import Signature, key_id, parse_signature
from schemas.text import Text
from schemas.validation import read_text

_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
SUFFIX = ".sig"
"""Of the file beside a document that holds its signature."""


@dataclass(frozen=True, slots=True)
class Signers:
    """Public keys by department and key id. `folder`: where they come from; None if no folder is set."""

    keys: Mapping[str, Mapping[str, Ed25519PublicKey]] = field(default_factory=dict)
    folder: Path | None = None

    def check(self, department: str, signature: Signature, said: bytes, where: str) -> None:
        """ConfigError unless one of the department's keys signed exactly `said`."""
        known = self.keys.get(department, {})
        key = known.get(signature.key)
        if key is None:
            raise ConfigError(
                Text(
                    f"signed with the key {signature.key}, which is not deposited for {department}.",
                    f"签名所用密钥 {signature.key} 未登记在 {department} 名下。",
                ),
                where=where,
                hint=self.way_out(department),
            )
        try:
            key.verify(signature.raw, said)
        except InvalidSignature:
            raise ConfigError(
                Text(
                    "the signature is not of this change: the document or the one in force has changed since.",
                    "签名与本次变更不符: 文件或生效中的版本在签名之后已有变化。",
                ),
                where=where,
                hint=Text("Have it signed anew: bus sign.", "请重新签名: bus sign。"),
            ) from None

    def way_out(self, department: str) -> Text:
        """How a department's key comes to be known."""
        if self.folder is None:
            return Text(
                f"Set BUS_SIGNERS to a folder that holds {department}.pub (PEM), the provider's public key.",
                f"请将 BUS_SIGNERS 设为存放 {department}.pub(PEM 公钥)的目录。",
            )
        return Text(
            f"Its public keys belong into {self.folder / (department + '.pub')} (PEM, one after the other).",
            f"其公钥应存放于 {self.folder / (department + '.pub')}(PEM, 可依次存放多个)。",
        )


NOBODY = Signers()
"""Without a folder of keys nobody can sign, and what needs a signature is refused."""


def read_signers(folder: Path | None) -> Signers:
    """The keys in `<department>.pub` files of a folder. ConfigError for a file that is none; None: nobody can sign."""
    if folder is None:
        return NOBODY
    if not folder.is_dir():
        raise ConfigError(
            Text("the folder of public keys does not exist.", "公钥目录不存在。"),
            where=str(folder),
            hint=Text("Make it, or correct BUS_SIGNERS.", "请创建该目录, 或更正 BUS_SIGNERS。"),
        )
    return Signers({_department(path): _public_keys(path) for path in sorted(folder.glob("*.pub"))}, folder)


def read_signature(document: Path) -> Signature | None:
    """The signature beside a document, if there is one. ConfigError if the file holds something else."""
    path = document.with_name(document.name + SUFFIX)
    return parse_signature(read_text(path), str(path)) if path.exists() else None


def sign(private_key: Path, said: bytes) -> Signature:
    """`said` signed. ConfigError if the file is no private Ed25519 key, or others may read it."""
    key = _private_key(private_key)
    return Signature(key=key_id(key.public_key().public_bytes_raw()), value=base64.b64encode(key.sign(said)).decode())


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


def _department(path: Path) -> str:
    try:
        return check_id(path.stem)
    except ValueError as error:
        raise ConfigError(
            Text("the name of the file is not a department's id.", "文件名不是部门编号。"), where=str(path)
        ) from error


def _public_keys(path: Path) -> dict[str, Ed25519PublicKey]:
    blocks = _PEM.findall(read_text(path))
    if not blocks:
        raise _wrong(path, "holds no public key in PEM.", "不含 PEM 格式的公钥。")
    keys = [_public_key(path, block) for block in blocks]
    return {key_id(key.public_bytes_raw()): key for key in keys}


def _public_key(path: Path, block: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(block.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _wrong(path, "not a public key in PEM.", "不是 PEM 格式的公钥。") from error
    if not isinstance(key, Ed25519PublicKey):
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
