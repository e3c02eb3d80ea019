"""Who may sign: people with their roles and public keys, and departments' seals. The root of trust of whoever verifies.

A folder (BUS_SIGNERS) on each host that verifies, kept apart from the cluster: who can write topics can add nobody to it.

    <department>.yaml   people, by id: roles, and the public key (32 bytes in base64)
    <department>.pub    the department's seal: one or several public keys in PEM, as `openssl pkey -pubout` writes them

Roles: `head` (of the body), `data_office` (head of its data-sharing office), `clerk` (files applications), `bureau` (checks form,
extends, mediates, suspends). Which of them sign grants is configuration (`Settings.provider_roles`, `subscriber_roles`).

Who leaves keeps the entry, with `until`: acts are judged by it at the broker's time of them, orders and new signatures by the
clock of whoever carries them out. Grants approved by then go on, because an approval was of that day.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import Field, field_validator

from infra.runtime.settings import Settings
from schemas.approval import Side
from schemas.clock import end_of_day_ms
from schemas.errors import ConfigError
from schemas.ids import Id, check_id
from schemas.signature import Signature, key_id
from schemas.text import Text
from schemas.validation import Model, build, parse_yaml, read_text

_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
SEAL = "seal"
"""Role of a department's own key: it may sign whatever the department may."""
BUREAU = "bureau"
"""Role of the data bureau's people, who release nothing."""

Role = Literal["head", "data_office", "clerk", "bureau"]


class PersonEntry(Model):
    """One person of a department, as its file says."""

    name: str = ""
    roles: tuple[Role, ...] = Field(min_length=1)
    key: str
    until: dt.date | None = None
    """The last day, in Asia/Shanghai, on which it may sign. What it signed by then goes on counting."""

    @field_validator("key")
    @classmethod
    def _whole(cls, value: str) -> str:
        try:
            whole = len(base64.b64decode(value, validate=True)) == 32
        except binascii.Error:
            whole = False
        if not whole:
            raise ValueError("a public key is 32 bytes in base64 / 公钥须为 32 字节的 base64")
        return value


class SignersFile(Model):
    """The file of a department."""

    kind: Literal["Signers"] = "Signers"
    department: Id
    people: dict[Id, PersonEntry]


@dataclass(frozen=True, slots=True)
class Person:
    """Whose key it is. `id` of a seal is the department's."""

    id: str
    department: str
    roles: frozenset[str]
    name: str = ""
    until: dt.date | None = None
    """The last day on which the key signs."""

    def signs_at(self, at_ms: int) -> bool:
        """Whether the key still signs at a moment, milliseconds since 1970 UTC."""
        return self.until is None or at_ms <= end_of_day_ms(self.until)


@dataclass(frozen=True, slots=True)
class Signers:
    """Everybody whose signature counts.

    keys    seals by department and key id
    people  everybody by key id, seals too, with the key
    roles   which roles sign for each side
    folder  where they come from; None if no folder is set: then nobody can sign
    """

    keys: Mapping[str, Mapping[str, Ed25519PublicKey]] = field(default_factory=dict)
    folder: Path | None = None
    people: Mapping[str, tuple[Person, Ed25519PublicKey]] = field(default_factory=dict)
    roles: Mapping[Side, frozenset[str]] = field(default_factory=dict)

    def verify(self, signature: Signature, said: bytes) -> Person | None:
        """Who signed exactly `said`; None if nobody known did. Whoever knows when it was signed asks `Person.signs_at` too."""
        known = self.people.get(signature.key)
        if known is None:
            return None
        try:
            known[1].verify(signature.raw, said)
        except InvalidSignature:
            return None
        return known[0]

    def signs(self, person: Person, side: Side, department: str) -> bool:
        """Whether a person signs grants for a department on one side."""
        wanted = self.roles.get(side, frozenset()) | {SEAL}
        return person.department == department and bool(wanted & person.roles)

    def check(
        self, department: str, signature: Signature, said: bytes, where: str, today: dt.date | None = None
    ) -> None:
        """ConfigError unless the department's seal, or somebody who signs for it as a provider, signed exactly `said`.

        today   with a key that signs on that day still; None: on any
        """
        known = self._provider_key(department, signature.key)
        if known is None:
            raise ConfigError(
                Text(
                    f"signed with the key {signature.key}, which is not deposited for {department}.",
                    f"签名所用密钥 {signature.key} 未登记在 {department} 名下。",
                ),
                where=where,
                hint=self.way_out(department),
            )
        try:
            known.verify(signature.raw, said)
        except InvalidSignature:
            raise ConfigError(
                Text(
                    "the signature is not of this change: the document or the one in force has changed since.",
                    "签名与本次变更不符: 文件或生效中的版本在签名之后已有变化。",
                ),
                where=where,
                hint=Text("Have it signed anew: bus sign.", "请重新签名: bus sign。"),
            ) from None
        person = self.people[signature.key][0] if signature.key in self.people else None
        if today is not None and person is not None and person.until is not None and person.until < today:
            raise lapsed(person, where)

    def _provider_key(self, department: str, key: str) -> Ed25519PublicKey | None:
        seal = self.keys.get(department, {}).get(key)
        found = self.people.get(key)
        if seal is not None or found is None:
            return seal
        return found[1] if self.signs(found[0], "provider", department) else None

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


def read_signers(
    folder: Path | None,
    provider_roles: tuple[str, ...] = (),
    subscriber_roles: tuple[str, ...] = (),
    *,
    holding: str = "",
) -> Signers:
    """Everybody in a folder's files. ConfigError for a file that is wrong, and for a key that two people share.

    None: nobody can sign. The roles are those that sign for each side, besides the seal.
    holding   only of files with this text in them; with a key's (32 bytes in base64, which PEM holds too) its person is found
              at once among hundreds, and a fault in another department's file keeps nobody from stopping a grant
    """
    if folder is None:
        return NOBODY
    if not folder.is_dir():
        raise ConfigError(
            Text("the folder of public keys does not exist.", "公钥目录不存在。"),
            where=str(folder),
            hint=Text("Make it, or correct BUS_SIGNERS.", "请创建该目录, 或更正 BUS_SIGNERS。"),
        )
    seals = {_department(path): _public_keys(path) for path in _files(folder, "*.pub", holding)}
    people: dict[str, tuple[Person, Ed25519PublicKey]] = {}
    for department, keys in seals.items():
        people |= {name: (Person(department, department, frozenset({SEAL})), key) for name, key in keys.items()}
    for path in _files(folder, "*.yaml", holding):
        for person, key in _people(path):
            name = key_id(key.public_bytes_raw())
            if name in people:
                raise ConfigError(
                    Text(
                        f"the key of {person.id} also belongs to {people[name][0].id}; everybody signs with a key of their own.",
                        f"{person.id} 与 {people[name][0].id} 使用同一密钥; 每人须使用自己的密钥。",
                    ),
                    where=str(path),
                )
            people[name] = person, key
    roles: Mapping[Side, frozenset[str]] = {
        "provider": frozenset(provider_roles),
        "subscriber": frozenset(subscriber_roles),
    }
    return Signers(seals, folder, people, roles)


def signers_of(settings: Settings, *, holding: str = "") -> Signers:
    """Everybody who may sign, by the settings. Raises what `read_signers` raises; `holding` as there."""
    return read_signers(settings.signers, settings.provider_roles, settings.subscriber_roles, holding=holding)


def _files(folder: Path, pattern: str, holding: str) -> list[Path]:
    return [path for path in sorted(folder.glob(pattern)) if not holding or holding in read_text(path)]


def _people(path: Path) -> Iterator[tuple[Person, Ed25519PublicKey]]:
    for document in parse_yaml(read_text(path), str(path)):
        file = build(SignersFile, document, str(path))
        if file.department != _department(path):
            raise ConfigError(
                Text(
                    f"the file is named {path.stem}, but speaks for {file.department}.",
                    f"文件名为 {path.stem}, 内容却属于 {file.department}。",
                ),
                where=f"{path}: department",
            )
        for name, entry in file.people.items():
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(entry.key))
            yield Person(name, file.department, frozenset(entry.roles), entry.name, entry.until), key


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
        raise wrong_key(path, "holds no public key in PEM.", "不含 PEM 格式的公钥。")
    keys = [_public_key(path, block) for block in blocks]
    return {key_id(key.public_bytes_raw()): key for key in keys}


def _public_key(path: Path, block: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(block.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise wrong_key(path, "not a public key in PEM.", "不是 PEM 格式的公钥。") from error
    if not isinstance(key, Ed25519PublicKey):
        raise wrong_key(path, "not an Ed25519 key.", "不是 Ed25519 密钥。")
    return key


def lapsed(person: Person, where: str) -> ConfigError:
    """A key that signs no longer, and what its person does."""
    return ConfigError(
        Text(
            f"the key of {person.id} of {person.department} was valid until {person.until}.",
            f"{person.department} 的 {person.id} 的密钥有效期至 {person.until}。",
        ),
        where=where,
        hint=Text(
            "Whoever still acts gets a new key under another id: bus identity new.",
            "仍在任者请以新的编号生成新密钥: bus identity new。",
        ),
    )


def wrong_key(path: Path, en: str, zh: str) -> ConfigError:
    """A key file that is none, and how one is made."""
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
