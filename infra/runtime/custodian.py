"""The custodian of the master keys: a file that only its owner may read, or a command that prints them.

Every grant's keys are derived from them (`stream_apps.policy`), so whoever holds them can undo pseudonyms by trying, and
whoever loses them can never again give a subscriber the same pseudonyms. They lie outside the state folder and are shown to
nobody; fingerprints identify them without revealing them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from pathlib import Path

from infra.runtime.key_command import ORIGIN, run_key_command
from infra.runtime.key_file import make_ring, read_ring, rotate_ring
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.key_ring import KeyRing, Suite
from schemas.key_ring_file import HOW_TO_MAKE, parse_ring
from schemas.text import Text


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """The keys as the custodian gave them. `notes`: what the caller must tell the person."""

    ring: KeyRing
    notes: tuple[Text, ...] = ()


def held_keys(settings: Settings) -> HeldKeys:
    """The master keys; one is made on first need if its place is the default file.

    Raises ConfigError if file and command are both named, if the file lies in the state folder, is absent where it was
    named, can be read by others or holds no key ring, if a suite is not to be had on this machine, or if the current key
    is not the expected one (BUS_KEY_FINGERPRINT); TransientError if the command fails.
    """
    held = _from_command(settings) if by_command(settings) else _from_file(settings)
    if not {s.suite for s in held.ring.secrets.values()} <= hashlib.algorithms_available:
        raise _wrong(held.ring.origin, "this machine's OpenSSL has no SM3.", "本机的 OpenSSL 不支持 SM3。")
    _expected(settings, held.ring)
    return held


def existing_keys(settings: Settings) -> KeyRing | None:
    """The master keys without making any: None where they are not there yet but would be made. Raises what `held_keys` does."""
    if not by_command(settings) and "key_file" not in settings.model_fields_set and not key_path(settings).exists():
        return None
    return held_keys(settings).ring


def by_command(settings: Settings) -> bool:
    """Whether the custodian is a command. ConfigError if a file is named as well."""
    if not (settings.key_command or "").strip():
        return False
    if "key_file" in settings.model_fields_set:
        raise _wrong(
            f"BUS_KEY_FILE, {ORIGIN}",
            "the master keys come from a file or from a command, not from both.",
            "主密钥取自文件或命令, 二者不可并用。",
            Text("Unset one of the two.", "请取消其中一项设置。"),
        )
    return True


def key_path(settings: Settings) -> Path:
    """The custodian's file. ConfigError if it lies, or a symbolic link leads, into the state folder."""
    path, home = settings.key_file, settings.home.resolve()
    if any(p.is_relative_to(home) for p in (path.resolve(), path.parent.resolve() / path.name)):
        raise _wrong(
            str(path),
            f"the master keys lie in the state folder ({home}): a copy of it would reveal every pseudonym.",
            f"主密钥位于状态目录({home})中: 复制该目录即泄露全部假名。",
            Text(
                "Move the file elsewhere and name it with BUS_KEY_FILE.", "请将文件移至他处, 并以 BUS_KEY_FILE 指明。"
            ),
        )
    return path


def rotate_file(settings: Settings, suite: Suite | None, until: dt.date) -> KeyRing:
    """`rotate_ring` of the custodian's file. ConfigError where the custodian is a command, and what `rotate_ring` raises."""
    if by_command(settings):
        raise _wrong(
            ORIGIN,
            "the keys come from a command, so only its key store can rotate them.",
            "密钥由命令提供, 仅可在其密钥库中轮换。",
            Text(
                "There, add a version with a new key, make it current, give the one before an 'until', and let the command "
                "print all of it; then run 'bus apply' again.",
                "请在密钥库中新增一版密钥并设为现行, 为前一版写明 until, 由命令一并输出; 然后重新执行 'bus apply'。",
            ),
        )
    return rotate_ring(key_path(settings), suite, until)


def _from_command(settings: Settings) -> HeldKeys:
    printed = run_key_command(settings.key_command or "")
    notes = (Text(f"{ORIGIN}: {printed.said}", f"{ORIGIN}: {printed.said}"),) if printed.said else ()
    return HeldKeys(parse_ring(printed.text, ORIGIN), notes)


def _from_file(settings: Settings) -> HeldKeys:
    path = key_path(settings)
    if path.exists():
        return HeldKeys(read_ring(path))
    if "key_file" in settings.model_fields_set:
        raise _wrong(str(path), "the master key file does not exist.", "主密钥文件不存在。", HOW_TO_MAKE)
    ring, made = make_ring(path, settings.key_suite)
    notes = (
        Text(
            f"made a new master key in {path}: keep a copy in a safe place; pseudonyms cannot be repeated without it.",
            f"已在 {path} 生成新的主密钥: 请妥善备份; 丢失后将无法再生成相同的假名。",
        ),
    )
    return HeldKeys(ring, notes if made else ())


def _expected(settings: Settings, ring: KeyRing) -> None:
    want = (settings.key_fingerprint or "").strip().lower()
    own = ring.secrets[ring.current]
    if want and want != own.fingerprint:
        raise _wrong(
            ring.origin,
            f"the current master key (version {own.version}) has the fingerprint {own.fingerprint}, and "
            f"BUS_KEY_FINGERPRINT expects {want}; nothing is started.",
            f"现行主密钥(第 {own.version} 版)的指纹为 {own.fingerprint}, 而 BUS_KEY_FINGERPRINT 要求 {want}; 未启动。",
            Text(
                "Put the expected key back or, if it was rotated, set BUS_KEY_FINGERPRINT to the new fingerprint.",
                "请恢复应有的密钥; 如系轮换所致, 请将 BUS_KEY_FINGERPRINT 改为新指纹。",
            ),
        )


def _wrong(where: str, en: str, zh: str, hint: Text | None = None) -> ConfigError:
    return ConfigError(Text(en, zh), where=where, hint=hint)
