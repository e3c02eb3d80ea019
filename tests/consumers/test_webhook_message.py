"""However records are cut into requests, each is told once, in order, and the requests cover every offset."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.events import Place, Tombstone, ViewEvent
from consumers.sinks.webhook.message import Record, Writer
from schemas.errors import PermanentError
from tests.kit.sink_conformance import a_view, event


@st.composite
def partitions(draw: st.DrawFn) -> tuple[list[Record], int, int]:
    """Records at rising offsets with gaps, from `first`, and the position after them."""
    first = at = draw(st.integers(0, 50))
    out: list[Record] = []
    for op in draw(st.lists(st.sampled_from("cudrt"), max_size=30)):
        at += draw(st.integers(0, 2))
        key = draw(st.sampled_from("abc"))
        out.append(Tombstone({"id": key}, Place(0, at)) if op == "t" else event(op, key, at, {"name": "名" * (at % 7)}))
        at += 1
    return out, first, at + draw(st.integers(0, 2))


def told(records: list[Record], bodies: list[str | None]) -> tuple[list[Any], list[int]]:
    events = [e for body in bodies if body for e in json.loads(body)["data"]["events"]]
    return events, [r.place.offset for r in records if isinstance(r, ViewEvent)]


@given(partitions(), st.integers(1, 8), st.integers(1_000, 2_000), st.data())
def test_requests_cover_every_offset_and_tell_every_event_once(
    made: tuple[list[Record], int, int], most_events: int, most_bytes: int, data: st.DataObject
) -> None:
    records, first, end = made
    announced = data.draw(st.none() | st.integers(first + 1, end)) if end > first else None
    requests = Writer(a_view(), most_events, most_bytes).requests(0, records, first, end, announced)
    edges = [first, *(r.next for r in requests)]
    assert [r.first for r in requests] == edges[:-1]
    assert edges == sorted(set(edges)) and edges[-1] == end
    assert announced is None or requests[0].next == announced
    events, expected = told(records, [r.body for r in requests])
    assert [e["place"]["offset"] for e in events if e["released_at"] is not None] == expected
    assert sum(r.events for r in requests) == len(expected)
    assert sum(r.upserted + r.deleted for r in requests) == len(events)
    for one in requests[announced is not None :]:
        assert one.body is None or len(json.loads(one.body)["data"]["events"]) <= most_events


@given(partitions(), st.integers(1, 8))
def test_what_is_told_comes_to_the_same_rows(made: tuple[list[Record], int, int], most_events: int) -> None:
    records, first, end = made
    expected: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for record in records:
        after = record.after if isinstance(record, ViewEvent) else None
        expected[record.key["id"]] = None if after is None else after["name"]
    requests = Writer(a_view(), most_events, 1_000).requests(0, records, first, end, None)
    for one in told(records, [r.body for r in requests])[0]:
        found[one["key"]["id"]] = None if one["op"] == "d" else one["after"]["name"]
    assert found == expected


def test_the_same_records_give_the_same_bytes() -> None:
    records: list[Record] = [event("c", "1", 4, {"name": "甲"}), Tombstone({"id": "2"}, Place(0, 5))]
    (request,) = Writer(a_view(), 10, 1_000).requests(0, records, 3, 7, None)
    assert request.id("EcWmkV1xRg", "0a1b2c3d") == "EcWmkV1xRg_0a1b2c3d_0_3_7"
    assert request.body == (
        '{"type":"view.events","data":{"grant":"s.r.2026-001","generation":1,"topic":"grant.s.r.g1",'
        '"partition":0,"first":3,"next":7,"events":['
        '{"op":"c","released_at":0,"key":{"id":"1"},"before":null,"after":{"id":"1","name":"甲","amount":null},'
        '"place":{"partition":0,"offset":4}},'
        '{"op":"d","released_at":null,"key":{"id":"2"},"before":null,"after":null,'
        '"place":{"partition":0,"offset":5}}]}}'
    )


def test_half_a_character_is_refused_by_its_place_alone() -> None:
    with pytest.raises(PermanentError, match=r"grant\.s\.r\.g1\[0\]@9: .*no JSON form") as caught:
        Writer(a_view(), 10, 1_000).requests(0, [event("c", "1", 9, {"name": "张三\ud800"})], 9, 10, None)
    assert "张三" not in str(caught.value)
    assert caught.value.__suppress_context__
