"""Grants end: at once in the control log, provably a moment later in the data path. One or thousands, in one append."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from infra.control.facts import Fence
from infra.control.fences import Ending, fence_all
from infra.control.ordering import Giver, giver
from infra.control.purge import unread
from infra.control.topics import partition_counts
from infra.control.who_may import Verb
from infra.control.workers import prepare
from infra.runtime.kafka import admin
from infra.runtime.policy_log import ControlLog
from infra.runtime.settings import Settings
from infra.runtime.turn import Overtaken
from schemas.clock import shanghai_date
from schemas.errors import ConfigError
from schemas.ids import source_topic
from schemas.order import Capacity
from schemas.policy_log import FOR_GOOD, EndReason, GrantEnded
from schemas.policy_state import GrantInForce, PolicyState
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
    suspended ends for good, where it was suspended; what another side has suspended is suspended by both.
    by   evidence where no signers are known; where they are, it is who BUS_IDENTITY says, and `who_may` decides
    Raises ConfigError for a grant that does not exist or has ended, or is not theirs to end who runs this (nothing was
    written), TransientError if a worker neither
    answers nor can be shut out: the grants have ended then, and the same command again completes the fences.
    """
    wanted = list(dict.fromkeys(grant_ids))
    return end_chosen(settings, lambda state: [to_end(state, g) for g in wanted], reason, by, now_ms)


def end_chosen(
    settings: Settings, choose: Choice, reason: EndReason, by: str, now_ms: int | None, verb: Verb | None = None
) -> list[Fence]:
    """End whatever `choose` says. What `revoke_all` says holds; nothing chosen: nothing written.

    verb   what is done, as `who_may` names it; by default what the reason amounts to
    """
    now = int(time.time() * 1000) if now_ms is None else now_ms
    verb = verb or ("suspend" if reason == "suspended" else "revoke")
    orders = giver(settings, by, now)
    started = time.monotonic()
    client = admin(settings)
    prepare(client)
    for attempt in range(1, _ATTEMPTS + 1):
        with ControlLog(settings) as log:
            chosen = choose(log.state)
            try:
                log.append(_events(orders, verb, chosen, log.state, reason, destroy_by(settings, reason, now), now))
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


def to_end(state: PolicyState, grant_id: str) -> GrantInForce:
    """The grant. ConfigError if there is none."""
    current = state.grants.get(grant_id)
    if current is None:
        raise ConfigError(
            Text(f"there is no grant '{grant_id}'.", f"没有授权 '{grant_id}'。"),
            hint=Text("'bus grants' lists them.", "可用 'bus grants' 查看。"),
        )
    return current


def _events(
    orders: Giver,
    verb: Verb,
    chosen: Sequence[GrantInForce],
    state: PolicyState,
    reason: EndReason,
    day: dt.date | None,
    now: int,
) -> list[GrantEnded]:
    """The ends that are still to be written. ConfigError if somebody may not order one, or nothing is left of one to do."""
    going = [g for g in chosen if g.ended is None or g.end_reason == "suspended"]
    sides = orders.entitled(verb, going, state)
    events = []
    for g in chosen:
        side = sides.get(g.grant.id)
        if _news(g, reason, side):
            order = orders.ordered(g, reason, side, now)
            events.append(
                GrantEnded(
                    grant=g.grant.id,
                    generation=g.generation,
                    reason=reason,
                    destroy_by=day,
                    ordered=order,
                    at=now,
                    by=orders.by,
                )
            )
        elif g.fence is not None:
            raise _over(g)
    return events


def _news(grant: GrantInForce, reason: EndReason, side: Capacity | None) -> bool:
    """Whether its end is still to be written: it goes on, or is suspended and is revoked, or suspended for others as well."""
    if grant.ended is None:
        return True
    if grant.end_reason != "suspended":
        return False
    return reason in FOR_GOOD or (reason == "suspended" and side is not None and side not in grant.suspended_by)


def _over(grant: GrantInForce) -> ConfigError:
    name = grant.grant.id
    return ConfigError(
        Text(f"grant '{name}' has ended already ({grant.end_reason}).", f"授权 '{name}' 已终止({grant.end_reason})。"),
        hint=Text("'bus grants --all' shows since when.", "可用 'bus grants --all' 查看时间。"),
    )


def _ending(counts: Mapping[str, int], grant: GrantInForce) -> Ending:
    resource = grant.grant.resource
    assert grant.ended is not None
    return Ending(grant, resource, counts.get(source_topic(resource), 0), grant.ended, unread(grant, counts))


def _told(fence: Fence, state: PolicyState) -> Fence:
    day = state.grants[fence.grant].destroy_by
    return replace(fence, destroy_by=None if day is None else day.isoformat())
