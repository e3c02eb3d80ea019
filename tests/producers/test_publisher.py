"""The publisher alone: keys, partitions, positions, fencing."""

from __future__ import annotations

from pathlib import Path

import pytest

from producers.adapter import Batch, event_id
from producers.publisher import Publisher
from schemas.change_event import ChangeEvent, Op, Row
from schemas.errors import TransientError
from schemas.ids import source_topic
from tests.conftest import Cluster
from tests.producers.conftest import Bench, drain, make_bench


def _open(bench: Bench) -> Publisher:
    return Publisher(bench.settings, "log", bench.contract, bench.schema_id, clock=lambda: 1_700_000_000_000)


def _event(op: Op, before: Row | None, after: Row | None, n: int) -> ChangeEvent:
    row = after or before or {}
    return ChangeEvent(op, {"code": row["code"]}, before, after, event_id("log", "r", "1", n), "log", "1")


def _publish(out: Publisher, events: list[ChangeEvent], position: str) -> None:
    out.commit(out.prepare(Batch(events, [None] * len(events), [], position)))


def test_key_change_is_a_delete_and_a_create(bench: Bench) -> None:
    with _open(bench) as out:
        _publish(out, [_event(Op.UPDATE, {"code": "old", "amount": 1}, {"code": "new", "amount": 1}, 0)], "1")
    assert [(e["op"], e["key"]["code"]) for e in bench.events()] == [("d", "old"), ("c", "new")]
    assert len({e["event_id"] for e in bench.events()}) == 2


def test_position_is_read_back_with_what_was_committed_and_not_what_was_aborted(bench: Bench) -> None:
    with _open(bench) as out:
        assert out.position is None
        _publish(out, [_event(Op.CREATE, None, {"code": "a"}, 0)], "first")
    with _open(bench) as out:
        assert out.position == "first"
        out.prepare(Batch([_event(Op.CREATE, None, {"code": "b"}, 0)], [None], [], "second"))
    with _open(bench) as out:
        assert out.position == "first"
    assert len(bench.events()) == 1


def test_a_second_publisher_fences_the_first(bench: Bench) -> None:
    with _open(bench) as first, _open(bench) as second:
        _publish(second, [_event(Op.CREATE, None, {"code": "a"}, 0)], "1")
        with pytest.raises(TransientError, match="took over"):
            _publish(first, [_event(Op.CREATE, None, {"code": "b"}, 0)], "1")
    assert [e["key"]["code"] for e in bench.events()] == ["a"]


def test_a_key_stays_on_its_partition_whatever_the_batch(cluster: Cluster, unique: str, tmp_path: Path) -> None:
    bench = make_bench(cluster, unique, tmp_path, partitions=4)
    with _open(bench) as out:
        for position in ("1", "2"):
            rows = [{"code": f"k{n}", "amount": int(position)} for n in range(40)]
            _publish(out, [_event(Op.CREATE, None, r, n) for n, r in enumerate(rows)], position)
    places: dict[bytes, set[int]] = {}
    for m in drain(bench.settings, source_topic(bench.resource)):
        places.setdefault(m.key(), set()).add(m.partition())
    assert len(places) == 40 and all(len(p) == 1 for p in places.values())
    assert len(set.union(*places.values())) == 4


def test_a_row_too_large_is_kept_back_and_its_neighbours_go(bench: Bench) -> None:
    with _open(bench) as out:
        events = [_event(Op.CREATE, None, {"code": c}, n) for n, c in enumerate(("a", "x" * (4 << 20), "b"))]
        prepared = out.prepare(Batch(events, [2, 3, 4], [], "1"))
        out.commit(prepared)
    assert [(r.row, r.reason) for r in prepared.rejected] == [(3, "too_large")]
    assert [e["key"]["code"] for e in bench.events()] == ["a", "b"]
