"""Every unit leaves evidence of what was judged when and under which policy, in its own transaction."""

from __future__ import annotations

import pytest

from schemas.errors import PermanentError
from schemas.evidence import Stretch, read_stretch
from schemas.ids import EVIDENCE_TOPIC
from tests.stream_apps.exchange.fakes import NOW, Bench, row


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.publish_contract()
    return made


def stretches(bench: Bench) -> list[Stretch]:
    return [read_stretch(e["value"], 0) for t in bench.sender.done for e in t.entries(EVIDENCE_TOPIC)]


def test_a_unit_leaves_the_place_the_epoch_and_the_moment_of_what_was_judged(bench: Bench) -> None:
    bench.open()
    place = bench.own()
    bench.handle(place, [bench.event(0, "c", None, row(1)), bench.event(1, "c", None, row(2))], 0, end=4)
    epoch = bench.policy.state.epoch
    assert stretches(bench) == [Stretch(topic=place.topic, partition=0, begin=0, end=4, epoch=epoch, at=NOW)]


def test_evidence_names_the_grants_that_were_withheld_and_why(bench: Bench) -> None:
    gone = bench.open("s.g")
    bench.open("s.h")
    bench.topics.gone = {gone}
    bench.handle(bench.own(), [bench.event(0, "c", None, row(1))], 0)
    assert [dict(s.withheld) for s in stretches(bench)] == [{"s.g": "no_topic"}]


def test_what_is_aborted_leaves_no_evidence(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    bench.open()
    place = bench.own()
    bench.sender.refuse = ["timed_out"]
    bench.handle(place, [bench.event(0, "c", None, row(1))], 0)
    assert stretches(bench) == []
    bench.handle(place, [bench.event(0, "c", None, row(1))], 0)
    assert len(stretches(bench)) == 1


def test_without_a_topic_for_evidence_nothing_is_released(bench: Bench) -> None:
    topic = bench.open()
    bench.topics.gone = {EVIDENCE_TOPIC}
    place = bench.own()
    bench.handle(place, [bench.event(0, "c", None, row(1))], 0)
    assert (bench.ops(topic), bench.feed.paused) == ([], [place])


def test_evidence_is_small_and_read_back_as_written() -> None:
    said = Stretch(
        topic="src.a.b", partition=3, begin=7, end=9, epoch=4, at=NOW, history=("s.g",), withheld={"s.h": "x"}
    )
    assert read_stretch(said.encode(), 0) == said
    plain = Stretch(topic="src.scjg.enterprise--registration", partition=0, begin=7, end=9, epoch=4, at=NOW)
    assert len(plain.encode()) < 130


@pytest.mark.parametrize("value", [None, b"", b"{}", b'{"topic": "src.a", "partition": -1}'])
def test_what_is_no_evidence_is_refused(value: bytes | None) -> None:
    with pytest.raises(PermanentError) as caught:
        read_stretch(value, 5)
    assert caught.value.where == "bus.evidence@5"
