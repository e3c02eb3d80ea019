"""What the use cases report. Every fact is plain data, so that `--json` is a dump of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from infra.control.histories import History
from schemas.key_ring import Suite
from schemas.register_log import Kind
from schemas.signature import ChangeSigned
from schemas.text import Text

Action = Literal["created", "changed", "unchanged", "skipped"]


@dataclass(frozen=True, slots=True)
class ContractApplied:
    """A contract is in force. `epoch` is where in the control log; -1 in a dry run that would change it."""

    resource: str
    action: Action
    schema_id: int
    topic: str
    epoch: int
    withheld: dict[str, Text] = field(default_factory=dict)
    """Active grants that the contract no longer allows, with the reason; the exchange withholds them from now on."""
    weakened: tuple[Text, ...] = ()
    """What it protects less than the contract before it."""
    signed: ChangeSigned | None = None
    """The provider's signature of that."""


@dataclass(frozen=True, slots=True)
class Fence:
    """Where access under a grant ended: nothing is released at or after `offsets` (by partition) of `topic`."""

    grant: str
    generation: int
    topic: str
    epoch: int
    """Offset in the control log of the event that ended it."""
    offsets: dict[int, int]
    milliseconds: float
    """From writing that event until no worker could release any more."""
    fenced_out: tuple[str, ...] = ()
    """transactional.ids of workers that did not answer and were shut out."""
    destroy_by: str | None = None
    """The last day by which the subscriber destroys what it received; None for what is suspended."""


@dataclass(frozen=True, slots=True)
class GrantApplied:
    """A grant is in force. `fence` tells where the generation before it ended, if it was amended."""

    grant: str
    action: Action
    generation: int
    topic: str
    schema_id: int
    epoch: int
    fence: Fence | None = None
    reason: Text | None = None
    """Why it goes on in another generation although its document did not change."""


@dataclass(frozen=True, slots=True)
class RuleApplied:
    """A combination rule holds, or was withdrawn. `epoch`: where in the control log; -1 if nothing was written."""

    rule: str
    action: Action
    withdrawn: bool
    epoch: int


@dataclass(frozen=True, slots=True)
class Registered:
    """A document of the register holds. `changed`: the fields that differ from the one before, by their written names."""

    kind: Kind
    id: str
    action: Action
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one document of one file. Skipped: of another kind, met in a folder."""

    file: str
    kind: Literal["contract", "grant", "rule", "application", "register", "other"]
    id: str
    action: Action
    fact: ContractApplied | GrantApplied | RuleApplied | Registered | None = None


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """One generation of a grant, for lists."""

    grant: str
    generation: int
    version: int
    subscriber: str
    resource: str
    state: Literal["active", "waiting", "withheld", "ended"]
    """waiting: opened, but its validity has not begun. withheld: the contract no longer allows it, or gives it another view."""
    valid_from: str
    valid_until: str
    topic: str
    opened_at: int
    ended_at: int | None
    end_reason: str | None
    fence: dict[int, int] | None
    withheld: Text | None = None
    """Why nothing is released under it, if it is withheld."""
    destroy_by: str | None = None
    """The last day by which its subscriber destroys what it received, once it has ended for good."""
    history: History | None = None
    """How much of the resource's history it has had, while it does not get live records yet."""
    starts: dict[int, int] = field(default_factory=dict)
    """Where it began: the first offset of each partition of its topic, which is a generation's own."""


@dataclass(frozen=True, slots=True)
class Reaped:
    """Topics deleted, and topics of ended grants that stay, with the reason."""

    deleted: tuple[str, ...]
    kept: dict[str, Text]
    expired: tuple[str, ...] = ()
    """Grants whose validity had passed and that were ended now."""


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """One version of the master key. Nothing of it but its fingerprint."""

    version: int
    suite: Suite
    fingerprint: str
    current: bool
    held: bool
    """Whether the custodian here has it."""
    announced: bool
    """Whether the control log pins it."""
    until: str | None
    """The last day it may be used."""
    over: bool
    """Nothing is released under it any more: that day has passed, or the custodian has it no longer."""
    grants: tuple[str, ...]
    """Active grants whose tokens or seals are made with it."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """A new version of the master key is current. `again`: grants to apply again before the former one ends."""

    version: int
    suite: Suite
    fingerprint: str
    former: int
    until: str
    again: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SharedKey:
    """The key that a grant's subscriber opens sealed values with, as it is handed over."""

    grant: str
    suite: Suite
    key: str = field(repr=False)
    """A line for `schemas.sealed.parse_seal_key`: the key's id, `:` and 64 hexadecimal digits."""
