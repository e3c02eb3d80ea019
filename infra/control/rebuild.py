"""Grants that an outage has cost their track are made anew: the very same document, approval and key version, as the next
generation with a topic of its own, which begins with a snapshot as every topic does.

The exchange withholds such a grant by itself and says so in the mark of the partition (`stream_apps/exchange/outage.py`). The
old topic stays as it is until its subscriber has gone on to the new one, as with every superseded generation.
"""

from __future__ import annotations

import time
from contextlib import closing

from infra.control import topics
from infra.control.facts import GrantApplied
from infra.control.fences import Ending, fence_all
from infra.control.histories import lost_track
from infra.control.purge import unread
from infra.runtime.kafka import admin
from infra.runtime.policy_log import ControlLog
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from infra.security.follow import follow
from schemas.ids import grant_topic, subject
from schemas.policy_log import GrantOpened
from schemas.policy_state import GrantInForce, PolicyState
from stream_apps.policy.in_force import Suspension, view_in_force
from stream_apps.policy.view import View

_AT_ONCE = 100


def rebuild(settings: Settings, *, now_ms: int, by: str, seen: PolicyState) -> tuple[GrantApplied, ...]:
    """Make grants anew that have lost track, a hundred at most; call it again for more. What gives no view now stays withheld.

    seen   the control log as the caller has just read it: where nothing is lost no turn at the log is taken
    Raises Overtaken if another command was faster, TransientError if something is out of reach; both may be run again. Where
    it is interrupted after the log was written, `complete_fences` does the rest.
    """
    client, started = admin(settings), time.monotonic()
    lost = lost_track(client, _active(seen))
    if not lost:
        return ()
    existing = topics.partition_counts(client)
    with ControlLog(settings) as log:
        still = [g for g in _active(log.state) if (g.grant.id, g.generation) in lost]
        views = {g.grant.id: view for g in still if (view := _view(log.state, g)) is not None}
        old = [g for g in still if g.grant.id in views][:_AT_ONCE]
        if not old:
            return ()
        new = _opened(settings, old, views, by, now_ms)
        wanted = [
            topics.of_grant(n.grant.id, n.generation, _partitions(log.state, g), settings.tolerated_outage_s * 1000)
            for g, n in zip(old, new, strict=True)
        ]
        topics.create(client, wanted, existing)
        epochs = log.append(new)
        endings = [
            Ending(g, g.grant.resource, _partitions(log.state, g), epoch, unread(g, existing))
            for g, epoch in zip(old, epochs, strict=True)
        ]
        try:
            follow(settings, log.state)
        finally:  # what ended has ended, whether or not the broker lets others in yet
            fence_all(settings, endings, started=started, now_ms=now_ms, client=client, log=log)
    return tuple(
        GrantApplied(n.grant.id, "changed", n.generation, n.topic, n.schema_id, epoch)
        for n, epoch in zip(new, epochs, strict=True)
    )


def _active(state: PolicyState) -> list[GrantInForce]:
    return [g for _, g in sorted(state.grants.items()) if g.ended is None]


def _partitions(state: PolicyState, grant: GrantInForce) -> int:
    return state.contracts[grant.grant.resource].contract.resource.partitions


def _view(state: PolicyState, grant: GrantInForce) -> View | None:
    contract = state.contracts.get(grant.grant.resource)
    view = view_in_force(contract.contract if contract else None, grant)
    return None if isinstance(view, Suspension) else view


def _opened(
    settings: Settings, old: list[GrantInForce], views: dict[str, View], by: str, now_ms: int
) -> list[GrantOpened]:
    with closing(Registry(settings)) as registry:
        out = []
        for g in old:
            topic = grant_topic(g.grant.id, g.generation + 1)
            out.append(
                GrantOpened(
                    grant=g.grant,
                    generation=g.generation + 1,
                    topic=topic,
                    schema_id=registry.register(subject(topic), views[g.grant.id].schema),
                    fingerprint=g.fingerprint,
                    key_version=g.key_version,
                    approval=g.approval,
                    at=now_ms,
                    by=by,
                )
            )
        return out
