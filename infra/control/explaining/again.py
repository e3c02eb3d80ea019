"""A stretch of a source topic judged again under one grant, as the exchange judged it. Nothing is written.

What the exchange knew besides: of a few keys that a subscriber might be behind (then an update is released though nothing
changed). That is not in the evidence, so such a record is found by what stands in the grant's topic.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from confluent_kafka import Message

from infra.runtime.registry import Registry
from schemas.codec import ChangeDecoder, codec_for
from schemas.errors import PermanentError
from schemas.ids import source_topic, subject
from schemas.key_ring import KeyRing
from schemas.policy_state import ContractInForce, GrantInForce, PolicyState
from schemas.text import Text
from stream_apps.policy import Outcome, Suspension, View, ViewKeys, derive_keys, evaluate, view_in_force


@dataclass(frozen=True, slots=True)
class Known:
    """A grant's view at an epoch, and whether its keys are those the exchange used (else made up: no token is right)."""

    grant: GrantInForce
    contract: ContractInForce
    view: View
    keys: ViewKeys
    own_keys: bool


def known(state: PolicyState, grant: GrantInForce, ring: KeyRing | None) -> Known | Suspension:
    """A grant's view in a state, or why there is none."""
    entry = state.contracts.get(grant.grant.resource)
    view = view_in_force(entry.contract if entry else None, grant)
    if isinstance(view, Suspension) or entry is None:
        assert isinstance(view, Suspension)
        return view
    bounded = None if ring is None else ring.bounded(state.keys)
    version = grant.key_version if view.keyed or bounded is None else bounded.current
    if bounded is not None and version in bounded.secrets:
        keys = derive_keys(bounded, grant.grant.subscriber, grant.grant.id, version)
        return Known(grant, entry, view, keys, True)
    return Known(grant, entry, view, ViewKeys(secrets.token_bytes(32), grant.grant.id), False)


@dataclass(frozen=True, slots=True)
class Made:
    """An event that a record gives: its Kafka key, operation and time of release (milliseconds since 1970 UTC)."""

    offset: int
    key: bytes
    op: str
    released_at: int


@dataclass(frozen=True, slots=True)
class Verdicts:
    """By source offset: what became of each record, the reason where it failed, and all events in the order of release."""

    outcome: dict[int, str]
    reason: dict[int, str]
    made: Sequence[Made]


def judge_again(about: Known, registry: Registry, messages: Sequence[Message], at_ms: int, history: bool) -> Verdicts:
    """The records of one stretch under a grant. TransientError if the registry is needed and out of reach."""
    resource = about.grant.grant.resource
    decoder = ChangeDecoder(about.contract.contract, about.contract.schema_id, _resolver(registry, resource))
    filled = [m for m in messages if m.value() is not None]
    outcome = {_at(m): "tombstone" for m in messages if m.value() is None}
    decoded = decoder.decode([m.value() or b"" for m in filled])
    reason = {_at(filled[b.position]): b.reason.value for b in decoded.bad}
    outcome |= dict.fromkeys(reason, "failed")
    places = [_at(filled[int(i)]) for i in decoded.rows]
    behind = np.zeros(len(places), np.bool_) if history else None
    released = evaluate(about.view, decoded.batch, keys=about.keys, at_ms=at_ms, known=behind)
    outcome |= {place: Outcome(int(o)).word for place, o in zip(places, released.outcome, strict=True)}
    reason |= {places[row]: why.value for row, why in released.failed}
    events: Any = released.events
    columns = (released.kafka_keys.to_pylist(), events.column("op").to_pylist(), _times(events))
    made = [
        Made(places[int(s)], key, op, at)
        for s, key, op, at in zip(released.source, *columns, strict=True)
    ]  # fmt: skip
    return Verdicts(outcome, reason, made)


def release_times(about: Known, values: Sequence[bytes]) -> list[int]:
    """When each event of the grant's topic says it was released."""
    decoded = codec_for(about.view.schema, about.grant.schema_id).decode(list(values))
    return [] if decoded.bad else _times(decoded.batch)


def _times(batch: Any) -> list[int]:
    found: list[int] = batch.column("released_at").cast("int64").to_pylist()
    return found


def _at(message: Message) -> int:
    offset = message.offset()
    assert offset is not None
    return offset


def _resolver(registry: Registry, resource: str) -> Any:
    def resolve(schema_id: int) -> dict[str, Any]:
        if subject(source_topic(resource)) not in registry.subjects_of(schema_id):
            raise PermanentError(Text("a schema id of another subject.", "模式编号属于其他主题。"))
        return registry.schema(schema_id)

    return resolve
