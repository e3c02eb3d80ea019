"""A suspended grant goes on: the very same document and approval, as the next generation, with a topic of its own.

What happened while it was suspended stays a gap in the old topic; the new one begins with a snapshot as every topic does.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from infra.control import topics
from infra.control.after import After
from infra.control.contracts import Contracts
from infra.control.facts import GrantApplied
from infra.control.keys import announcements
from infra.control.ordering import Giver, giver
from infra.control.who_may import concerned, covers
from infra.runtime.custodian import held_keys
from infra.runtime.kafka import admin
from infra.runtime.policy_log import ControlLog
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from schemas.clock import shanghai_date
from schemas.errors import ConfigError
from schemas.ids import grant_topic, subject
from schemas.order import Capacity
from schemas.policy_log import GrantOpened, SuspensionLifted
from schemas.policy_state import GrantInForce, PolicyState
from schemas.text import Text
from stream_apps.policy.in_force import Suspension, view_in_force
from stream_apps.policy.view import View


@dataclass(frozen=True, slots=True)
class StillSuspended:
    """A grant whose suspension somebody took back, and that others suspended as well: on whose behalf it still is."""

    grant: str
    generation: int
    suspended_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Resumed:
    """A suspended generation, the view it still gives, and the topic of the next."""

    old: GrantInForce
    view: View
    partitions: int

    @property
    def generation(self) -> int:
        return self.old.generation + 1

    @property
    def topic(self) -> str:
        return grant_topic(self.old.grant.id, self.generation)


def resume(
    settings: Settings, grant_ids: Sequence[str], *, by: str = "bus", now_ms: int | None = None
) -> list[GrantApplied | StillSuspended]:
    """Let suspended grants go on, all or none; but what others suspended as well stays so until they let it go on too.

    by   evidence where no signers are known; where they are, it is who BUS_IDENTITY says, and `who_may` decides
    Raises ConfigError for a grant that is not suspended or not theirs to resume who runs this, has expired meanwhile, whose
    contract gives another view now, or that may not stand beside what its subscriber was granted since (nothing was written);
    Overtaken if another command was faster, TransientError if something is out of reach; both may be run again.
    """
    now = int(time.time() * 1000) if now_ms is None else now_ms
    orders = giver(settings, by, now)
    client = admin(settings)
    existing = topics.partition_counts(client)
    ring = held_keys(settings).ring
    wanted = list(dict.fromkeys(grant_ids))
    with ControlLog(settings) as log:
        news = announcements(ring, log.state, orders.by, now)
        every = [_resumable(log.state, name, shanghai_date(now)) for name in wanted]
        sides = orders.entitled("resume", [r.old for r in every], log.state)
        found = [r for r in every if _whole(sides[r.old.grant.id], r.old, log.state)]
        lifted = [_lifted(orders, r.old, sides[r.old.grant.id], now) for r in every if r not in found]
        _beside_others(log.state, found)
        with closing(Registry(settings)) as registry:
            ids = {r.topic: registry.register(subject(r.topic), r.view.schema) for r in found}
        outage_ms = settings.tolerated_outage_s * 1000
        wanted_topics = [topics.of_grant(r.old.grant.id, r.generation, r.partitions, outage_ms) for r in found]
        topics.create(client, wanted_topics, existing)
        opened = [_opened(r, ids[r.topic], ring.current, orders, sides[r.old.grant.id], now) for r in found]
        epochs = log.append([*news, *lifted, *opened])[len(news) + len(lifted) :]
        after = log.state
    went_on = [
        GrantApplied(r.old.grant.id, "changed", r.generation, r.topic, ids[r.topic], epoch)
        for r, epoch in zip(found, epochs, strict=True)
    ]
    return [*went_on, *(_still(after.grants[event.grant]) for event in lifted)]


def _whole(side: Capacity | None, old: GrantInForce, state: PolicyState) -> bool:
    """Whether nothing keeps it suspended once this side's word is taken back. Where nobody is asked, nothing does."""
    return side is None or covers(side, concerned(old, state))


def _lifted(orders: Giver, old: GrantInForce, side: Capacity | None, now: int) -> SuspensionLifted:
    order = orders.ordered(old, "lifted", side, now)
    assert order is not None  # where nobody is asked, everything goes on at once
    return SuspensionLifted(grant=old.grant.id, generation=old.generation, ordered=order, at=now, by=orders.by)


def _still(grant: GrantInForce) -> StillSuspended:
    return StillSuspended(grant.grant.id, grant.generation, tuple(sorted(one or "" for one in grant.suspended_by)))


def _opened(
    resumed: _Resumed, schema_id: int, key_version: int, orders: Giver, side: Capacity | None, now: int
) -> GrantOpened:
    return GrantOpened(
        grant=resumed.old.grant,
        generation=resumed.generation,
        topic=resumed.topic,
        schema_id=schema_id,
        fingerprint=resumed.old.fingerprint,
        key_version=key_version,
        approval=resumed.old.approval,
        ordered=orders.ordered(resumed.old, "resumed", side, now),
        at=now,
        by=orders.by,
    )


def _resumable(state: PolicyState, name: str, today: dt.date) -> _Resumed:
    old = state.grants.get(name)
    if old is None or old.ended is None or old.end_reason != "suspended":
        raise _refused(
            name,
            Text("it is not suspended.", "该授权并非暂停状态。"),
            Text("'bus grants --all' shows how it stands.", "可用 'bus grants --all' 查看状态。"),
        )
    if old.fence is None:
        raise _refused(
            name,
            Text("its suspension is not complete: its fence is missing.", "其暂停尚未完成: 缺少止点。"),
            Text(f"Run: bus suspend {name}", f"请执行: bus suspend {name}"),
        )
    if old.grant.valid.until < today:
        raise _refused(
            name,
            Text(f"its validity ended on {old.grant.valid.until}.", f"其有效期已于 {old.grant.valid.until} 届满。"),
            Text("Apply for it anew.", "请重新申请。"),
        )
    contract = state.contracts.get(old.grant.resource)
    view = view_in_force(contract.contract if contract else None, old)
    if contract is None or isinstance(view, Suspension):
        why = view.why if isinstance(view, Suspension) else Text("", "")
        raise _refused(name, why, Text("What it would release now was not approved.", "现放行内容未经审批。"))
    return _Resumed(old, view, contract.contract.resource.partitions)


def _beside_others(state: PolicyState, found: Sequence[_Resumed]) -> None:
    """As `bus apply` judges it: what a subscriber would learn from all its grants together."""
    names = frozenset(r.old.grant.id for r in found)
    After(
        Contracts(state.contracts),
        {name: rule for name, rule in state.rules.items() if not rule.withdrawn},
        [g for g in state.grants.values() if g.ended is None],
        [(f"bus resume {r.old.grant.id}", r.old.grant) for r in found],
        names,
        {},
        {},
    ).check()


def _refused(name: str, why: Text, hint: Text) -> ConfigError:
    return ConfigError(Text(f"grant '{name}' does not go on: {why.en}", f"授权 '{name}' 不能恢复: {why.zh}"), hint=hint)
