"""Grants whose time is over end, and topics of grants that ended long ago are deleted (DESIGN 4.7)."""

from __future__ import annotations

import time

from infra.control import topics
from infra.control.expiry import complete_fences, end_expired, ended, expired
from infra.control.facts import Reaped
from infra.control.fences import behind
from infra.control.listing import state
from infra.control.workers import Place
from infra.runtime.kafka import admin
from infra.runtime.settings import Settings
from schemas.ids import source_topic
from schemas.policy_state import GrantInForce
from schemas.text import Text

KEEP_S = 7 * 24 * 3600.0
"""How long a topic that was purged stays, so that whoever comes late is told that its grant has ended, not that nothing is there;
and how long what an amended grant's former generation still has can be drained."""


def reap(
    settings: Settings, *, older_than: float = KEEP_S, by: str = "bus", dry_run: bool = False, now_ms: int | None = None
) -> Reaped:
    """End expired grants; delete topics of generations that ended more than `older_than` seconds ago.

    A fence that an interrupted command left out is completed. Only topics whose fence is in the control log, and that every worker has left behind, are deleted: a worker that still
    wrote to one would have its whole transaction refused. What stays is reported with the reason.
    """
    now = int(time.time() * 1000) if now_ms is None else now_ms
    client = admin(settings)
    existing = topics.partition_counts(client)
    over = tuple(g.grant.id for g in expired(state(settings), now))
    if not dry_run:
        over = tuple(fence.grant for fence in end_expired(settings, now_ms=now, by=by))
        complete_fences(settings, now_ms=now)
    doomed: list[str] = []
    kept: dict[str, Text] = {}
    found = state(settings)
    for old in ended(found):
        if old.topic not in existing:
            continue
        reason = _reason_to_keep(old, now, older_than)
        if reason is None:
            source = source_topic(old.grant.resource)
            places = {Place(source, p): old.ended or 0 for p in range(existing.get(source, 0))}
            if places and behind(client, places):  # without a source topic nobody works for it
                reason = Text("a worker has not passed its end yet.", "仍有工作进程未越过其终止点。")
        if reason is None:
            doomed.append(old.topic)
        else:
            kept[old.topic] = reason
    if not dry_run:
        topics.delete(client, doomed)
    return Reaped(tuple(doomed), kept, over)


def _reason_to_keep(old: GrantInForce, now: int, older_than: float) -> Text | None:
    if old.fence is None:
        return Text("its fence is not in the control log yet.", "控制日志中尚无其止点。")
    days = older_than / 86_400
    if now - (old.ended_at or now) < older_than * 1000:
        return Text(f"kept for {days:g} days after its end.", f"终止后保留 {days:g} 天。")
    return None
