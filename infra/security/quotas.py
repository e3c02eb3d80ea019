"""How much one user may take of the cluster, so that no system's mistake is everybody's outage.

A user beyond its quota is slowed down by the broker, never refused. Units are those of a person: MB/s (10^6 bytes), and per
cent of one of the broker's threads (it has six).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

from schemas.errors import ConfigError
from schemas.text import Text

_NAMES = {"write": "producer_byte_rate", "read": "consumer_byte_rate", "requests": "request_percentage"}
_MB = 1_000_000
_LINE = re.compile(r"Quota configs for (?:the default user-principal|user-principal '(?P<user>.*)') are (?P<said>.+)")


@dataclass(frozen=True, slots=True)
class Quota:
    """write, read: MB/s; requests: per cent of one thread. None: what everybody has."""

    write: float | None = None
    read: float | None = None
    requests: float | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) is not None for f in fields(self))

    def over(self, other: Quota) -> Quota:
        """This one, and where it says nothing `other`."""
        return Quota(**{n: getattr(other, n) if (own := getattr(self, n)) is None else own for n in _NAMES})

    def check(self) -> None:
        """ConfigError for a number that lets nothing through."""
        for name in _NAMES:
            value = getattr(self, name)
            if value is not None and not 0.001 <= value <= 1e9:
                raise ConfigError(
                    Text("a quota is at least 0.001.", "配额至少为 0.001。"),
                    where=f"--{name} {value:g}",
                    hint=Text(
                        "To let a system do nothing, retire its credentials.", "如需完全禁止, 请停用该系统的凭据。"
                    ),
                )


EVERYBODY = Quota(write=64, read=64, requests=200)
"""What a user may take unless told otherwise: some hundred thousand records a second, a third of the broker's threads."""
DESK = Quota(write=1)
"""For the application desk: an application of a thousand grants comes to some hundred kB, and its log is never thrown away."""
UNBOUNDED = Quota(write=1e6, read=1e6, requests=1e5)
"""For the exchange, which works for all: what it takes is bounded by what the others may write."""


def as_kafka(quota: Quota) -> str:
    """What `ConfigCommand --add-config` takes."""
    return ",".join(f"{_NAMES[n]}={_kafka(n, v)}" for n in _NAMES if (v := getattr(quota, n)) is not None)


def names(quota: Quota) -> str:
    """What `ConfigCommand --delete-config` takes."""
    return ",".join(_NAMES[n] for n in _NAMES if getattr(quota, n) is not None)


def from_kafka(printed: str) -> dict[str | None, Quota]:
    """Quotas by user (None: everybody's), from what `ConfigCommand --describe` prints."""
    return dict(_read(printed))


def _read(printed: str) -> Iterator[tuple[str | None, Quota]]:
    for line in printed.splitlines():
        found = _LINE.match(line.strip())
        if found is not None:
            said = dict(pair.split("=", 1) for pair in found["said"].split(", "))
            values = {n: float(said[k]) / (1 if n == "requests" else _MB) for n, k in _NAMES.items() if k in said}
            yield found["user"], Quota(**values)


def _kafka(name: str, value: float) -> str:
    return f"{value:g}" if name == "requests" else str(round(value * _MB))
