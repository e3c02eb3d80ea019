"""What is in force: the fold of the control log up to an epoch.

An event costs the logarithm of what is in force: the maps are persistent ones, and contracts are read when first asked for.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from immutables import Map

from schemas.approval import Approval
from schemas.combination_rule import CombinationRule
from schemas.contract import Contract, parse_contract
from schemas.grant import Grant
from schemas.key_ring import AnnouncedKey
from schemas.order import Capacity, Done, Resumption, held
from schemas.policy_log import (
    FOR_GOOD,
    ContractPublished,
    Event,
    GrantEnded,
    GrantFenced,
    GrantOpened,
    KeysAnnounced,
    RetryOrdered,
    RulePublished,
    RuleWithdrawn,
    SuspensionLifted,
)


@dataclass(frozen=True)
class ContractInForce:
    """The newest contract of a resource and where it came into force. It is kept as text (JSON) and read when first asked for."""

    text: str = field(repr=False)
    schema_id: int
    epoch: int

    @classmethod
    def of(cls, source: dict[str, Any], schema_id: int, epoch: int) -> ContractInForce:
        """The contract that an Avro schema (parsed JSON) holds."""
        return cls(json.dumps(source, ensure_ascii=False, separators=(",", ":")), schema_id, epoch)

    @cached_property
    def contract(self) -> Contract:
        """ConfigError if this version does not understand it: nothing of its resource is released."""
        return parse_contract(json.loads(self.text), f"bus.grants@{self.epoch}")

    @cached_property
    def provider(self) -> str:
        """Whose resource it is, for whoever looks through all of them: does not read the rest."""
        return str(json.loads(self.text)["resource"]["provider"])


@dataclass(frozen=True, slots=True)
class GrantInForce:
    """One generation of a grant: opened at `opened`, ended at `ended` (epochs) if it has ended."""

    grant: Grant
    generation: int
    topic: str
    schema_id: int
    fingerprint: str
    opened: int
    opened_at: int
    key_version: int = 1
    ended: int | None = None
    ended_at: int | None = None
    end_reason: str | None = None
    fence: dict[int, int] | None = None
    destroy_by: dt.date | None = None
    under: ContractInForce | None = field(default=None, repr=False)
    """The resource's contract when it was opened: what its approvers saw."""
    approval: Approval | None = field(default=None, repr=False)
    done: tuple[Done, ...] = field(default=(), repr=False)
    """Who let it go on, where it had been suspended, and every order since, as far as it had an effect."""
    resumption: Resumption | None = field(default=None, repr=False)
    """That it goes on after a suspension; kept when it is renewed under other keys."""

    @property
    def suspended_by(self) -> tuple[Capacity | None, ...]:
        """On whose behalf it is suspended, and nobody has taken that back; empty for what is not suspended."""
        return held(self.done) if self.end_reason == "suspended" else ()

    @property
    def contract(self) -> Contract | None:
        """`under`, read. ConfigError if this version does not understand it."""
        return None if self.under is None else self.under.contract


@dataclass(frozen=True, slots=True)
class PolicyState:
    """Everything in force at `epoch` (offset of the last event folded in; -1: none)."""

    epoch: int = -1
    contracts: Map[str, ContractInForce] = field(default_factory=Map)
    grants: Map[str, GrantInForce] = field(default_factory=Map)
    """Newest generation of each grant, by grant id, ended ones included. In no order."""
    earlier: Map[tuple[str, int], GrantInForce] = field(default_factory=Map)
    """Earlier generations, by grant id and generation."""
    rules: dict[str, CombinationRule] = field(default_factory=dict)
    """Combination rules that hold, by id."""
    keys: dict[int, AnnouncedKey] = field(default_factory=dict)
    """Versions of the master key that have been announced."""
    live: Map[str, Map[str, None]] = field(default_factory=Map)
    """By resource, the ids of the grants on it that have not ended."""
    retries: Map[str, tuple[tuple[int, RetryOrdered], ...]] = field(default_factory=Map)
    """By resource, every order to judge dead letters once more, with its epoch, oldest first."""
    changed: Map[str, int] = field(default_factory=Map)
    """By resource, the newest epoch that concerned it: its contract, or a grant on it that was opened or has ended."""

    @classmethod
    def of(cls, epoch: int, contract: ContractInForce, grants: Iterable[GrantInForce]) -> PolicyState:
        """One resource's contract and active grants, in force at `epoch`."""
        by_id = {g.grant.id: g for g in grants}
        resource, ids = contract.contract.id, Map(dict.fromkeys(by_id))
        return cls(
            epoch,
            Map({resource: contract}),
            Map(by_id),
            live=Map({resource: ids}),
            changed=Map({resource: epoch}),
        )

    @property
    def ended(self) -> tuple[GrantInForce, ...]:
        """Earlier generations, whose topics may still exist, in the order of their opening. Costs as much as there are."""
        return tuple(sorted(self.earlier.values(), key=lambda g: g.opened))

    def active(self, resource: str) -> list[GrantInForce]:
        """Grants on `resource` that have not ended, in the order of their ids. Costs as much as there are of them."""
        return [self.grants[name] for name in sorted(self.live.get(resource, Map()))]

    def generation(self, grant: str, generation: int) -> GrantInForce | None:
        """One generation of a grant, newest or earlier; None if there never was one."""
        newest = self.grants.get(grant)
        if newest is not None and newest.generation == generation:
            return newest
        return self.earlier.get((grant, generation))

    def after(self, offset: int, event: Event) -> PolicyState:
        """The state once `event` at `offset` has been folded in. This state is unchanged."""
        if isinstance(event, ContractPublished):
            entry = ContractInForce.of(event.contract, event.schema_id, offset)
            changed = self.changed.set(event.resource, offset)
            return replace(self, epoch=offset, contracts=self.contracts.set(event.resource, entry), changed=changed)
        if isinstance(event, GrantOpened):
            return self._opened(offset, event)
        if isinstance(event, RulePublished):
            return replace(self, epoch=offset, rules={**self.rules, event.rule.id: event.rule})
        if isinstance(event, RuleWithdrawn):
            return replace(self, epoch=offset, rules={k: r for k, r in self.rules.items() if k != event.rule})
        if isinstance(event, KeysAnnounced):
            return replace(self, epoch=offset, keys=_announced(self.keys, event))
        if isinstance(event, RetryOrdered):
            orders = (*self.retries.get(event.resource, ()), (offset, event))
            return replace(self, epoch=offset, retries=self.retries.set(event.resource, orders))
        return self._told(offset, event)

    def _told(self, offset: int, event: GrantEnded | SuspensionLifted | GrantFenced) -> PolicyState:
        current = self.grants.get(event.grant)
        if current is None or current.generation != event.generation:
            return replace(self, epoch=offset, earlier=_fenced(self.earlier, event))
        if isinstance(event, GrantFenced):
            changed = replace(current, fence=event.offsets)
        elif isinstance(event, SuspensionLifted):
            changed = _lifted(current, event)
        else:
            changed = _over(current, offset, event)
        return self._with(offset, current, changed)

    def _with(self, offset: int, old: GrantInForce | None, new: GrantInForce) -> PolicyState:
        """This state with `new` as the newest generation of its grant, which was `old`: the maps by resource follow."""
        was = old is not None and old.ended is None
        live, changed = self.live, self.changed
        if old is not None and was and (new.ended is not None or new.grant.resource != old.grant.resource):
            left = live[old.grant.resource].delete(old.grant.id)
            live = live.set(old.grant.resource, left) if left else live.delete(old.grant.resource)
            changed = changed.set(old.grant.resource, offset)
        if new.ended is None:
            there = live.get(new.grant.resource, Map())
            live = live.set(new.grant.resource, there.set(new.grant.id, None))
        if new.opened == offset:
            changed = changed.set(new.grant.resource, offset)
        return replace(self, epoch=offset, grants=self.grants.set(new.grant.id, new), live=live, changed=changed)

    def _opened(self, offset: int, event: GrantOpened) -> PolicyState:
        under = self.contracts.get(event.grant.resource)  # the entry itself: it is read once for all grants
        new = GrantInForce(
            event.grant,
            event.generation,
            event.topic,
            event.schema_id,
            event.fingerprint,
            offset,
            event.at,
            event.key_version,
            under=under,
            approval=event.approval,
        )
        old, earlier = self.grants.get(event.grant.id), self.earlier
        if old is not None:
            if event.generation <= old.generation or _resurrects(old, event):
                return replace(self, epoch=offset)  # replayed, raced, or an old document: the first one stands
            new = _going_on(old, new, event)
            over = old
            if old.ended is None:
                over = replace(old, ended=offset, ended_at=event.at, end_reason="superseded")
            earlier = earlier.set((old.grant.id, old.generation), over)
        return replace(self._with(offset, old, new), earlier=earlier)


def _going_on(old: GrantInForce, new: GrantInForce, event: GrantOpened) -> GrantInForce:
    """The new generation, with what is known of the suspension it follows, if it is of the very same document."""
    if old.grant != new.grant or old.approval != new.approval:
        return new
    if old.end_reason != "suspended":
        return replace(new, resumption=old.resumption)
    order = Done("resumed", event.at, event.by, event.ordered)
    return replace(new, done=(order,), resumption=Resumption(old.generation, old.done, order))


def _over(current: GrantInForce, offset: int, event: GrantEnded) -> GrantInForce:
    done = Done(event.reason, event.at, event.by, event.ordered)
    if event.reason == "suspended" and done.capacity is not None and current.end_reason == "suspended":
        return current if done.capacity in current.suspended_by else replace(current, done=(*current.done, done))
    if current.ended is None:
        current = replace(current, ended=offset, ended_at=event.at)
    elif current.end_reason != "suspended" or event.reason not in FOR_GOOD:
        return current  # the first end stands
    return replace(current, end_reason=event.reason, destroy_by=event.destroy_by, done=(*current.done, done))


def _lifted(current: GrantInForce, event: SuspensionLifted) -> GrantInForce:
    if current.end_reason != "suspended":
        return current
    return replace(current, done=(*current.done, Done("lifted", event.at, event.by, event.ordered)))


def _resurrects(old: GrantInForce, event: GrantOpened) -> bool:
    """Whether an opening brings back what is over, or puts an older document in the place of a newer one.

    What has ended comes back as a higher version only; what is suspended also as the very same document. An approval is of
    one document, so that no two of one version follow each other where grants carry approvals.
    """
    version, before = event.grant.version, old.grant.version
    same = event.grant == old.grant
    if old.ended is not None:
        resumed = old.end_reason == "suspended" and same
        return version <= before and not resumed
    return version < before or (version == before and not same and event.approval is not None)


def _announced(keys: dict[int, AnnouncedKey], event: KeysAnnounced) -> dict[int, AnnouncedKey]:
    said = AnnouncedKey(event.version, event.suite, event.fingerprint, event.until)
    known = keys.get(event.version, said)
    return {**keys, event.version: said if known == replace(said, until=known.until) else known}


def _fenced(
    earlier: Map[tuple[str, int], GrantInForce], event: GrantEnded | SuspensionLifted | GrantFenced
) -> Map[tuple[str, int], GrantInForce]:
    of = (event.grant, event.generation)
    if not isinstance(event, GrantFenced) or of not in earlier:
        return earlier
    return earlier.set(of, replace(earlier[of], fence=event.offsets))
