"""Who acts: the person whose private key this process holds, as the list of signers names them. Never a flag."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from platformdirs import user_config_path

from infra.control.signatures import Signing, read_private_key
from infra.runtime.settings import Settings
from infra.runtime.signers import Person, Signers, SignersFile, lapsed, signers_of
from schemas.errors import ConfigError
from schemas.ids import check_id
from schemas.reading_words import of_system
from schemas.signature import key_id
from schemas.text import Text
from schemas.validation import build, parse_yaml, read_text


@dataclass(frozen=True, slots=True)
class Identity:
    """A person and the key that proves it."""

    person: Person
    signing: Signing


@dataclass(frozen=True, slots=True)
class IdentityFacts:
    """Who somebody is. `entry`: what a new identity's line in the department's file of signers says; `until`: its last day."""

    person: str
    department: str
    roles: tuple[str, ...]
    key: str
    file: Path
    deposited: Path | None = None
    entry: str | None = None
    until: dt.date | None = None


def identity(settings: Settings, signers: Signers, *, now_ms: int | None = None) -> Identity:
    """Who runs this. ConfigError if no identity is set, or the list of signers does not know its key, or not for today.

    now_ms   the time, milliseconds since 1970 UTC; by default the clock's
    """
    if settings.identity is None:
        raise ConfigError(
            Text("nobody is known to act here.", "未设置操作人身份。"),
            where="BUS_IDENTITY",
            hint=Text(
                "Set it to the file of your private key; 'bus identity new' makes one.",
                "请设为本人私钥文件; 可用 'bus identity new' 生成。",
            ),
        )
    signing = read_private_key(settings.identity)
    known = signers.people.get(key_id(signing.public))
    if known is None:
        raise ConfigError(
            Text(
                f"the list of signers does not know the key {key_id(signing.public)}.",
                f"签名人名单中没有密钥 {key_id(signing.public)}。",
            ),
            where=str(settings.identity),
            hint=Text(
                f"Its entry belongs into {signers.folder or 'the folder BUS_SIGNERS names'}; 'bus identity new' prints it.",
                f"其条目应登记在 {signers.folder or 'BUS_SIGNERS 所指目录'}; 'bus identity new' 会输出该条目。",
            ),
        )
    if not known[0].signs_at(int(time.time() * 1000) if now_ms is None else now_ms):
        raise lapsed(known[0], str(settings.identity))
    return Identity(known[0], signing)


def who_am_i(settings: Settings) -> IdentityFacts:
    """The identity as facts. What `identity` says of errors holds."""
    found = identity(settings, signers_of(settings))
    assert settings.identity is not None
    person = found.person
    name, roles = key_id(found.signing.public), tuple(sorted(person.roles))
    return IdentityFacts(person.id, person.department, roles, name, settings.identity, until=person.until)


def new_identity(
    settings: Settings,
    department: str,
    person: str,
    roles: Sequence[str],
    *,
    key: Path | None = None,
    deposit: bool,
    until: dt.date | None = None,
) -> IdentityFacts:
    """Make a private key (0600) and the entry that makes its person known; with `deposit` write that where signers are read.

    key     its file; by default in the user's configuration folder. ConfigError if it exists: a key is never written over.
    until   the last day on which it signs; None: until its entry says so
    """
    path = key or user_config_path("exchange-bus") / f"{department}.{person}.pem"
    made = Ed25519PrivateKey.generate()
    public = base64.b64encode(made.public_key().public_bytes_raw()).decode()
    said = {"roles": [*roles], "key": public, **({} if until is None else {"until": until})}
    document = {"kind": "Signers", "department": department, "people": {person: said}}
    build(SignersFile, document, "bus identity new")  # wrong ids and roles are told before anything is written
    target = _deposit_file(settings, department, person) if deposit else None
    _write_new(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    if target is not None:
        _deposit(target, document)
    entry = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    name = key_id(made.public_key().public_bytes_raw())
    return IdentityFacts(person, department, tuple(roles), name, path, target, entry, until)


def _deposit_file(settings: Settings, department: str, person: str) -> Path:
    if settings.signers is None:
        raise ConfigError(
            Text("there is no folder of signers to deposit the entry in.", "未设置签名人目录, 无法登记。"),
            where="BUS_SIGNERS",
            hint=Text("Set it, or leave out --deposit.", "请设置该变量, 或不使用 --deposit。"),
        )
    path = settings.signers / f"{check_id(department)}.yaml"
    if path.exists() and person in _people_in(path):
        raise ConfigError(
            Text(f"'{person}' is deposited there already.", f"'{person}' 已登记。"),
            where=str(path),
            hint=Text(
                "Somebody who gets a new key keeps the old entry under another id: acts signed with it stay valid.",
                "更换密钥时请将旧条目以其他编号保留, 以使既有签名仍可核验。",
            ),
        )
    return path


def _people_in(path: Path) -> dict[str, object]:
    people: dict[str, object] = {}
    for document in parse_yaml(read_text(path), str(path)):
        people |= build(SignersFile, document, str(path)).model_dump(mode="json")["people"]
    return people


def _deposit(path: Path, document: Mapping[str, object]) -> None:
    """One document more in the department's file; what people wrote there stays as it is, and a half is never there."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    more = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    text = f"{before.rstrip()}\n---\n{more}" if before.strip() else more
    beside = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _write_new(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ConfigError:
    why = of_system(error)
    return ConfigError(Text(f"cannot be written: {why.en}.", f"无法写入: {why.zh}。"), where=str(path))
