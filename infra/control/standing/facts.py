"""Standing approvals as lists show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infra.control.applications.case import Standing
from schemas.clock import end_of_day_ms, start_of_day_ms


@dataclass(frozen=True, slots=True)
class StandingFacts:
    """What one provider signed. `signed_at`, `ended_at`: milliseconds since 1970 UTC."""

    standing: str
    provider: str
    version: int
    title: str
    state: Literal["active", "waiting", "over", "ended"]
    lines: int
    subscribers: int
    resources: int
    valid_from: str
    valid_until: str
    signed_by: str
    signed_at: int
    ended_at: int | None


def standing_facts(signed: Standing, now_ms: int) -> StandingFacts:
    """The facts at a moment (milliseconds since 1970 UTC)."""
    document = signed.document
    return StandingFacts(
        document.id,
        signed.provider,
        document.version,
        document.title,
        _state(signed, now_ms),
        len(signed.items),
        len({i.subscriber for i in signed.items}),
        len({i.resource for i in signed.items}),
        document.valid.from_.isoformat(),
        document.valid.until.isoformat(),
        signed.by,
        signed.at,
        signed.ended_at,
    )


def _state(signed: Standing, now_ms: int) -> Literal["active", "waiting", "over", "ended"]:
    if signed.ended_at is not None:
        return "ended"
    valid = signed.document.valid
    if start_of_day_ms(valid.from_) > now_ms:
        return "waiting"
    return "over" if end_of_day_ms(valid.until) < now_ms else "active"
