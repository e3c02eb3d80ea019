"""The custodian's secrets, by version. Whoever holds them can undo pseudonyms by trying; whoever loses them can never make
the same ones again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from schemas.errors import ConfigError
from schemas.text import Text

Suite = Literal["sha256", "sm3"]
"""Which hash, and with it which cipher: SHA-256 and AES-256-GCM, or the national SM3 and SM4-GCM."""


@dataclass(frozen=True, slots=True)
class MasterSecret:
    """One version of the master secret. `until`: the last day it may be used, if it is to end."""

    version: int
    secret: bytes = field(repr=False)
    suite: Suite = "sha256"
    until: dt.date | None = None

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that are the same wherever version, secret and suite are; they reveal nothing."""
        label = f"exchange-bus master {self.version} {self.suite}\0".encode()
        return hashlib.sha256(label + self.secret).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class AnnouncedKey:
    """What the control log says of a version: the secret everybody must have under its number, and how long it serves."""

    version: int
    suite: Suite
    fingerprint: str
    until: dt.date | None = None


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Every version of the master secret that may be used; what is granted anew uses the `current` one.

    origin  where it was read, for messages: a path, or the name of a setting
    """

    secrets: Mapping[int, MasterSecret]
    current: int
    origin: str = field(default="BUS_KEY_FILE", compare=False)

    def before(self, version: int) -> MasterSecret | None:
        """The newest version older than another: what tokens were made under before a rotation."""
        older = [v for v in self.secrets if v < version]
        return self.secrets[max(older)] if older else None

    @property
    def newest(self) -> int:
        """The highest version there is; above `current` where the next one has been handed out in advance."""
        return max(self.secrets)

    def verify(self, announced: Mapping[int, AnnouncedKey]) -> None:
        """ConfigError if a version here is not the secret (or has not the suite) that the control log announced."""
        for version, said in sorted(announced.items()):
            own = self.secrets.get(version)
            if own is not None and (own.fingerprint, own.suite) != (said.fingerprint, said.suite):
                raise _other_secret(self.origin, own, said)

    def bounded(self, announced: Mapping[int, AnnouncedKey]) -> KeyRing:
        """This ring with no version serving longer than the control log says: of two ends the earlier one holds."""

        def bound(own: MasterSecret) -> MasterSecret:
            ends = [d for d in (own.until, announced[own.version].until) if d] if own.version in announced else []
            return replace(own, until=min(ends)) if ends else own

        return replace(self, secrets={v: bound(s) for v, s in self.secrets.items()})


def _other_secret(origin: str, own: MasterSecret, said: AnnouncedKey) -> ConfigError:
    return ConfigError(
        Text(
            f"version {own.version} of the master key here is another secret ({own.suite}, fingerprint "
            f"{own.fingerprint}) than the one tokens are made under ({said.suite}, {said.fingerprint}, says the control "
            "log); nothing is released under it.",
            f"此处第 {own.version} 版主密钥({own.suite}, 指纹 {own.fingerprint})与控制日志所载的密钥"
            f"({said.suite}, 指纹 {said.fingerprint})不符, 不以其放行任何数据。",
        ),
        where=origin,
        hint=Text(
            f"Put back the key with the fingerprint {said.fingerprint}, or point BUS_KEY_FILE or BUS_KEY_COMMAND at it. "
            "A new key takes over by 'bus keys rotate', under a version of its own.",
            f"请恢复指纹为 {said.fingerprint} 的密钥, 或让 BUS_KEY_FILE、BUS_KEY_COMMAND 指向它。"
            "更换密钥请用 'bus keys rotate', 以新版本启用。",
        ),
    )
