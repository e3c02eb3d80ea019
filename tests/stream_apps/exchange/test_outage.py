"""An exchange that was away longer than compaction waits releases nothing more to those who may have lost an end of a row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.evidence import OUTAGE, read_stretch
from schemas.ids import EVIDENCE_TOPIC
from stream_apps.exchange.idle import Idle
from stream_apps.exchange.marks import Mark, read_mark
from stream_apps.transport.unit import Place
from tests.stream_apps.exchange.fakes import NOW, Bench, FakeMessage, row

HOUR = 3_600
LIMIT = int(168 * HOUR * 0.9)
NOW_S = NOW // 1000


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.publish_contract()
    return made


def owned(bench: Bench, age_s: int, **more: int) -> Place:
    """A partition at offset 5, of which all that is unread was written within so many seconds."""
    epoch = bench.policy.state.epoch
    return bench.own(offset=5, metadata=Mark(epoch, "old", epoch, since=NOW_S - age_s, **more).text())


def at_end(bench: Bench, end: int) -> None:
    bench.exchange.tools = replace(bench.exchange.tools, ends=lambda places: dict.fromkeys(places, end))


def created(bench: Bench, at: int, age_s: int = 0) -> FakeMessage:
    message = bench.event(at, "c", None, row(at))
    message.ms = NOW - age_s * 1000
    return message


@pytest.mark.parametrize(("age", "gets"), [(LIMIT, ["c"]), (LIMIT + 1, [])])
def test_who_was_away_too_long_gives_nothing_more_to_grants_that_were_live(
    bench: Bench, age: int, gets: list[str]
) -> None:
    topic = bench.open()
    place = owned(bench, age)
    bench.handle(place, [created(bench, 5)], 5)
    assert bench.ops(topic) == gets
    bench.handle(place, [created(bench, 6)], 6)
    assert bench.ops(topic) == gets * 2
    mark = bench.sender.done[-1].offsets[place][1]
    assert (mark.lost >= 0, mark.off, mark.since) == (not gets, frozenset(), NOW_S)


def test_evidence_says_why(bench: Bench) -> None:
    bench.open()
    place = owned(bench, LIMIT + 1)
    bench.handle(place, [created(bench, 5)], 5)
    (value,) = [e["value"] for e in bench.sender.done[-1].entries(EVIDENCE_TOPIC)]
    assert dict(read_stretch(value, 0).withheld) == {"s.g": OUTAGE}


def test_the_next_generation_gets_the_history_and_live_records(bench: Bench) -> None:
    bench.open()
    place = owned(bench, LIMIT + 1)
    bench.handle(place, [created(bench, 5)], 5)
    bench.open(generation=2)
    (lane,) = bench.exchange.tools.book.rules(bench.policy.state, "p.r").lanes
    assert bench.exchange.owned[place].pending([lane]) == [lane]


def test_a_grant_that_waits_for_its_history_has_lost_nothing(bench: Bench) -> None:
    bench.open("s.g")
    live = bench.policy.state.epoch
    bench.open("s.late")
    mark = Mark(bench.policy.state.epoch, "old", live, since=NOW_S - LIMIT - 1)
    place = bench.own(offset=5, metadata=mark.text())
    bench.handle(place, [created(bench, 5)], 5)
    lanes = bench.exchange.tools.book.rules(bench.policy.state, "p.r").lanes
    assert [v.grant.grant.id for v in bench.exchange.owned[place].pending(lanes)] == ["s.late"]


def test_what_had_missed_records_before_is_made_anew_too_and_not_given_them_in_its_old_topic(bench: Bench) -> None:
    bench.open()
    epoch = bench.policy.state.epoch
    mark = Mark(epoch, "old", epoch, off=frozenset([epoch]), since=NOW_S - LIMIT - 1)
    place = bench.own(offset=5, metadata=mark.text())
    bench.handle(place, [created(bench, 5)], 5)
    (lane,) = bench.exchange.tools.book.rules(bench.policy.state, "p.r").lanes
    assert bench.exchange.owned[place].pending([lane]) == []
    assert bench.exchange.owned[place].apart([lane]) == {epoch: OUTAGE}


def test_what_is_old_then_is_read_under_a_clock_that_starts_again(bench: Bench) -> None:
    bench.open()
    place = owned(bench, LIMIT + 1)
    bench.handle(place, [created(bench, 5, age_s=LIMIT)], 5)
    assert bench.sender.done[-1].offsets[place][1].since == NOW_S


def test_where_there_was_nothing_to_read_nothing_is_lost_however_long(bench: Bench) -> None:
    topic = bench.open()
    place = bench.own()
    later = NOW + 2 * LIMIT * 1000
    bench.exchange.tools = replace(bench.exchange.tools, now_ms=lambda: later)
    bench.handle(place, [created(bench, 0)], 0)
    assert bench.ops(topic) == ["c"]


def test_where_nothing_was_written_meanwhile_nothing_is_lost(bench: Bench) -> None:
    topic = bench.open()
    at_end(bench, 5)
    place = owned(bench, 10 * LIMIT)
    bench.handle(place, [created(bench, 5)], 5)
    assert bench.ops(topic) == ["c"]


def test_a_worker_that_is_behind_by_so_much_is_as_one_that_was_away(bench: Bench) -> None:
    topic = bench.open()
    place = owned(bench, 100)
    bench.handle(place, [created(bench, 5, age_s=50)], 5)
    assert bench.sender.done[-1].offsets[place][1].since == NOW_S - 50
    clock = [NOW]
    bench.exchange.tools = replace(bench.exchange.tools, now_ms=lambda: clock[0])
    clock[0] += LIMIT * 1000
    bench.handle(place, [created(bench, 6)], 6)
    assert bench.ops(topic) == ["c"]


def test_a_publisher_whose_clock_is_ahead_makes_nothing_seem_younger(bench: Bench) -> None:
    bench.open()
    place = owned(bench, 100)
    bench.handle(place, [created(bench, 5, age_s=-HOUR)], 5)
    assert bench.sender.done[-1].offsets[place][1].since == NOW_S


def test_the_first_reading_of_a_long_history_has_lost_nothing(bench: Bench) -> None:
    topic = bench.open()
    place = bench.own()
    for at in range(3):
        bench.handle(place, [created(bench, at, age_s=30 * 24 * HOUR)], at)
    assert bench.ops(topic) == ["c"] * 3


def test_an_idle_partition_is_said_to_be_young_while_its_end_shows_that_it_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.open()
    place = owned(bench, LIMIT // 2)
    bench.exchange.turn()
    idle = Idle(bench.exchange)
    for end, since in ((6, NOW_S - LIMIT // 2), (5, NOW_S)):
        idle._at = 0.0
        at_end(bench, end)
        idle.turn()
        assert bench.sender.done[-1].offsets[place][1].since == since


def test_what_is_lost_survives_its_text() -> None:
    mark = Mark(3, "t", 2, since=NOW_S, lost=2)
    assert read_mark(mark.text()) == mark
