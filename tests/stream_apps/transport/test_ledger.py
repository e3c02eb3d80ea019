"""What the two threads agree on, without a broker."""

from __future__ import annotations

import threading

import pytest

from schemas.errors import PermanentError
from stream_apps.transport.ledger import Ledger
from stream_apps.transport.source import Limits
from stream_apps.transport.unit import Place
from tests.stream_apps.transport.fakes import messages

A, B = Place("a", 0), Place("b", 0)


def owning(**limits: int | float) -> Ledger:
    ledger = Ledger(Limits(**limits))  # type: ignore[arg-type]
    ledger.own({A: 0, B: 0})
    return ledger


def arrive(ledger: Ledger, place: Place, start: int, end: int, group: object = "g") -> None:
    ledger.take_in({place: messages(place, start, end)}, {place: end}, group)


def test_one_unit_is_out_at_a_time_and_records_gather_behind_it() -> None:
    ledger = owning()
    arrive(ledger, A, 0, 1)
    unit = ledger.take()
    assert unit is not None
    arrive(ledger, A, 1, 2)
    arrive(ledger, A, 2, 3, "newer")
    assert ledger.take() is None
    ledger.done(unit)
    second = ledger.take()
    assert second is not None
    assert (second.records, second.slices[0].start, second.slices[0].end, second.group) == (2, 1, 3, "newer")


def test_nothing_polled_before_a_rewind_comes_after_it() -> None:
    ledger = owning()
    arrive(ledger, A, 0, 5)
    unit = ledger.take()
    assert unit is not None
    arrive(ledger, A, 5, 9)
    ledger.rewind(unit, {A: 0, B: 0})
    arrive(ledger, A, 9, 12)  # was on its way
    assert ledger.take() is None
    ledger.sought(ledger.due_seeks())
    arrive(ledger, A, 0, 2)
    again = ledger.take()
    assert again is not None
    assert again.slices[0].start == 0


def test_a_pause_puts_back_what_was_buffered_and_seeks_only_when_resumed() -> None:
    ledger = owning()
    arrive(ledger, A, 0, 5)
    arrive(ledger, B, 0, 5)
    ledger.pause([A])
    unit = ledger.take()
    assert unit is not None
    assert [s.place for s in unit.slices] == [B]
    assert ledger.due_seeks() == {}
    ledger.resume([A])
    assert ledger.due_seeks() == {A: 0}


def test_a_rebalance_drops_buffers_and_rereads_kept_places_from_the_last_finished_unit() -> None:
    ledger = owning()
    arrive(ledger, A, 0, 3)
    unit = ledger.take()
    assert unit is not None
    arrive(ledger, A, 3, 8)
    ledger.done(unit)
    ledger.hold()
    assert ledger.take() is None
    ledger.disown([B])
    ledger.release()
    assert ledger.due_seeks() == {A: 3}
    assert ledger.owned == {A: 3}


def test_a_rebalance_gives_up_on_a_unit_that_never_ends() -> None:
    ledger = owning(ending_s=0.05)
    arrive(ledger, A, 0, 3)
    ledger.take()
    with pytest.raises(PermanentError, match="still open"):
        ledger.hold()


def test_a_rebalance_goes_on_as_soon_as_the_unit_is_done() -> None:
    ledger = owning(ending_s=5)
    arrive(ledger, A, 0, 3)
    unit = ledger.take()
    assert unit is not None
    threading.Timer(0.05, lambda: ledger.done(unit)).start()
    ledger.hold()
    assert ledger.finished[A] == 3


def test_room_ends_after_two_full_units_and_comes_back_with_a_take() -> None:
    ledger = owning(records=10)
    arrive(ledger, A, 0, 10)
    assert ledger.room() == 10
    arrive(ledger, A, 10, 20)
    assert ledger.room() == 0
    ledger.take()
    assert ledger.room() == 10


def test_only_the_unit_in_flight_can_be_done() -> None:
    ledger = owning()
    arrive(ledger, A, 0, 3)
    unit = ledger.take()
    assert unit is not None
    ledger.done(unit)
    with pytest.raises(RuntimeError):
        ledger.done(unit)


def test_idle_time_is_not_waiting_time() -> None:
    ledger = owning()
    assert ledger.waiting(behind=False) < 0.01
    arrive(ledger, A, 0, 3)
    assert ledger.waiting(behind=False) < 0.05


def test_the_next_unit_is_shown_ahead_only_once_it_can_grow_no_more_and_as_it_will_be_taken() -> None:
    ledger = owning(records=2)
    arrive(ledger, A, 0, 1)
    unit = ledger.take()
    assert unit is not None
    arrive(ledger, A, 1, 2)
    assert ledger.upcoming(0) == ()
    arrive(ledger, A, 2, 3)
    (shown,) = ledger.upcoming(0)
    arrive(ledger, A, 3, 4)
    ledger.done(unit)
    taken = ledger.take()
    assert taken is not None
    assert (shown.start, shown.end) == (1, 3)
    assert taken.slices[0].messages is shown.messages


def test_waiting_for_the_next_unit_ends_with_the_one_in_flight() -> None:
    ledger = owning()
    arrive(ledger, A, 0, 1)
    unit = ledger.take()
    assert unit is not None
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(ledger.upcoming(60)))
    waiting.start()
    ledger.done(unit)
    waiting.join(30)
    assert found == [()]


def test_a_rewind_drops_what_was_shown_ahead() -> None:
    ledger = owning(records=1)
    arrive(ledger, A, 0, 1)
    unit = ledger.take()
    assert unit is not None
    arrive(ledger, A, 1, 2)
    assert len(ledger.upcoming(0)) == 1
    ledger.rewind(unit, {A: 0, B: 0})
    assert ledger.upcoming(0) == ()


def test_a_unit_takes_so_many_partitions_and_the_rest_of_a_poll_comes_with_the_next() -> None:
    ledger = owning(places=2)
    c = Place("c", 0)
    ledger.own({c: 0})
    found = {place: messages(place, 0, 1) for place in (A, B, c)}
    ledger.take_in(found, dict.fromkeys(found, 1), "g")
    first = ledger.take()
    assert first is not None
    ledger.done(first)
    second = ledger.take()
    assert second is not None
    assert [[s.place for s in unit.slices] for unit in (first, second)] == [[A, B], [c]]
    assert (first.group, second.group) == ("g", "g")
