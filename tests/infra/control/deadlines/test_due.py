"""Who has to do what by when, by the law's numbers and the real calendars; time is always the test's."""

from __future__ import annotations

import datetime as dt

import pytest

from infra.control.deadlines.due import due_in
from infra.control.deadlines.rules import STATUTE, Rules
from tests.infra.control.deadlines.cases import CALENDAR, case, due, item, ms, step


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def test_a_conditional_reply_is_due_after_ten_working_days_and_an_unconditional_one_after_one() -> None:
    found = case(step("2026-11-24", "submitted"), items=(item("a.1"), item("a.2", unconditional=True)))
    soon, later = due(found, "2026-11-24")
    assert (soon.step, soon.conditional, soon.grants, soon.due, soon.days_left) == (
        "reply",
        False,
        ("a.2",),
        day("2026-11-25"),
        1,
    )
    assert (later.conditional, later.grants, later.due, later.days_left) == (True, ("a.1",), day("2026-12-08"), 10)
    assert {soon.department, later.department} == {"scjg"}
    assert not soon.overdue and not later.overdue


def test_the_spring_festival_and_its_made_up_saturdays_are_counted_as_the_notice_says() -> None:
    [row] = due(case(step("2026-02-13", "submitted"), items=(item("a.1"),)), "2026-02-20")
    assert (row.due, row.days_left) == (day("2026-03-05"), 9)


def test_a_reply_asked_for_in_one_year_is_due_in_the_next_by_that_years_notice() -> None:
    [row] = due(case(step("2025-12-25", "submitted"), items=(item("a.1"),)), "2025-12-31")
    assert (row.due, row.days_left) == (day("2026-01-09"), 6)


def test_the_last_minute_of_a_day_is_that_day_in_shanghai_wherever_the_process_runs() -> None:
    [late] = due(case(step("2026-11-24T23:59:59", "submitted"), items=(item("a.1"),)), "2026-11-25")
    [next_day] = due(case(step("2026-11-25T00:00:00", "submitted"), items=(item("a.1"),)), "2026-11-25")
    assert (late.due, next_day.due) == (day("2026-12-08"), day("2026-12-09"))


def test_the_last_day_is_in_time_to_its_end_and_the_next_is_late_and_the_authoritys() -> None:
    found = case(step("2026-11-24", "submitted"), items=(item("a.1"),))
    [last] = due(found, "2026-12-08T23:59:59")
    assert (last.overdue, last.days_left, last.escalated_to) == (False, 0, None)
    [late] = due(found, "2026-12-09T00:00:00")
    assert (late.overdue, late.days_left, late.escalated_to) == (True, -1, "authority")


def test_what_is_still_late_after_a_mediation_is_the_governments() -> None:
    mediated = step("2026-12-10", "mediated")
    [row] = due(case(step("2026-11-24", "submitted"), mediated, items=(item("a.1"),)), "2026-12-11")
    assert row.escalated_to == "government"
    before = step("2026-12-01", "mediated")
    [row] = due(case(step("2026-11-24", "submitted"), before, items=(item("a.1"),)), "2026-12-11")
    assert row.escalated_to == "authority"


def test_a_request_for_supplements_stops_the_clock_and_the_answer_lets_it_go_on() -> None:
    history = (step("2026-11-02", "submitted"), step("2026-11-05", "supplement_requested"))
    asked = case(*history, items=(item("a.1"),), status="supplement_requested")
    answer, reply = due(asked, "2026-12-30")
    assert (answer.step, answer.department, answer.due, answer.state) == ("supplement", "shuiwu", None, "open")
    assert (reply.state, reply.paused_since, reply.due, reply.overdue) == ("paused", day("2026-11-05"), None, False)
    # two days had counted (3rd and 4th), so eight are left after the answer
    answered = case(*history, step("2026-11-20", "submitted"), items=(item("a.1"),))
    [row] = due(answered, "2026-11-20")
    assert (row.due, row.days_left, row.received) == (day("2026-12-02"), 8, day("2026-11-02"))


def test_an_answer_on_the_day_of_the_request_starts_the_rest_of_the_time_the_day_after() -> None:
    history = [
        step(f"2026-11-24T{h}:00", d)
        for h, d in (("09", "submitted"), ("11", "supplement_requested"), ("15", "submitted"))
    ]
    [row] = due(case(*history, items=(item("a.1", unconditional=True),)), "2026-11-24T16:00")
    assert row.due == day("2026-11-25")


def test_a_request_for_supplements_after_the_time_was_over_heals_nothing() -> None:
    history = (step("2026-11-02", "submitted"), step("2026-11-20", "supplement_requested"))
    _, reply = due(case(*history, items=(item("a.1"),), status="supplement_requested"), "2026-11-23")
    assert (reply.state, reply.overdue, reply.due) == ("open", True, day("2026-11-16"))


def test_extensions_prolong_a_conditional_reply_by_ten_days_at_most_and_an_unconditional_one_never() -> None:
    items = (item("a.1"), item("a.2", unconditional=True))
    history = (step("2026-11-02", "submitted"), *(step(f"2026-11-0{n}", "extended", days=6) for n in (3, 3)))
    unconditional, conditional = due(case(*history, items=items), "2026-11-03")
    assert (conditional.allowed, conditional.extended_by, conditional.due) == (20, 10, day("2026-11-30"))
    assert (unconditional.allowed, unconditional.extended_by, unconditional.due) == (1, 0, day("2026-11-03"))


def test_an_extension_after_the_time_was_over_heals_nothing() -> None:
    history = (step("2026-11-02", "submitted"), step("2026-11-17", "extended", days=10))
    [row] = due(case(*history, items=(item("a.1"),)), "2026-11-17")
    assert (row.due, row.extended_by, row.overdue) == (day("2026-11-16"), 0, True)


def test_stricter_local_rules_bind() -> None:
    history = (step("2026-11-02", "submitted"), step("2026-11-03", "extended", days=10))
    rules = Rules(conditional_reply=5, extension=2)
    [row] = due(case(*history, items=(item("a.1"),)), "2026-11-03", rules)
    assert (row.allowed, row.due) == (7, day("2026-11-11"))


def test_a_given_reply_is_done_with_the_working_days_it_took_the_pause_left_out() -> None:
    history = (
        step("2026-11-02", "submitted"),
        step("2026-11-05", "supplement_requested"),
        step("2026-11-20", "submitted"),
    )
    found = case(*history, items=(item("a.1", provider_said=(False, "2026-11-25")),), status="refused")
    [row] = due(found, "2026-12-31")
    assert (row.state, row.took, row.overdue, row.grants) == ("done", 5, False, ("a.1",))


@pytest.mark.parametrize(
    ("on", "late", "took"), [("2026-11-13", False, 9), ("2026-11-16", False, 10), ("2026-11-17", True, 11)]
)
def test_a_reply_that_came_too_late_stays_marked(on: str, late: bool, took: int) -> None:
    found = case(step("2026-11-02", "submitted"), items=(item("a.1", provider_said=(False, on)),), status="refused")
    [row] = due(found, "2026-12-31")
    assert (row.overdue, row.took) == (late, took)


def test_a_reply_on_the_saturday_after_its_last_day_is_late() -> None:
    found = case(step("2026-10-30", "submitted"), items=(item("a.1", provider_said=(True, "2026-11-14")),))
    [row] = due(found, "2026-12-31")
    assert (row.took, row.overdue) == (10, True)


def test_each_provider_answers_for_its_own_grants() -> None:
    items = (item("a.1"), item("a.2", provider="gongan"), item("a.3", provider_said=(True, "2026-11-25")))
    rows = due(case(step("2026-11-24", "submitted"), items=items), "2026-11-26")
    assert [(r.department, r.grants, r.state) for r in rows] == [
        ("gongan", ("a.2",), "open"),
        ("scjg", ("a.1",), "open"),
        ("scjg", ("a.3",), "done"),
    ]


def test_delivery_is_due_twenty_working_days_after_both_sides_consented_and_done_when_the_grant_opened() -> None:
    both = item("a.1", provider_said=(True, "2026-09-01"), subscriber_said=(True, "2026-09-02"))
    found = case(step("2026-08-31", "submitted"), items=(both,), status="approved")
    reply, delivery = due(found, "2026-09-03")
    assert (reply.state, reply.took) == ("done", 1)
    # Sunday the 20th is worked, Friday the 25th free
    assert (delivery.step, delivery.department, delivery.due) == ("delivery", "scjg", day("2026-09-30"))
    _, late = due(found, "2026-10-08")
    # the National Day week does not count
    assert (late.overdue, late.days_left, late.escalated_to) == (True, -1, "authority")
    _, done = due(found, "2026-12-31", opened={"a.1": ms("2026-09-04")})
    assert (done.state, done.took, done.overdue) == ("done", 2, False)


def test_nothing_is_due_for_a_draft_nor_for_what_was_withdrawn_or_one_side_refused() -> None:
    assert due(case(step("2026-11-24", "drafted"), items=(), status="draft"), "2026-12-31") == []
    sent = step("2026-11-02", "submitted")
    assert (
        due(case(sent, step("2026-11-03", "withdrawn"), items=(item("a.1"),), status="withdrawn"), "2026-12-31") == []
    )
    refused = item("a.1", subscriber_said=(False, "2026-11-03"))
    assert due(case(sent, items=(refused,), status="refused"), "2026-12-31") == []


def test_a_deadline_in_a_year_without_calendar_says_so_and_the_others_are_not_touched() -> None:
    items = (item("a.1"), item("a.2", unconditional=True))
    rows = due(case(step("2026-12-28", "submitted"), items=items), "2026-12-28")
    assert [(r.due, r.missing_year, r.problem is None) for r in rows] == [
        (day("2026-12-29"), None, True),
        (None, 2027, False),
    ]
    assert rows[1].problem is not None and "2027" in rows[1].problem.zh


def test_what_was_due_before_the_calendar_ends_is_late_after_it_ends_though_nobody_can_say_by_how_many_days() -> None:
    [row] = due(case(step("2026-11-24", "submitted"), items=(item("a.1"),)), "2027-01-11")
    assert (row.overdue, row.due, row.days_left, row.missing_year) == (True, day("2026-12-08"), None, 2027)


def test_a_clock_behind_the_last_step_is_taken_as_that_step_and_reported() -> None:
    found = case(step("2026-11-24", "submitted"), items=(item("a.1"),))
    judged = due_in(found, STATUTE, CALENDAR, ms("2026-11-20"))
    assert judged.behind_ms == ms("2026-11-24") - ms("2026-11-20")
    assert judged.due == due_in(found, STATUTE, CALENDAR, ms("2026-11-24")).due
    assert due_in(found, STATUTE, CALENDAR, ms("2026-11-24")).behind_ms == 0
