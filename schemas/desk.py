"""A department's desk: what the control log says of its own contracts and grants, copied to where only it can read.

With it a department needs neither the control log, which tells of everybody's grants, nor the schema registry, which has
everybody's schemas: a grant stands here with its view's schema, and with the titles of what it releases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from schemas.avro_types import without_null
from schemas.contract import Contract
from schemas.errors import PermanentError
from schemas.policy_log import ContractPublished, GrantEnded, GrantFenced, GrantOpened, PolicyEvent
from schemas.policy_state import GrantInForce, PolicyState
from schemas.text import Text
from schemas.validation import Model


class ViewShown(Model):
    """What a subscriber may know of the view of its grant besides the grant itself."""

    view_schema: dict[str, Any]
    """Avro schema of the view's events."""
    title: str
    """The resource's title in Chinese."""
    titles: dict[str, str]
    """Of the released fields only, by name."""


class Entry(Model):
    """One entry of a desk: the control log's event at offset `epoch` there, and with an opened grant its view."""

    epoch: int
    event: PolicyEvent
    view: ViewShown | None = None


def encode(entry: Entry) -> bytes:
    """The entry as it is written."""
    return entry.model_dump_json(by_alias=True).encode()


def decode(value: bytes | None, where: str) -> Entry:
    """The entry at a place. PermanentError if it is none."""
    try:
        return Entry.model_validate_json(value or b"")
    except ValidationError as error:
        raise PermanentError(
            Text(
                f"the desk holds an entry this version does not understand ({error.error_count()} faults).",
                f"部门专用主题含有本版本无法识别的条目({error.error_count()} 处)。",
            ),
            where=where,
            hint=Text("Upgrade this process.", "请升级本进程。"),
        ) from error


@dataclass(frozen=True, slots=True)
class Desk:
    """What a desk says: a department's contracts and grants as in a `PolicyState`, and its views by topic."""

    policy: PolicyState = field(default_factory=PolicyState)
    views: Mapping[str, ViewShown] = field(default_factory=dict)

    def after(self, entry: Entry) -> Desk:
        """With one entry more. Entries that were there already change nothing."""
        event, views = entry.event, self.views
        if isinstance(event, GrantOpened) and entry.view is not None:
            views = {**views, event.topic: entry.view}
        if isinstance(event, ContractPublished):
            known = self.policy.contracts.get(event.resource)
            if known is not None and known.epoch >= entry.epoch:
                return self
        policy = self.policy.after(entry.epoch, event)
        return Desk(replace(policy, epoch=max(policy.epoch, self.policy.epoch)), views)


def concerned(event: object, state: PolicyState) -> str | None:
    """The one department an event concerns: a contract's provider, a grant's subscriber. None: it is nobody's alone."""
    if isinstance(event, ContractPublished):
        return str(event.contract["resource"]["provider"])
    if isinstance(event, GrantOpened):
        return event.grant.subscriber
    if isinstance(event, (GrantEnded, GrantFenced)):
        known = state.grants.get(event.grant)
        return known.grant.subscriber if known else None
    return None


def shown(view_schema: dict[str, Any], contract: Contract | None) -> ViewShown:
    """A view for a desk: of the contract only the titles of what the view has."""
    names = _released(view_schema)
    fields = contract.fields if contract else ()
    title = contract.resource.title.zh if contract else ""
    return ViewShown(view_schema=view_schema, title=title, titles={f.name: f.doc for f in fields if f.name in names})


def missing(
    state: PolicyState, desk: Desk, department: str
) -> Iterator[tuple[int, ContractPublished | GrantOpened | GrantEnded | GrantFenced]]:
    """What a desk does not say although it is in force, as events with their epochs: all, where the desk is new."""
    for resource, entry in state.contracts.items():
        known = desk.policy.contracts.get(resource)
        if entry.provider == department and (known is None or known.epoch < entry.epoch):
            yield (
                entry.epoch,
                ContractPublished(
                    resource=resource, schema_id=entry.schema_id, contract=entry.contract.source, at=0, by="bus"
                ),
            )
    for grant in state.grants.values():
        if grant.grant.subscriber == department:
            there = desk.policy.grants.get(grant.grant.id)
            yield from _missing_of(grant, there if there and there.generation == grant.generation else None)


def _missing_of(
    grant: GrantInForce, there: GrantInForce | None
) -> Iterator[tuple[int, GrantOpened | GrantEnded | GrantFenced]]:
    """Of the newest generation; earlier ones are over, and a subscriber goes on with the newest."""
    of, generation = grant.grant.id, grant.generation
    if there is None:
        yield (
            grant.opened,
            GrantOpened(
                grant=grant.grant,
                generation=generation,
                topic=grant.topic,
                schema_id=grant.schema_id,
                fingerprint=grant.fingerprint,
                key_version=grant.key_version,
                approval=grant.approval,
                at=grant.opened_at,
                by="bus",
            ),
        )
    if grant.ended is None:
        return
    reason: Any = grant.end_reason  # "superseded" is never a newest generation's
    if there is None or there.ended is None:
        yield grant.ended, GrantEnded(grant=of, generation=generation, reason=reason, at=grant.ended_at or 0, by="bus")
    if grant.fence is not None and (there is None or there.fence is None):
        fenced = GrantFenced(grant=of, generation=generation, topic=grant.topic, offsets=grant.fence, at=0)
        yield grant.ended, fenced


def _released(view_schema: dict[str, Any]) -> set[str]:
    members = {f["name"]: f["type"] for f in view_schema["fields"]}
    row = without_null(members.get("before", members["after"]))
    assert isinstance(row, dict)
    return {f["name"] for f in (*members["key"]["fields"], *row["fields"])}
