"""The keys of a custodian that is a file: read with care for who else may, made once, replaced as a whole."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from schemas.errors import ConfigError
from schemas.key_ring import KeyRing, MasterSecret, Suite
from schemas.key_ring_file import HOW_TO_MAKE, KEY_BYTES, parse_key, parse_ring, ring_text
from schemas.text import Text

_MAX_BYTES = 1 << 16


def read_ring(path: Path) -> KeyRing:
    """The ring in a file. ConfigError if others can read it or it holds anything else."""
    return parse_ring(_text(path, private=True), str(path))


def read_preview_keys(path: Path) -> KeyRing | bytes:
    """What a preview is to make tokens with: a ring in its long form or, of 64 hexadecimal digits, these 32 bytes as the
    subscriber's secret. A throw-away key need not be kept from others. ConfigError if the file holds anything else.
    """
    text = _text(path, private=False)
    return parse_ring(text, str(path)) if ":" in text else parse_key(text.strip(), str(path))


def make_ring(path: Path, suite: Suite) -> tuple[KeyRing, bool]:
    """The ring with a new key in a new file, and True. Two processes may come at once: the other reads the file, and has
    False. ConfigError if it cannot be written.
    """
    ring = KeyRing({1: MasterSecret(1, secrets.token_bytes(KEY_BYTES), suite)}, 1, str(path))
    return (ring, True) if _linked(path, ring_text(ring)) else (read_ring(path), False)


def keep_ring(path: Path, ring: KeyRing) -> bool:
    """Write a ring into a new file; False where the same ring is there already. ConfigError where another one is."""
    if _linked(path, ring_text(ring)):
        return True
    if read_ring(path) == ring:
        return False
    raise _wrong(
        str(path),
        "another key ring is there; nothing is written over keys.",
        "此处已有另一密钥环; 不会覆盖密钥。",
        Text("Move it away first, and keep it.", "请先将其移走并妥善保管。"),
    )


def write_new(path: Path, text: str) -> None:
    """Write a private file as a whole. ConfigError if the name is taken or it cannot be written."""
    if not _linked(path, text):
        raise _wrong(
            str(path),
            "the file exists already.",
            "文件已存在。",
            Text("Name another: nothing is written over it.", "请另选文件名: 不会覆盖。"),
        )


def _linked(path: Path, text: str) -> bool:
    """Whether the name was free: a new file (0600) never shows half of its text, and never takes another's place."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = _draft(path, text)
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
    except OSError as error:
        raise _wrong(str(path), f"cannot be made: {error.strerror}.", f"无法创建: {error.strerror}。") from error
    return True


def rotate_ring(path: Path, suite: Suite | None, until: dt.date) -> KeyRing:
    """Add a new current version to a file; the one before serves until `until`. The new ring.

    suite  of the new version; by default that of the one before

    The file is replaced as a whole, so a reader sees the old ring or the new one. Raises ConfigError where another rotation
    is under way or the file cannot be written, and what `read_ring` raises.
    """
    real = path.resolve()
    with _alone(real):
        ring = read_ring(real)
        old = ring.secrets[ring.current]
        version = ring.newest + 1
        new = MasterSecret(version, secrets.token_bytes(KEY_BYTES), suite or old.suite)
        made = KeyRing({**ring.secrets, old.version: replace(old, until=until), version: new}, version, str(path))
        _replace(real, ring_text(made))
    return made


def _text(path: Path, *, private: bool) -> str:
    """What an opened file holds and who may read it are asked of the same file, whatever happens to its name."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            found = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise _wrong(str(path), f"cannot be read: {error.strerror}.", f"无法读取: {error.strerror}。") from error
    if private and stat.S_IMODE(mode) & 0o077:
        raise _wrong(
            str(path),
            f"others may read the key (mode {stat.S_IMODE(mode):04o}).",
            f"密钥可被他人读取(权限 {stat.S_IMODE(mode):04o})。",
            Text(f"Run: chmod 600 {path}", f"请执行: chmod 600 {path}"),
        )
    if len(found) > _MAX_BYTES:
        raise _wrong(str(path), f"larger than {_MAX_BYTES} bytes.", f"超过 {_MAX_BYTES} 字节。")
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _wrong(str(path), "is not text.", "不是文本。", HOW_TO_MAKE) from None


def _replace(path: Path, text: str) -> None:
    try:
        draft = _draft(path, text)
        try:
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(
                folder
            )  # or a power failure could bring the old ring back after tokens were made under the new one
        finally:
            os.close(folder)
    except OSError as error:
        raise _wrong(str(path), f"cannot be written: {error.strerror}.", f"无法写入: {error.strerror}。") from error


def _draft(path: Path, text: str) -> Path:
    """The text in a private file beside `path`, on the disk."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While inside, no other rotation of the same folder's keys is."""
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise _wrong(str(path), f"cannot be read: {error.strerror}.", f"无法读取: {error.strerror}。") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise _wrong(str(path), "another rotation is under way.", "另一次轮换正在进行。") from None
    finally:
        os.close(folder)


def _wrong(where: str, en: str, zh: str, hint: Text | None = None) -> ConfigError:
    return ConfigError(Text(en, zh), where=where, hint=hint)
