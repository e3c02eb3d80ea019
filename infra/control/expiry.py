"""What time does to grants: those whose validity has passed end, and endings that lack their fence get it."""

from __future__ import annotations

import time
from collections.abc import Mapping

from infra.control import topics
from infra.control.facts import Fence
from infra.control.fences import Ending, fence_all
from infra.control.listing import state
from infra.control.purge import unread
from infra.control.revoke import destroy_by
from infra.runtime.kafka import admin
from infra.runtime.policy_log import ControlLog
from infra.runtime.settings import Settings
from infra.runtime.turn import Overtaken
from schemas.clock import end_of_day_ms
from schemas.ids import source_topic
from schemas.policy_log import GrantEnded
from schemas.policy_state import GrantInForce, PolicyState

_ATTEMPTS = 5


def expired(found: PolicyState, now_ms: int) -> list[GrantInForce]:
    """Grants that have not ended although their last day in Asia/Shanghai has."""
    return [g for g in found.grants.values() if g.ended is None and end_of_day_ms(g.grant.valid.until) < now_ms]


def end_expired(
    settings: Settings, *, now_ms: int, by: str = "bus", seen: PolicyState | None = None
) -> tuple[Fence, ...]:
    """End every grant whose time is over, all in one append, and return their fences.

    seen   the control log as the caller has just read it: without an expired grant in it, no turn at the log is taken, so
           that nobody else's command is disturbed
    What ends is decided from the log as it is within the turn: a grant that was renewed meanwhile goes on.
    Raises TransientError if a worker neither answers nor can be shut out (the grants have ended; `complete_fences` then), or
    if others keep changing the log.
    """
    if not expired(state(settings) if seen is None else seen, now_ms):
        return ()
    started = time.monotonic()
    for attempt in range(1, _ATTEMPTS + 1):
        with ControlLog(settings) as log:
            over = expired(log.state, now_ms)
            events = [
                GrantEnded(
                    grant=g.grant.id,
                    generation=g.generation,
                    reason="expired",
                    destroy_by=destroy_by(settings, "expired", now_ms),
                    at=now_ms,
                    by=by,
                )
                for g in over
            ]
            try:
                log.append(events)
            except Overtaken:
                if attempt == _ATTEMPTS:
                    raise
                continue  # insists, as every end of access does
            client = admin(settings)
            partitions = topics.partition_counts(client)
            endings = [_ending(log.state.grants[g.grant.id], partitions) for g in over]
            return tuple(fence_all(settings, endings, started=started, now_ms=now_ms, client=client, log=log))
    raise AssertionError("unreachable")


def complete_fences(
    settings: Settings, *, now_ms: int, older_than_ms: int = 0, seen: PolicyState | None = None
) -> tuple[Fence, ...]:
    """The fences that interrupted commands left out, of endings at least `older_than_ms` old.

    seen   the control log as the caller has just read it
    Raises TransientError if a worker neither answers nor can be shut out.
    """
    found = state(settings) if seen is None else seen
    open_ = [g for g in ended(found) if g.fence is None and now_ms - (g.ended_at or now_ms) >= older_than_ms]
    if not open_:
        return ()
    client = admin(settings)
    partitions = topics.partition_counts(client)
    endings = [_ending(g, partitions) for g in open_ if source_topic(g.grant.resource) in partitions]
    return tuple(fence_all(settings, endings, started=time.monotonic(), now_ms=now_ms, client=client))


def ended(found: PolicyState) -> list[GrantInForce]:
    """Every generation that is over."""
    return [*found.ended, *(g for g in found.grants.values() if g.ended is not None)]


def _ending(grant: GrantInForce, partitions: Mapping[str, int]) -> Ending:
    assert grant.ended is not None
    resource = grant.grant.resource
    return Ending(grant, resource, partitions.get(source_topic(resource), 0), grant.ended, unread(grant, partitions))
