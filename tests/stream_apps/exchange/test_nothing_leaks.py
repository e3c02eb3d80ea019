"""What no grant names appears nowhere the exchange writes: not in values, keys, `before`, dead letters, offsets, logs, metrics."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import generate_latest

from infra.runtime.metrics import REGISTRY
from schemas.ids import DEAD_LETTER_TOPIC, EVIDENCE_TOPIC
from tests.stream_apps.exchange.fakes import Bench, FakeMessage

ID, DISTRICT, NOTE = "ID-5201021990", "DISTRICT-6f1c", "NOTE-93ab"
HIDDEN = (ID, DISTRICT, NOTE)


def person(**changes: Any) -> dict[str, Any]:
    return {"id": ID, "district": DISTRICT, "note": NOTE, **changes}


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.publish_contract()
    return made


def written(bench: Bench) -> list[tuple[str, bytes]]:
    """Everything of every transaction, as bytes, with the topic."""
    return [
        (output.topic, (entry["key"] or b"") + b"\0" + (entry["value"] or b""))
        for transaction in bench.sender.done
        for output in transaction.outputs
        for entry in output.entries
    ]


def test_no_grant_releases_nothing(bench: Bench) -> None:
    place = bench.own()
    bench.handle(place, [bench.event(0, "c", None, person()), FakeMessage(1, ID.encode(), NOTE.encode())], 0)
    assert bench.sender.done[0].offsets[place][0] == 2
    assert {topic for topic, _ in written(bench)} == {EVIDENCE_TOPIC}  # that it was judged, and nothing of it
    assert not [word for _, data in written(bench) for word in HIDDEN if word.encode() in data]


@pytest.mark.parametrize("before", [False, True])
def test_what_is_not_granted_appears_nowhere(
    bench: Bench, before: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream_apps.exchange.judge.MAX_EVENT_BYTES", 400)
    topics = [bench.open("s.g", fields={"id": "pseudonym"}, before=before)]
    topics.append(bench.open("s.h", fields={"note": {"mask": "partial", "keep_first": 4}}, before=before))
    place = bench.own()
    moved = person(id="ID-other")
    events = [
        bench.event(0, "c", None, person()),
        bench.event(1, "u", person(), person(note=NOTE + "2")),
        bench.event(2, "u", person(), moved),  # its key changes
        bench.event(3, "u", None, person()),  # no before
        bench.event(4, "c", None, person(note=NOTE * 100)),  # too large for its topic
        FakeMessage(5, ID.encode(), NOTE.encode()),  # not an event at all
        bench.event(6, "d", person(), None),
    ]
    for at, event in enumerate(events):
        bench.handle(place, [event], at)
    shown = [data for _, data in written(bench)]
    assert {topic for topic, _ in written(bench)} == {*topics, DEAD_LETTER_TOPIC, EVIDENCE_TOPIC}
    offsets = "".join(mark.text() for t in bench.sender.done for _, mark in t.offsets.values())
    said = capsys.readouterr()
    assert "dead_letter" in said.out + said.err
    places = {
        "written": b"".join(shown).decode(errors="replace"),
        "offsets": offsets,
        "logs": said.out + said.err,
        "metrics": generate_latest(REGISTRY).decode(),
    }
    found = [(name, word) for name, text in places.items() for word in HIDDEN if word in text]
    assert found == []
