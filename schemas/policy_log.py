"""The control log: what may be shared, as events in one topic that is never thrown away (DESIGN 3.5).

Contracts, grants and rules share one single-partition topic, so that one offset, the policy epoch, names everything that was in
force. Values are UTF-8 JSON of the events below; what they amount to is `policy_state.py`.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from schemas.approval import Approval
from schemas.combination_rule import CombinationRule
from schemas.errors import PermanentError
from schemas.grant import Grant
from schemas.ids import Id
from schemas.key_ring import Suite
from schemas.order import Ordered
from schemas.retry_order import MOST, Pointer
from schemas.signature import ChangeSigned
from schemas.text import Text
from schemas.validation import Model

EndReason = Literal["revoked", "suspended", "expired", "withdrawn"]
FOR_GOOD = ("revoked", "withdrawn")
"""Decisions that end also what is suspended. Time does not: what is suspended past its validity does not go on anyway."""


class ContractPublished(Model):
    """A contract version is in force from here on; the newest one decides (DESIGN 3.5)."""

    kind: Literal["contract.published"] = "contract.published"
    resource: Id
    schema_id: int
    """Registry id of the change-event schema."""
    contract: dict[str, Any]
    """The Avro schema as its provider wrote it."""
    signed: ChangeSigned | None = None
    """Evidence, where it protects less than the one before."""
    at: int
    by: str


class GrantOpened(Model):
    """A grant begins, or goes on in another form: an earlier generation of it ends with this event."""

    kind: Literal["grant.opened"] = "grant.opened"
    grant: Grant
    generation: int = Field(ge=1)
    topic: str
    schema_id: int
    """Registry id of the view event's schema."""
    fingerprint: str
    """SHA-256 of the view event's schema; a worker that compiles another one withholds."""
    key_version: int = Field(default=1, ge=1)
    """Version of the master secret its tokens are made under, for as long as this generation lives."""
    approval: Approval | None = None
    """Whose decision it executes. Where signers are known (BUS_SIGNERS), nothing is released without."""
    ordered: Ordered | None = None
    """Of what was suspended: who let it go on. The order names the generation before."""
    at: int
    by: str


class GrantEnded(Model):
    """A grant's generation ends here. Nothing is released under it at or after this epoch. What is suspended has ended too, and
    may be ended once more, for good (`FOR_GOOD`), or suspended by others as well: its epoch stays the first one."""

    kind: Literal["grant.ended"] = "grant.ended"
    grant: Id
    generation: int
    reason: EndReason
    destroy_by: dt.date | None = None
    """The last day by which the subscriber destroys what it received and confirms it (Art. 27)."""
    ordered: Ordered | None = None
    """Whose order it was; None where no signers are known, and of what time or a machine ends."""
    at: int
    by: str


class SuspensionLifted(Model):
    """Somebody takes back a suspension, which goes on because others suspended the grant as well."""

    kind: Literal["suspension.lifted"] = "suspension.lifted"
    grant: Id
    generation: int
    ordered: Ordered
    at: int
    by: str


class GrantFenced(Model):
    """Evidence: the offset in each partition of the grant's topic at which access ended."""

    kind: Literal["grant.fenced"] = "grant.fenced"
    grant: Id
    generation: int
    topic: str
    offsets: dict[int, int]
    at: int


class RulePublished(Model):
    """A combination rule holds from here on; under one id the newest one does."""

    kind: Literal["rule.published"] = "rule.published"
    rule: CombinationRule
    at: int
    by: str


class RuleWithdrawn(Model):
    """A combination rule holds no longer."""

    kind: Literal["rule.withdrawn"] = "rule.withdrawn"
    rule: Id
    at: int
    by: str


class KeysAnnounced(Model):
    """A version of the master key is this secret and no other, for everybody who reads the log. The first announcement of a
    version fixes secret and suite; a later one may only move its last day.
    """

    kind: Literal["keys.announced"] = "keys.announced"
    version: int = Field(ge=1)
    suite: Suite
    fingerprint: str
    """`MasterSecret.fingerprint`."""
    until: dt.date | None = None
    at: int
    by: str


class RetryOrdered(Model):
    """Records of a resource that became dead letters are judged once more, each by the owner of its partition: once, under the
    policy of that moment, and only if no later record of its key stands there. It changes nothing of what is in force."""

    kind: Literal["letters.retry"] = "letters.retry"
    resource: Id
    letters: tuple[Pointer, ...] = Field(min_length=1, max_length=MOST)
    ordered: Ordered | None = None
    """Whose order it is; None where no signers are known."""
    at: int
    by: str


Event = (
    ContractPublished
    | GrantOpened
    | GrantEnded
    | SuspensionLifted
    | GrantFenced
    | RulePublished
    | RuleWithdrawn
    | KeysAnnounced
    | RetryOrdered
)
PolicyEvent = Annotated[Event, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Event] = TypeAdapter(PolicyEvent)


def encode(event: Event) -> bytes:
    """The event as it is written to the log."""
    return event.model_dump_json(by_alias=True).encode()


def decode(value: bytes | None, offset: int) -> Event:
    """The event at `offset`. PermanentError if it is none: the reader stops, because guessing would release."""
    try:
        return _ADAPTER.validate_json(value or b"")
    except ValidationError as error:
        raise PermanentError(
            Text(
                f"the control log holds an entry this version does not understand ({error.error_count()} faults).",
                f"控制日志含有本版本无法识别的条目({error.error_count()} 处)。",
            ),
            where=f"bus.grants@{offset}",
            hint=Text("Upgrade this process; the data path stays closed.", "请升级本进程; 数据通路保持关闭。"),
        ) from error
