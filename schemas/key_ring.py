"""The custodian's secrets, by version. Whoever holds them can undo pseudonyms by trying; whoever loses them can never make
the same ones again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

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
class KeyRing:
    """Every version of the master secret that may be used; what is granted anew uses the `current` one."""

    secrets: Mapping[int, MasterSecret]
    current: int

    def before(self, version: int) -> MasterSecret | None:
        """The newest version older than another: what tokens were made under before a rotation."""
        older = [v for v in self.secrets if v < version]
        return self.secrets[max(older)] if older else None
