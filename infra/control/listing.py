"""What is in force, read and reported."""

from __future__ import annotations

import time
from collections.abc import Mapping

from infra.control.facts import GrantFacts
from infra.control.histories import History, histories
from infra.runtime.approvals import doubt
from infra.runtime.kafka import admin
from infra.runtime.policy_log import PolicyReader
from infra.runtime.settings import Settings
from infra.runtime.signers import Signers, signers_of
from schemas.clock import start_of_day_ms
from schemas.policy_state import GrantInForce, PolicyState
from schemas.text import Text
from stream_apps.policy.in_force import Suspension, view_in_force


def state(settings: Settings) -> PolicyState:
    """The control log's state, read to its end."""
    with PolicyReader(settings) as reader:
        return reader.read_to_end()


def list_grants(settings: Settings, *, ended: bool = False, now_ms: int | None = None) -> list[GrantFacts]:
    """The active grants, by id; with `ended` also those that are over, and earlier generations."""
    now = int(time.time() * 1000) if now_ms is None else now_ms
    found = state(settings)
    every = [*found.ended, *found.grants.values()] if ended else [g for g in found.grants.values() if g.ended is None]
    signers = signers_of(settings)
    behind = histories(admin(settings), [g for g in every if g.ended is None])
    return [_facts(g, found, now, signers, behind) for g in sorted(every, key=lambda g: (g.grant.id, g.generation))]


def _facts(
    g: GrantInForce, found: PolicyState, now: int, signers: Signers, behind: Mapping[str, History]
) -> GrantFacts:
    waiting = start_of_day_ms(g.grant.valid.from_) > now
    withheld = _withheld(g, found, signers)
    return GrantFacts(
        grant=g.grant.id,
        generation=g.generation,
        version=g.grant.version,
        subscriber=g.grant.subscriber,
        resource=g.grant.resource,
        state="ended" if g.ended is not None else "withheld" if withheld else "waiting" if waiting else "active",
        valid_from=g.grant.valid.from_.isoformat(),
        valid_until=g.grant.valid.until.isoformat(),
        topic=g.topic,
        opened_at=g.opened_at,
        ended_at=g.ended_at,
        end_reason=g.end_reason,
        fence=g.fence,
        withheld=withheld,
        destroy_by=None if g.destroy_by is None else g.destroy_by.isoformat(),
        history=behind.get(g.grant.id) if g.ended is None else None,
        starts=dict.fromkeys(range(g.contract.resource.partitions), 0) if g.contract is not None else {},
    )


def _withheld(g: GrantInForce, found: PolicyState, signers: Signers) -> Text | None:
    """Why the exchange releases nothing under a grant that has not ended, as far as contract, grant and
    the signers known here tell."""
    if g.ended is not None:
        return None
    known = found.contracts.get(g.grant.resource)
    view = view_in_force(known.contract if known else None, g)
    if known is None or isinstance(view, Suspension):
        return view.why if isinstance(view, Suspension) else None
    unproven = doubt(g, known.contract, signers)
    return None if unproven is None else unproven.why
