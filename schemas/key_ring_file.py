"""The key ring as a custodian writes it. Two forms:

    64 hexadecimal digits               version 1, suite sha256, and nothing before it

    kind: KeyRing
    current: 2
    keys:
      1: {key: "<64 hexadecimal digits>", suite: sha256, until: 2027-03-31}
      2: {key: "<64 hexadecimal digits>", suite: sm3}

No message about a ring quotes it: a place is named by the words of this page and by small numbers only, because what
stands in a wrong place may be the key.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, NoReturn, get_args

from schemas.errors import ConfigError
from schemas.key_ring import KeyRing, MasterSecret, Suite
from schemas.text import Text
from schemas.validation import parse_yaml

KEY_BYTES = 32
MAX_VERSION = 9_999
_DIGITS = re.compile(r"[0-9A-Fa-f]*")
_NUMBERED = re.compile(r":\d+:\d+$")

HOW_TO_MAKE = Text("A key is 64 hexadecimal digits: openssl rand -hex 32", "密钥为 64 位十六进制: openssl rand -hex 32")
_FORM = Text(
    'A key ring holds 64 hexadecimal digits, or kind: KeyRing, current: 1, keys: {1: {key: "…", suite: sha256}}.',
    '密钥环为 64 位十六进制, 或 kind: KeyRing, current: 1, keys: {1: {key: "…", suite: sha256}}。',
)


def parse_ring(text: str, where: str) -> KeyRing:
    """The ring in a text. ConfigError names the first wrong place; no message holds any of the text's values."""
    if ":" not in text:
        return KeyRing({1: MasterSecret(1, parse_key(text.strip(), where))}, 1, where)
    ring = _mapping(_document(text, where), {"kind", "current", "keys"}, set(), where)
    if ring["kind"] != "KeyRing":
        _refuse(f"{where}: kind", "is not KeyRing.", "不是 KeyRing。", _FORM)
    keys = ring["keys"]
    if not isinstance(keys, dict) or not keys:
        _refuse(f"{where}: keys", "is not a mapping of versions to keys.", "不是版本到密钥的映射。", _FORM)
    current = _version(ring["current"], f"{where}: current")
    secrets = {_version(v, f"{where}: keys"): entry for v, entry in keys.items()}
    found = {v: _secret(v, entry, f"{where}: keys.{v}") for v, entry in sorted(secrets.items())}
    _together(found, current, where)
    return KeyRing(found, current, where)


def ring_text(ring: KeyRing) -> str:
    """The ring in the long form; `parse_ring` reads the same ring from it. It holds the keys."""
    lines = ["kind: KeyRing", f"current: {ring.current}", "keys:"]
    for version, own in sorted(ring.secrets.items()):
        until = "" if own.until is None else f", until: {own.until.isoformat()}"
        lines.append(f'  {version}: {{key: "{own.secret.hex()}", suite: {own.suite}{until}}}')
    return "\n".join(lines) + "\n"


def parse_key(text: Any, where: str) -> bytes:
    """The 32 bytes of 64 hexadecimal digits. ConfigError otherwise, which tells how many bytes there are."""
    if isinstance(text, int):
        _refuse(
            where,
            "was read as a number, so its leading zeros are lost.",
            "被当作数字读取, 前导零已丢失。",
            Text("Write the key in quotes.", "请给密钥加引号。"),
        )
    if not isinstance(text, str) or not _DIGITS.fullmatch(text) or len(text) % 2:
        _refuse(where, "is not hexadecimal.", "不是十六进制内容。", HOW_TO_MAKE)
    key = bytes.fromhex(text)
    if len(key) != KEY_BYTES:
        _refuse(
            where,
            f"holds {len(key)} bytes, not {KEY_BYTES}.",
            f"长度为 {len(key)} 字节, 应为 {KEY_BYTES}。",
            HOW_TO_MAKE,
        )
    return key


def _document(text: str, where: str) -> Any:
    try:
        documents = parse_yaml(text, where)
    except ConfigError as error:  # its words may quote a line, and a line may be the key
        place = _NUMBERED.search(error.where or "")
        line = where + place.group() if place else where
        raise ConfigError(Text("not valid YAML.", "不是有效的 YAML。"), where=line, hint=_FORM) from None
    if len(documents) != 1:
        _refuse(where, f"holds {len(documents)} documents, not one.", f"含 {len(documents)} 份文档, 应为一份。", _FORM)
    return documents[0]


def _mapping(value: Any, must: set[str], may: set[str], where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        _refuse(where, "is not a mapping.", "不是键值结构。", _FORM)
    odd = len(value.keys() - must - may)
    if odd:
        known = ", ".join(sorted(must | may))
        _refuse(where, f"has {odd} unknown keys; there are: {known}.", f"含 {odd} 个未知键; 可用: {known}。", _FORM)
    for name in sorted(must - value.keys()):
        place = f"{where}.{name}" if ": " in where else f"{where}: {name}"
        _refuse(place, "is missing.", "缺失。", _FORM)
    return value


def _version(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_VERSION:
        _refuse(where, f"a version is a whole number from 1 to {MAX_VERSION}.", f"版本须为 1 至 {MAX_VERSION} 的整数。")
    return value


def _secret(version: int, value: Any, where: str) -> MasterSecret:
    entry = _mapping(value, {"key"}, {"suite", "until"}, where)
    suite, until = entry.get("suite", "sha256"), entry.get("until")
    if suite not in get_args(Suite):
        _refuse(f"{where}.suite", "is neither sha256 nor sm3.", "不是 sha256 或 sm3。")
    if until is not None and (not isinstance(until, dt.date) or isinstance(until, dt.datetime)):
        _refuse(f"{where}.until", "is not a day, as 2027-03-31 is.", "不是日期, 例如 2027-03-31。")
    return MasterSecret(version, parse_key(entry["key"], f"{where}.key"), suite, until)


def _together(secrets: Mapping[int, MasterSecret], current: int, where: str) -> None:
    if current not in secrets:
        _refuse(f"{where}: current", f"there is no key of version {current}.", f"没有第 {current} 版密钥。")
    if secrets[current].until is not None:
        _refuse(
            f"{where}: keys.{current}.until",
            "the current version has no end; it ends by a rotation.",
            "现行版本没有截止日, 须经轮换终止。",
            Text("Remove until, or run 'bus keys rotate'.", "请去掉 until, 或运行 'bus keys rotate'。"),
        )
    seen: dict[bytes, int] = {}
    for version, own in sorted(secrets.items()):
        if version < current and own.until is None:
            _refuse(
                f"{where}: keys.{version}.until",
                "is missing: a version before the current one says until when its tokens may still be joined.",
                "缺失: 现行版本之前的版本须写明其标识可关联至何日。",
            )
        if own.secret in seen:
            _refuse(
                f"{where}: keys.{version}.key",
                f"is the key of version {seen[own.secret]}: that is no rotation.",
                f"与第 {seen[own.secret]} 版密钥相同, 不构成轮换。",
                HOW_TO_MAKE,
            )
        seen[own.secret] = version


def _refuse(where: str, en: str, zh: str, hint: Text | None = None) -> NoReturn:
    raise ConfigError(Text(en, zh), where=where, hint=hint) from None
