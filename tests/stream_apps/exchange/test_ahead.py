"""What is judged ahead of its turn is written only if nothing it rests on has changed; nothing else about it shows."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from schemas.errors import TransientError
from schemas.text import Text
from stream_apps.exchange import witness
from stream_apps.exchange.ahead import MAX_AGE_MS
from stream_apps.transport.unit import Place, Slice
from tests.stream_apps.exchange.fakes import NOW, Bench, FakeMessage, row


class Counted:
    """Stands where the judging of slices stands and says which thread judged which slice."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by: list[tuple[str, int]] = []
        real = witness.judge

        def judge(messages: Any, *arguments: Any, **more: Any) -> Any:
            self.by.append((threading.current_thread().name, messages[0].offset() if messages else -1))
            return real(messages, *arguments, **more)

        monkeypatch.setattr(witness, "judge", judge)

    def ahead(self) -> list[int]:
        return [at for thread, at in self.by if thread == "exchange-ahead"]

    def in_turn(self) -> list[int]:
        return [at for thread, at in self.by if thread != "exchange-ahead"]


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.publish_contract()
    return made


def slices(bench: Bench, place: Place) -> list[Slice]:
    """Two slices of a partition: a create each, and an update in the second that changes nothing released."""
    events = [
        [bench.event(0, "c", None, row(1))],
        [bench.event(1, "c", None, row(2)), bench.event(2, "u", row(1), row(1, district="b"))],
    ]
    return [Slice(place, events[0], 0, 1), Slice(place, events[1], 1, 3)]  # type: ignore[list-item]


def both(bench: Bench, first: Slice, second: Slice) -> None:
    bench.feed.next = [second]
    bench.exchange.handle(bench.unit(first))
    bench.exchange.ahead.rest()
    bench.feed.next = []
    bench.exchange.handle(bench.unit(second))


def written(bench: Bench) -> Any:
    return [([(o.topic, o.entries) for o in t.outputs], t.offsets) for t in bench.sender.done]


def test_a_unit_judged_ahead_is_judged_once_and_written_as_in_its_turn(judged: Counted) -> None:
    outputs = []
    for ahead in (True, False):
        bench = Bench()
        bench.publish_contract()
        bench.open()
        first, second = slices(bench, bench.own())
        if ahead:
            both(bench, first, second)
            assert (judged.ahead(), judged.in_turn()) == ([1], [0])
        else:
            bench.exchange.handle(bench.unit(first))
            bench.exchange.handle(bench.unit(second))
        outputs.append(written(bench))
    assert outputs[0] == outputs[1]


def test_a_grant_that_ended_meanwhile_gets_nothing_of_what_was_judged_for_it(bench: Bench, judged: Counted) -> None:
    topic = bench.open()
    first, second = slices(bench, bench.own())
    bench.feed.next = [second]
    bench.exchange.handle(bench.unit(first))
    bench.exchange.ahead.rest()
    bench.end()
    bench.feed.next = []
    bench.exchange.handle(bench.unit(second))
    assert judged.ahead() == [1]
    assert judged.in_turn() == [0, 1]
    assert bench.ops(topic) == ["c"]


def test_a_topic_that_went_away_meanwhile_is_not_written(bench: Bench, judged: Counted) -> None:
    topic = bench.open()
    first, second = slices(bench, bench.own())
    bench.feed.next = [second]
    bench.exchange.handle(bench.unit(first))
    bench.exchange.ahead.rest()
    bench.topics.gone.add(topic)
    bench.exchange.handle(bench.unit(second))
    assert judged.in_turn() == [0, 1]
    assert bench.ops(topic) == ["c"]


def test_what_follows_an_aborted_unit_is_judged_anew_if_it_no_longer_follows(bench: Bench, judged: Counted) -> None:
    topic = bench.open()
    place = bench.own()
    first, second = slices(bench, place)
    bench.sender.refuse = ["coordinator_not_available"]
    bench.feed.next = [second]
    bench.exchange.handle(bench.unit(first))
    bench.exchange.ahead.rest()
    bench.feed.next = []
    whole = Slice(place, [*first.messages, *second.messages], 0, 3)
    bench.exchange.handle(bench.unit(whole))
    assert judged.in_turn() == [0, 0]
    assert bench.ops(topic) == ["c", "c"]


def test_a_fault_just_before_makes_the_next_slice_be_judged_with_its_gap(bench: Bench, judged: Counted) -> None:
    topic = bench.open()
    place = bench.own()
    first = Slice(place, [FakeMessage(0, b"k1", b"\x00no")], 0, 1)  # type: ignore[list-item]
    second = Slice(place, [bench.event(1, "u", row(1), row(1, district="b"))], 1, 2)  # type: ignore[list-item]
    both(bench, first, second)
    assert judged.ahead() == [1]
    assert bench.ops(topic) == ["d", None, "u"]  # not suppressed as unchanged, though judged ahead


@pytest.mark.parametrize("late", [0, 1])
def test_a_judgement_that_is_too_old_is_made_anew(bench: Bench, judged: Counted, late: int) -> None:
    bench.open()
    first, second = slices(bench, bench.own())
    clock = [NOW]
    bench.exchange.tools = replace(bench.exchange.tools, now_ms=lambda: clock[0])
    bench.feed.next = [second]
    bench.exchange.handle(bench.unit(first))
    bench.exchange.ahead.rest()
    clock[0] += MAX_AGE_MS + late
    bench.exchange.handle(bench.unit(second))
    assert judged.in_turn() == ([0, 1] if late else [0])


def test_an_error_ahead_comes_up_in_its_turn(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = bench.open()
    place = bench.own()
    first, second = slices(bench, place)
    real, fail = witness.judge, [True]

    def judge(messages: Any, *arguments: Any, **more: Any) -> Any:
        if fail[0] and messages[0].offset() == 1:
            raise TransientError(Text("away", "离线"))
        return real(messages, *arguments, **more)

    monkeypatch.setattr(witness, "judge", judge)
    both(bench, first, second)
    assert bench.feed.paused == [place]
    fail[0] = False
    bench.exchange.handle(bench.unit(second))
    assert bench.ops(topic) == ["c", "c"]
