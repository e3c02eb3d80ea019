"""A deliverer's own quota."""

from __future__ import annotations

from consumers.pace import BURST_S, Pace


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_without_a_rate_as_many_may_be_read_as_come() -> None:
    pace = Pace()
    pace.took(10**9)
    assert (pace.room(10_000), pace.wait_s()) == (10_000, 0.0)


def test_over_a_minute_no_more_than_rate_and_one_burst_are_read() -> None:
    clock = Clock()
    pace, read = Pace(1000, monotonic=clock), 0
    for _ in range(6000):
        room = pace.room(10_000)
        pace.took(room)
        read += room
        clock.at += 0.01
    assert 59_000 <= read <= 60_000 + 1000 * BURST_S


def test_what_several_take_at_once_beyond_the_rate_is_waited_for() -> None:
    clock = Clock()
    pace = Pace(100, monotonic=clock)
    first, second = pace.room(1000), pace.room(1000)
    pace.took(first)
    pace.took(second)
    assert pace.room(1000) == 0
    clock.at += second / 100 + 0.011
    assert pace.room(1000) == 1


def test_who_waits_is_awake_again_within_a_tenth_of_a_second() -> None:
    clock = Clock()
    pace = Pace(1, monotonic=clock)
    pace.took(pace.room(10))
    assert pace.room(10) == 0
    assert 0 < pace.wait_s() <= 0.1
