"""The custodian of the master key: 32 random bytes in one file that only its owner may read.

Every grant's key is derived from it (`stream_apps.policy`), so whoever holds it can undo pseudonyms by trying, and
whoever loses it can never again give a subscriber the same pseudonyms. It lives outside the state folder and is shown to
nobody; `fingerprint` identifies it without revealing it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.key_ring import KeyRing, MasterSecret
from schemas.text import Text

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The key, where it was read, and whether this very call made it (the caller must tell the person)."""

    key: bytes
    path: Path
    created: bool = False

    @property
    def ring(self) -> KeyRing:
        """The key as the only version there is."""
        return KeyRing({1: MasterSecret(1, self.key)}, 1)

    def __repr__(self) -> str:
        return f"MasterKey({self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that are the same wherever the key is the same."""
        return hashlib.sha256(b"exchange-bus master key\0" + self.key).hexdigest()[:16]


def master_key(settings: Settings) -> MasterKey:
    """The master key; made on first need if its place is the default one.

    Raises ConfigError if the file is absent elsewhere, can be read by others, or does not hold 32 bytes in hexadecimal.
    """
    path = settings.key_file
    if not path.exists():
        if "key_file" in settings.model_fields_set:
            raise _wrong(path, "the master key file does not exist.", "主密钥文件不存在。", _HOW_TO_MAKE)
        return _make(path)
    return MasterKey(read_key(path), path)


def created_notice(path: Path) -> Text:
    """What a person must know when a key was made."""
    return Text(
        f"made a new master key in {path}: keep a copy in a safe place; pseudonyms cannot be repeated without it.",
        f"已在 {path} 生成新的主密钥: 请妥善备份; 丢失后将无法再生成相同的假名。",
    )


def read_key(path: Path, *, private: bool = True) -> bytes:
    """The 32 bytes in a key file. ConfigError if others can read it or it holds anything else.

    private  whether it must be kept from others; the throw-away key of a preview need not be
    """
    try:
        mode = path.stat().st_mode
        text = path.read_bytes()[:1024].decode("ascii").strip()
        key = bytes.fromhex(text)
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror}.", f"无法读取: {error.strerror}。") from error
    except ValueError as error:
        raise _wrong(path, "is not hexadecimal.", "不是十六进制内容。", _HOW_TO_MAKE) from error
    if private and stat.S_IMODE(mode) & 0o077:
        raise _wrong(
            path,
            f"others may read the key (mode {stat.S_IMODE(mode):04o}).",
            f"密钥可被他人读取(权限 {stat.S_IMODE(mode):04o})。",
            Text(f"Run: chmod 600 {path}", f"请执行: chmod 600 {path}"),
        )
    if len(key) != KEY_BYTES:
        raise _wrong(
            path,
            f"holds {len(key)} bytes, not {KEY_BYTES}.",
            f"长度为 {len(key)} 字节, 应为 {KEY_BYTES}。",
            _HOW_TO_MAKE,
        )
    return key


def _make(path: Path) -> MasterKey:
    """Two processes may come at once: whoever creates the file makes the key, the other reads it."""
    key = secrets.token_bytes(KEY_BYTES)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
            out.write(key.hex() + "\n")
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(draft, path)  # fails where the name is taken, and never shows a half-written file
        except FileExistsError:
            return MasterKey(read_key(path), path)
        finally:
            draft.unlink()
    except OSError as error:
        raise _wrong(path, f"cannot be made: {error.strerror}.", f"无法创建: {error.strerror}。") from error
    return MasterKey(key, path, created=True)


_HOW_TO_MAKE = Text(
    "A key file holds 64 hexadecimal digits: openssl rand -hex 32", "密钥文件为 64 位十六进制: openssl rand -hex 32"
)


def _wrong(path: Path, en: str, zh: str, hint: Text | None = None) -> ConfigError:
    return ConfigError(Text(en, zh), where=str(path), hint=hint)
