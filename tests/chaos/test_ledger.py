"""The ledger itself: what is planted in a faultless account is found, and called by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import pytest

from tests.chaos.cast import grants_on
from tests.chaos.ledger import Held, Line, Record, grant_line, sink_line, source_line
from tests.chaos.model import Change, Event, by_key, changes_of, expected, final_rows

CHANGES = changes_of("seed", 40, 20)
GRANTED = grants_on("a.b")
KINDS = sorted(GRANTED)


def source() -> list[Record]:
    return [Record(0, n, c.key, {"op": c.op, "after": c.after}) for n, c in enumerate(CHANGES)]


def topic(kind: str, changes: Sequence[Change] = CHANGES) -> list[Record]:
    """A grant's topic as a faultless exchange would fill it, deletes followed by tombstones, key after key."""
    out: list[Record] = []
    for key, own in by_key(changes).items():
        for op, row in expected(own, GRANTED[kind].release):
            out.append(Record(0, len(out), key, {"op": op, "after": row}))
            if op == "d":
                out.append(Record(0, len(out), key, None, tombstone=True))
    return out


def line(kind: str, records: Sequence[Record]) -> Line:
    return grant_line("g", by_key(CHANGES), GRANTED[kind].release, records)


@pytest.mark.parametrize("kind", KINDS)
def test_a_faultless_account_is_clean(kind: str) -> None:
    found, sequences = source_line("s", CHANGES, source())
    assert (found.clean, found.due, found.found, sequences) == (True, 800, 800, by_key(CHANGES))
    assert line(kind, topic(kind)).clean
    rows = final_rows(sequences, GRANTED[kind].release)
    assert sink_line("t", sequences, GRANTED[kind].release, 5, Held(rows, 5)).clean


def test_the_model_has_all_that_can_happen_to_a_row() -> None:
    ops = {kind: {r.content["op"] for r in topic(kind) if r.content} for kind in KINDS}
    assert list(ops.values()) == [{"c", "u", "d"}] * len(KINDS)
    created_again = [k for k, own in by_key(CHANGES).items() if sum(c.op == "c" for c in own) > 1]
    moved = [c for c in CHANGES if c.op == "u" and (c.before or {})["district"] != (c.after or {})["district"]]
    unseen = [c for c in CHANGES if c.op == "u" and (c.before or {})["version"] == (c.after or {})["version"]]
    assert min(map(len, (created_again, moved, unseen))) > 20


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_taken_away_is_lost_one_repeated_is_duplicated(kind: str) -> None:
    records, dice = topic(kind), Random(1)
    for at in dice.sample([i for i, r in enumerate(records) if r.content], 20):
        without, twice = line(kind, records[:at] + records[at + 1 :]), line(kind, records[: at + 1] + records[at:])
        assert (without.lost, without.duplicated) == (1, 0)
        assert (twice.lost, twice.duplicated) == (int(not records[at].content), 1) or twice.duplicated == 1


def test_an_older_event_after_a_newer_is_out_of_order() -> None:
    records = topic("whole")
    key = records[0].key
    own = [i for i, r in enumerate(records) if r.key == key and r.content and r.content["op"] == "u"]
    records[own[0]], records[own[1]] = records[own[1]], records[own[0]]
    found = line("whole", records)
    assert (found.lost, found.duplicated, found.out_of_order) == (0, 0, 1)
    assert key in found.examples[0]


def test_a_stretch_repeated_after_a_rewind_is_seen() -> None:
    records = topic("whole")
    stretch = [r for r in records[100:140] if r.content]
    assert line("whole", records[:140] + records[100:]).duplicated == len(stretch)


def test_what_was_never_due_is_no_event_of_the_grant() -> None:
    foreign = Record(0, 0, "k1", {"op": "u", "after": {"id": "k1", "version": 1, "district": "b"}})
    assert line("district", [*topic("district"), foreign]).duplicated == 1


def test_a_delete_without_its_tombstone_is_lost() -> None:
    records = topic("whole")
    at = next(i for i, r in enumerate(records) if r.tombstone)
    assert line("whole", records[:at] + records[at + 1 :]).lost == 1


@pytest.mark.parametrize(
    ("harm", "wrong"),
    [
        (lambda rows: rows.pop(next(iter(rows))), 1),
        (lambda rows: rows.update(ghost={"id": "ghost"}), 1),
        (lambda rows: [row.update(version=-1) for row in rows.values()], 0),
    ],
)
def test_a_table_that_is_not_the_models_is_counted_row_by_row(harm: Callable[[object], object], wrong: int) -> None:
    sequences, release = by_key(CHANGES), GRANTED["whole"].release
    rows = {key: dict(row) for key, row in final_rows(sequences, release).items()}
    harm(rows)
    assert sink_line("t", sequences, release, 9, Held(rows, 9)).wrong_rows == (wrong or len(rows))


def test_a_sink_that_counted_too_few_lost_and_one_that_counted_too_many_doubled() -> None:
    sequences, release = by_key(CHANGES), GRANTED["whole"].release
    rows = final_rows(sequences, release)
    few, many = (sink_line("t", sequences, release, 9, Held(rows, n)) for n in (7, 10))
    assert (few.lost, few.duplicated, many.lost, many.duplicated) == (2, 0, 0, 1)


def test_a_source_published_twice_or_not_at_all_is_seen() -> None:
    records = source()
    twice, _ = source_line("s", CHANGES, records[:60] + records[40:])
    less, _ = source_line("s", CHANGES, records[:-20])
    assert (twice.duplicated, less.lost) == (20, 20)


def test_of_a_corrupt_record_its_row_is_deleted_until_the_keys_next_change() -> None:
    records = source()
    at = next(i for i, c in enumerate(CHANGES) if c.op == "u")
    key = CHANGES[at].key
    found, sequences = source_line("s", CHANGES, [*records[: at + 1], Record(0, -1, key, None), *records[at + 1 :]])
    assert found.clean
    release = GRANTED["whole"].release
    own = expected(sequences[key], release)
    assert Event("d", None) in own
    events = [Record(0, n, key, {"op": e.op, "after": e.row}) for n, e in enumerate(own)]
    tombstones = [Record(0, 0, key, None, tombstone=True) for e in own if e.op == "d"]
    ignored = [r for r in topic("whole") if r.key == key]
    others = [r for r in topic("whole") if r.key != key]
    assert grant_line("g", sequences, release, [*others, *events, *tombstones]).clean
    assert grant_line("g", sequences, release, [*others, *ignored]).lost == 1
