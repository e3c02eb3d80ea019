"""A grant ends: at once in the control log, provably a moment later in the data path."""

from __future__ import annotations

import time

from confluent_kafka.admin import AdminClient

from infra.control.facts import Fence
from infra.control.fences import Ending, fence_all
from infra.control.topics import partition_counts
from infra.control.workers import prepare
from infra.runtime.kafka import admin
from infra.runtime.policy_log import ControlLog, Overtaken
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.ids import source_topic
from schemas.policy_log import EndReason, GrantEnded, GrantInForce, PolicyState
from schemas.text import Text

_ATTEMPTS = 5


def revoke(
    settings: Settings, grant_id: str, *, reason: EndReason = "revoked", by: str = "bus", now_ms: int | None = None
) -> Fence:
    """End a grant, wait until no worker can release under it any more, and return where that was.

    A grant that has ended but whose fence was never written (an earlier command was interrupted) gets its fence.
    Raises ConfigError for a grant that does not exist or has ended, TransientError if a worker neither answers nor can be
    shut out: the grant has ended then, and the same command again completes the fence.
    """
    now = int(time.time() * 1000) if now_ms is None else now_ms
    started = time.monotonic()
    client = admin(settings)
    prepare(client)
    for attempt in range(1, _ATTEMPTS + 1):
        with ControlLog(settings) as log:
            try:
                ended = _end(log, grant_id, reason, by, now)
            except Overtaken:
                if attempt == _ATTEMPTS:
                    raise
                continue  # insists: stopping takes precedence over whatever other command is running
            ending = _ending(client, ended)
            return fence_all(settings, [ending], started=started, now_ms=now, client=client, log=log)[0]
    raise AssertionError("unreachable")


def _end(log: ControlLog, grant_id: str, reason: EndReason, by: str, now: int) -> GrantInForce:
    current = _to_end(log.state, grant_id)
    if current.ended is None:
        log.append([GrantEnded(grant=grant_id, generation=current.generation, reason=reason, at=now, by=by)])
    return log.state.grants[grant_id]


def _ending(client: AdminClient, grant: GrantInForce) -> Ending:
    resource = grant.grant.resource
    assert grant.ended is not None
    return Ending(grant, resource, partition_counts(client).get(source_topic(resource), 0), grant.ended)


def _to_end(state: PolicyState, grant_id: str) -> GrantInForce:
    current = state.grants.get(grant_id)
    if current is None:
        raise ConfigError(
            Text(f"there is no grant '{grant_id}'.", f"没有授权 '{grant_id}'。"),
            hint=Text("'bus grants' lists them.", "可用 'bus grants' 查看。"),
        )
    if current.ended is not None and current.fence is not None:
        raise ConfigError(
            Text(
                f"grant '{grant_id}' has ended already ({current.end_reason}).",
                f"授权 '{grant_id}' 已终止({current.end_reason})。",
            ),
            hint=Text("'bus grants --all' shows since when.", "可用 'bus grants --all' 查看时间。"),
        )
    return current
