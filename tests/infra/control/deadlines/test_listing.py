"""All applications together: late ones first, and one that cannot be judged takes no other with it."""

from __future__ import annotations

import pytest

from infra.control.applications.case import Cases
from infra.control.deadlines.listing import check_calendar, judge_all
from infra.control.deadlines.rules import STATUTE
from infra.control.deadlines.working_days import MissingYear
from schemas.approval import Approval, Countersign
from schemas.policy_log import GrantEnded, GrantOpened
from schemas.policy_state import PolicyState
from schemas.signature import Signature
from tests.infra.control.deadlines.cases import CALENDAR, case, item, ms, step


def all_of(*found: object) -> Cases:
    return Cases({c.application.id: c for c in found})  # type: ignore[attr-defined]


def test_late_ones_come_first_and_one_without_a_calendar_takes_no_other_with_it() -> None:
    late = case(step("2026-11-02", "submitted"), items=(item("b.1"),), name="b")
    unknown = case(step("2026-12-28", "submitted"), items=(item("a.1"),), name="a")
    open_ = case(step("2026-12-09", "submitted"), items=(item("c.1"),), name="c")
    found = judge_all(all_of(unknown, open_, late), PolicyState(), STATUTE, CALENDAR, ms("2026-12-10"))
    assert [(d.application, d.overdue, d.missing_year) for d in found.due] == [
        ("b", True, None),
        ("c", False, None),
        ("a", False, 2027),
    ]
    assert found.open == {"submitted": 3}
    assert list(found.behind) == ["a"]
    assert found.missing_years == (2027,)
    with pytest.raises(MissingYear, match="2027"):
        check_calendar(found)


def test_delivery_is_done_since_the_first_generation_of_the_grant_under_this_application() -> None:
    both = item("a.1", provider_said=(True, "2026-09-01"), subscriber_said=(True, "2026-09-01"))
    signed = Countersign(by="wang", signature=Signature(key="0" * 16, value="A" * 86 + "=="))
    approval = Approval(application="a", provider=signed, subscriber=signed)
    grant = both.asked.grant
    opened = [
        GrantOpened(
            grant=grant, generation=n, topic="t", schema_id=1, fingerprint="f", approval=approval, at=ms(on), by="b"
        )
        for n, on in ((1, "2026-09-03"), (2, "2026-12-01"))
    ]
    policy = PolicyState().after(0, opened[0]).after(1, opened[1])
    policy = policy.after(2, GrantEnded(grant="a.1", generation=2, reason="revoked", at=ms("2026-12-02"), by="b"))
    for name, state in (("a", "done"), ("other", "open")):
        found = case(step("2026-08-31", "submitted"), items=(both,), status="approved", name=name)
        [row] = [
            d for d in judge_all(all_of(found), policy, STATUTE, CALENDAR, ms("2026-12-09")).due if d.step == "delivery"
        ]
        assert (row.state, row.took) == (state, 2 if state == "done" else None)
