"""Cases written by hand: what the log of acts would have made of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from infra.control.applications.case import Case, Decision, Item, Status, Step
from infra.control.deadlines.due import Due, due_in
from infra.control.deadlines.rules import STATUTE, Rules
from infra.control.deadlines.working_days import StateCouncil
from schemas.act import Asked
from schemas.application import parse_application
from schemas.clock import SHANGHAI
from schemas.grant import parse_grant

CALENDAR = StateCouncil()


def ms(text: str) -> int:
    """Milliseconds of a day at 10:00, or of a time, in Asia/Shanghai."""
    at = dt.datetime.fromisoformat(text if "T" in text else f"{text}T10:00")
    return int(at.replace(tzinfo=SHANGHAI).timestamp() * 1000)


def step(on: str, deed: str, **said: Any) -> Step:
    return Step(0, ms(on), deed, "li", "shuiwu", **said)


def item(
    grant: str, *, provider: str = "scjg", unconditional: bool = False, until: str = "2030-12-31", **decided: Any
) -> Item:
    """One grant; `provider_said`, `subscriber_said`: (approved, day)."""
    document = {
        "kind": "Grant",
        "id": grant,
        "subscriber": "shuiwu",
        "resource": f"{provider}.r",
        "purpose": "test",
        "basis": "test",
        "fields": {"uscc": "pass"},
        "valid": {"from": "2024-01-01", "until": until},
    }
    decisions = {
        side: Decision(approved, "wang", ms(on))
        for side in ("provider", "subscriber")
        if (said := decided.get(f"{side}_said"))
        for approved, on in [said]
    }
    return Item(Asked(grant=parse_grant(document), view="v", provider=provider), unconditional, decisions)  # type: ignore[arg-type]


def case(*history: Step, items: tuple[Item, ...], status: Status = "submitted", name: str = "shuiwu.1") -> Case:
    document = {
        "kind": "Application",
        "id": name,
        "title": "test",
        "subscribers": ["shuiwu"],
        "items": [{"resources": ["scjg.r"]}],
        "purpose": "test",
        "basis": "test",
        "scenario": "test",
        "scope": "test",
        "valid": {"from": "2024-01-01", "until": "2030-12-31"},
    }
    by_grant = {i.asked.grant.id: i for i in items}
    return Case(parse_application(document), "li", "shuiwu", status, by_grant, history)


def due(found: Case, now: str, rules: Rules = STATUTE, opened: Mapping[str, int] | None = None) -> list[Due]:
    return list(due_in(found, rules, CALENDAR, ms(now), opened).due)
