"""The publisher alone: keys, partitions, positions, fencing."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer

from infra.runtime.kafka import producer_config
from producers.adapter import Batch, event_id
from producers.positions import encode_position, read_position
from producers.publisher import Publisher
from schemas.change_event import ChangeEvent, Op, Row
from schemas.contract import parse_contract
from schemas.errors import ConfigError, PermanentError, TransientError
from schemas.ids import positions_topic, source_topic
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


MURMUR2 = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}
"""Hashes that Kafka's Java client publishes for its own partitioner."""


def test_keys_stand_where_the_java_client_would_put_them(cluster: Cluster, unique: str, tmp_path: Path) -> None:
    bench = make_bench(cluster, unique, tmp_path, partitions=4)
    with _open(bench) as out:
        _publish(out, [_event(Op.CREATE, None, {"code": k}, n) for n, k in enumerate(MURMUR2)], "1")
    places = {m.key().decode(): m.partition() for m in drain(bench.settings, source_topic(bench.resource))}
    assert places == {key: (hashed & 0x7FFFFFFF) % 4 for key, hashed in MURMUR2.items()}


def test_a_contract_with_another_number_of_partitions_or_no_topic_is_refused(bench: Bench) -> None:
    source = {**bench.contract.source, "resource": {**bench.contract.source["resource"], "partitions": 2}}
    other = {**bench.contract.source, "resource": {**bench.contract.source["resource"], "id": "no.where"}}
    for contract, error, message in (
        (parse_contract(source), PermanentError, "has 1 partitions, its contract says 2"),
        (parse_contract(other), ConfigError, "the topic does not exist"),
    ):
        with pytest.raises(error, match=message):
            Publisher(bench.settings, "log", contract, bench.schema_id, clock=lambda: 0)


def test_a_position_behind_anothers_open_transaction_is_waited_for(bench: Bench) -> None:
    other = Producer(producer_config(bench.settings, f"other.{bench.resource}"))
    other.init_transactions()
    with _open(bench) as out:
        other.begin_transaction()
        other.produce(positions_topic(bench.resource), key=b"other/rows", value=encode_position("1", 0))
        other.flush()
        _publish(out, [_event(Op.CREATE, None, {"code": "a"}, 0)], "mine")
    with pytest.raises(TransientError, match="could not be read to their end"):
        read_position(bench.settings, "log", bench.contract, timeout_s=0.5)
    other.abort_transaction()
    assert read_position(bench.settings, "log", bench.contract) == "mine"


def test_a_row_too_large_is_kept_back_and_its_neighbours_go(bench: Bench) -> None:
    with _open(bench) as out:
        events = [_event(Op.CREATE, None, {"code": c}, n) for n, c in enumerate(("a", "x" * (4 << 20), "b"))]
        prepared = out.prepare(Batch(events, [2, 3, 4], [], "1"))
        out.commit(prepared)
    assert [(r.row, r.reason) for r in prepared.rejected] == [(3, "too_large")]
    assert [e["key"]["code"] for e in bench.events()] == ["a", "b"]
