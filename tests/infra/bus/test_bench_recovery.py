"""The recovery benchmark counts what it says it counts."""

from __future__ import annotations

import threading
import time

from infra.bus.bench.numbered import KEYS, Count, Source, contract, count, key, wrong_rows
from infra.bus.bench.roles import java_hash
from producers.check import RowCheck


def test_nothing_missing_nothing_twice_and_in_order_counts_as_such() -> None:
    assert count(3, [("k0", 0), ("k1", 1), ("k2", 2)]) == Count(3, lost=0, twice=0, disordered=0)


def test_what_is_missing_doubled_or_out_of_order_is_counted() -> None:
    assert count(2_002, [(key(n), n) for n in (0, 1, 1, 2_000, 1_000)]) == Count(
        2_002, lost=2_002 - 4, twice=1, disordered=1
    )


def test_a_table_is_right_when_every_row_is_what_the_last_change_left() -> None:
    table = {key(n): n for n in range(5, 5 + KEYS)}
    assert wrong_rows(5 + KEYS, table) == 0
    assert wrong_rows(6 + KEYS, table) == 1
    assert wrong_rows(3, {"k0": 0, "k1": 1}) == 1
    assert wrong_rows(2, {"k0": 0, "k1": 1, "k9": 9}) == 1


def test_a_source_goes_on_where_it_stopped_with_rows_the_contract_accepts() -> None:
    stop = threading.Event()
    source = Source("bench.x", 1_000_000, time.monotonic() - 1, stop)
    source.open(contract("bench.x"), None)
    first = source.read()
    assert first is not None and first.position == str(len(first.events))
    again = Source("bench.x", 1_000_000, time.monotonic() - 1, stop)
    again.open(contract("bench.x"), first.position)
    second = again.read()
    assert second is not None
    numbers = [e.after["n"] for batch in (first, second) for e in batch.events if e.after is not None]
    assert numbers == list(range(len(numbers)))
    events = [*first.events, *second.events]
    assert {e.op.value for e in events} == {"c", "u"}
    assert all(e.before is None or e.before["n"] == (e.after or {})["n"] - KEYS for e in events)
    assert RowCheck(contract("bench.x")).faults([dict(e.after or {}) for e in events]) == {}
    stop.set()
    assert again.read() is None


def test_transactions_are_found_where_kafka_looks_for_them() -> None:
    assert (java_hash(""), java_hash("hello"), java_hash("polygenelubricants")) == (0, 99162322, -(1 << 31))
