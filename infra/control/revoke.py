"""Grants end: at once in the control log, provably a moment later in the data path. One or thousands, in one append."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from infra.control.facts import Fence
from infra.control.fences import Ending, fence_all
from infra.control.purge import unread
from infra.control.topics import partition_counts
from infra.control.workers import prepare
from infra.runtime.kafka import admin
from infra.runtime.policy_log import ControlLog, Overtaken
from infra.runtime.settings import Settings
from schemas.clock import shanghai_date
from schemas.errors import ConfigError
from schemas.ids import source_topic
from schemas.policy_log import FOR_GOOD, EndReason, GrantEnded, GrantInForce, PolicyState
from schemas.text import Text

_ATTEMPTS = 5
Choice = Callable[[PolicyState], Sequence[GrantInForce]]
"""Which grants end, decided from the log as it is within the command's turn."""


def revoke(
    settings: Settings, grant_id: str, *, reason: EndReason = "revoked", by: str = "bus", now_ms: int | None = None
) -> Fence:
    """End one grant. What `revoke_all` says holds."""
    return revoke_all(settings, [grant_id], reason=reason, by=by, now_ms=now_ms)[0]


def revoke_all(
    settings: Settings,
    grant_ids: Sequence[str],
    *,
    reason: EndReason = "revoked",
    by: str = "bus",
    now_ms: int | None = None,
) -> list[Fence]:
    """End grants, all or none, wait until no worker can release under any of them, and return where that was.

    A grant that has ended but whose fence was never written (an earlier command was interrupted) gets its fence; one that is
    suspended ends for good, where it was suspended.
    Raises ConfigError for a grant that does not exist or has ended (nothing was written), TransientError if a worker neither
    answers nor can be shut out: the grants have ended then, and the same command again completes the fences.
    """
    wanted = list(dict.fromkeys(grant_ids))
    return end_chosen(settings, lambda state: [to_end(state, g, reason) for g in wanted], reason, by, now_ms)


def end_chosen(settings: Settings, choose: Choice, reason: EndReason, by: str, now_ms: int | None) -> list[Fence]:
    """End whatever `choose` says. What `revoke_all` says holds; nothing chosen: nothing written."""
    now = int(time.time() * 1000) if now_ms is None else now_ms
    started = time.monotonic()
    client = admin(settings)
    prepare(client)
    for attempt in range(1, _ATTEMPTS + 1):
        with ControlLog(settings) as log:
            chosen = choose(log.state)
            day = destroy_by(settings, reason, now)
            try:
                log.append([_event(g, reason, day, now, by) for g in chosen if _news(g, reason)])
            except Overtaken:
                if attempt == _ATTEMPTS:
                    raise
                continue  # insists: stopping takes precedence over whatever other command is running
            counts = partition_counts(client)
            endings = [_ending(counts, log.state.grants[g.grant.id]) for g in chosen]
            fences = fence_all(settings, endings, started=started, now_ms=now, client=client, log=log)
            return [_told(f, log.state) for f in fences]
    raise AssertionError("unreachable")


def destroy_by(settings: Settings, reason: EndReason, now_ms: int) -> dt.date | None:
    """The last day by which what was received under a grant that ends now is destroyed; None for what is only suspended."""
    if reason == "suspended":
        return None
    return shanghai_date(now_ms) + dt.timedelta(days=settings.destroy_within_days)


def to_end(state: PolicyState, grant_id: str, reason: EndReason) -> GrantInForce:
    """The grant, if it can end so. ConfigError if there is none, or it has ended for good (or suspended, is suspended)."""
    current = state.grants.get(grant_id)
    if current is None:
        raise ConfigError(
            Text(f"there is no grant '{grant_id}'.", f"没有授权 '{grant_id}'。"),
            hint=Text("'bus grants' lists them.", "可用 'bus grants' 查看。"),
        )
    if current.ended is not None and current.fence is not None and not _news(current, reason):
        raise ConfigError(
            Text(
                f"grant '{grant_id}' has ended already ({current.end_reason}).",
                f"授权 '{grant_id}' 已终止({current.end_reason})。",
            ),
            hint=Text("'bus grants --all' shows since when.", "可用 'bus grants --all' 查看时间。"),
        )
    return current


def _news(grant: GrantInForce, reason: EndReason) -> bool:
    """Whether its end is still to be written: it goes on, or is suspended and is revoked."""
    return grant.ended is None or (grant.end_reason == "suspended" and reason in FOR_GOOD)


def _event(grant: GrantInForce, reason: EndReason, day: dt.date | None, now: int, by: str) -> GrantEnded:
    return GrantEnded(grant=grant.grant.id, generation=grant.generation, reason=reason, destroy_by=day, at=now, by=by)


def _ending(counts: Mapping[str, int], grant: GrantInForce) -> Ending:
    resource = grant.grant.resource
    assert grant.ended is not None
    return Ending(grant, resource, counts.get(source_topic(resource), 0), grant.ended, unread(grant, counts))


def _told(fence: Fence, state: PolicyState) -> Fence:
    day = state.grants[fence.grant].destroy_by
    return replace(fence, destroy_by=None if day is None else day.isoformat())
